"""Fourier transforms, as products with constant matrices."""

from __future__ import annotations

from typing import Any

import numpy as np

from octavo.ops.refuse import refuse
from octavo.ops.spec import KerasForm
from octavo.ops.written.recipe import written


def _ops() -> Any:
    import keras

    return keras.ops


def _waves(length: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Matrices [length, size // 2 + 1] of the real and the imaginary part of a transform of `size` values."""
    angles = 2 * np.pi * np.outer(np.arange(length), np.arange(size // 2 + 1)) / size
    return np.cos(angles), -np.sin(angles)


def rfft(operation: Any, x: Any) -> Any:
    """Real and imaginary part of the transform of the last axis; behind it are zeros, or it is cut."""
    ops, size = _ops(), operation.fft_length or x.shape[-1]
    rows = x[..., :size] if x.shape[-1] > size else x
    return tuple(ops.matmul(rows, part.astype(np.float32)) for part in _waves(rows.shape[-1], size))


def stft(operation: Any, x: Any) -> Any:
    """Real and imaginary part of transforms of windows, [..., windows, frequencies]."""
    ops, size = _ops(), operation.fft_length
    length, stride = operation.sequence_length, operation.sequence_stride
    window = _window(operation, length)
    left = (size - length) // 2
    padded = np.pad(window, (left, size - length - left))
    if operation.center:
        x = ops.pad(x, [*[(0, 0)] * (len(x.shape) - 1), (size // 2, size // 2)], mode="reflect")
    frames = ops.extract_sequences(x, size, stride)
    return tuple(ops.matmul(frames, (padded[:, None] * part).astype(np.float32)) for part in _waves(size, size))


def _window(operation: Any, length: int) -> np.ndarray:
    window = operation.window
    if window is None:
        return np.ones(length)
    if not isinstance(window, str):
        return np.asarray(window, np.float64)
    turns = 2 * np.pi * np.arange(length) / length
    if window == "hann":
        return 0.5 - 0.5 * np.cos(turns)
    if window == "hamming":
        return 0.54 - 0.46 * np.cos(turns)
    raise refuse(
        operation, got=f"window {window!r}", expected='"hann", "hamming", an array or none', fix="pass an array"
    )


FORMS: dict[str, KerasForm] = {
    "ops.RFFT": written(rfft, lambda ops, x: ops.rfft(x, 8)[1]),
    "ops.STFT": written(stft, lambda ops, x: ops.stft(x, 6, 3, 8)[0], (32,)),
}
