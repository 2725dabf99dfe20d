"""Fourier transforms, as products with constant matrices."""

from __future__ import annotations

from typing import Any

import numpy as np

from octavo.ops.refuse import refuse
from octavo.ops.spec import KerasForm
from octavo.ops.written.recipe import keras_ops, written


def _waves(length: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Matrices [length, size // 2 + 1] of the real and the imaginary part of a transform of `size` values."""
    angles = 2 * np.pi * np.outer(np.arange(length), np.arange(size // 2 + 1)) / size
    return np.cos(angles), -np.sin(angles)


def rfft(operation: Any, x: Any) -> Any:
    """Real and imaginary part of the transform of the last axis; behind it are zeros, or it is cut."""
    ops, size = keras_ops(), operation.fft_length or x.shape[-1]
    rows = x[..., :size] if x.shape[-1] > size else x
    return tuple(ops.matmul(rows, part.astype(np.float32)) for part in _waves(rows.shape[-1], size))


def stft(operation: Any, x: Any) -> Any:
    """Real and imaginary part of transforms of windows, [..., windows, frequencies]."""
    ops, size = keras_ops(), operation.fft_length
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


def _turned(x: tuple[Any, Any], axis: int, sign: int) -> tuple[Any, Any]:
    """The transform of complex numbers, real and imaginary part apart, along an axis: forwards for -1, back for 1."""
    ops, size = keras_ops(), x[0].shape[axis]
    angles = 2 * np.pi * np.outer(np.arange(size), np.arange(size)) / size
    share = 1 / size if sign > 0 else 1.0
    cosines, sines = ((share * part).astype(np.float32) for part in (np.cos(angles), sign * np.sin(angles)))
    real, imaginary = (ops.moveaxis(part, axis, -1) for part in x)
    made = (
        ops.matmul(real, cosines) - ops.matmul(imaginary, sines),
        ops.matmul(imaginary, cosines) + ops.matmul(real, sines),
    )
    return ops.moveaxis(made[0], -1, axis), ops.moveaxis(made[1], -1, axis)


def fft(operation: Any, x: Any) -> Any:
    """keras.ops.fft along the last axis."""
    return _turned(tuple(x), -1, -1)


def fft2(operation: Any, x: Any) -> Any:
    """keras.ops.fft2 along the last two axes."""
    return _turned(_turned(tuple(x), -1, -1), -2, -1)


def ifft2(operation: Any, x: Any) -> Any:
    """keras.ops.ifft2 along the last two axes."""
    return _turned(_turned(tuple(x), -1, 1), -2, 1)


def irfft(operation: Any, x: Any) -> Any:
    """keras.ops.irfft: real numbers, of which only half of the transform is told; it is cut or continued by zeros."""
    ops, (real, imaginary) = keras_ops(), x
    size = operation.fft_length or 2 * (real.shape[-1] - 1)
    known = min(real.shape[-1], size // 2 + 1)
    frequencies = np.arange(known)
    # All but the first and, of an even number, the last stand for two of the whole transform.
    twice = np.where((frequencies == 0) | (2 * frequencies == size), 1.0, 2.0)
    angles = 2 * np.pi * np.outer(frequencies, np.arange(size)) / size
    cosines, sines = ((twice[:, None] * part / size).astype(np.float32) for part in (np.cos(angles), np.sin(angles)))
    return ops.matmul(real[..., :known], cosines) - ops.matmul(imaginary[..., :known], sines)


def istft(operation: Any, x: Any) -> Any:
    """keras.ops.istft, which is linear: a product with what Keras makes of each single value."""
    ops, (real, imaginary) = keras_ops(), x
    windows, frequencies = real.shape[-2:]
    units = np.eye(windows * frequencies, dtype=np.float32).reshape(-1, windows, frequencies)

    def of(*parts: np.ndarray) -> np.ndarray:
        result = operation.call(tuple(ops.convert_to_tensor(part) for part in parts))
        return np.asarray(ops.convert_to_numpy(result), np.float32)

    rows = (ops.reshape(part, (*part.shape[:-2], windows * frequencies)) for part in (real, imaginary))
    matrices = of(units, 0 * units), of(0 * units, units)
    first, second = (ops.matmul(row, matrix) for row, matrix in zip(rows, matrices, strict=True))
    return first + second


FORMS: dict[str, KerasForm] = {
    "ops.FFT": written(fft, lambda ops, x, y: ops.fft((x, y))[0], (4, 6), (4, 6)),
    "ops.FFT2": written(fft2, lambda ops, x, y: ops.fft2((x, y))[1], (4, 6), (4, 6)),
    "ops.IFFT2": written(ifft2, lambda ops, x, y: ops.ifft2((x, y))[0], (4, 6), (4, 6)),
    "ops.IRFFT": written(irfft, lambda ops, x, y: ops.irfft((x, y), 8), (4, 5), (4, 5)),
    "ops.ISTFT": written(istft, lambda ops, x, y: ops.istft((x, y), 6, 3, 8), (5, 5), (5, 5)),
    "ops.RFFT": written(rfft, lambda ops, x: ops.rfft(x, 8)[1]),
    "ops.STFT": written(stft, lambda ops, x: ops.stft(x, 6, 3, 8)[0], (32,)),
}
