"""Rounding of a matrix so that its products keep close: the error of one element goes on to the next.

All arrays hold `groups` independent problems along their first axis:

    minimize over integers q   tr (w - scale * q)^T C (w - scale * q),   |q| <= largest

with C the second moments of what the matrix is multiplied by; w and q [groups, inputs, outputs], C [groups, inputs,
inputs], scale [groups, 1, outputs].

Source: Frantar et al. 2022, "GPTQ: Accurate Post-Training Quantization for Generative Pre-trained Transformers",
algorithm 1; Behdin et al. 2023, "QuantEase", section 3 (cyclic descent over coordinates).
"""

from __future__ import annotations

import numpy as np

# Columns whose error is passed on to all later ones at once.
_BLOCK = 32


def round_with_feedback(w: np.ndarray, moments: np.ndarray, scale: np.ndarray, largest: int) -> np.ndarray:
    """Integers by error feedback: each input's rounding error goes on to the inputs not rounded yet.

    Inputs of the largest moments come first, while there are many left to take their errors.

    Args:
        w: Reals, float64.
        moments: Positive definite, float64.
        scale: Of an integer, positive.
        largest: Magnitude of the largest integer.

    Returns:
        Whole numbers as float64, shape of `w`.
    """
    order = np.argsort(-np.diagonal(moments, axis1=1, axis2=2), axis=1, kind="stable")
    # What is passed on has float32, in half the memory: the next integers take its errors up.
    rest, scale = np.take_along_axis(w, order[:, :, np.newaxis], axis=1).astype(np.float32), scale.astype(np.float32)
    ordered = np.take_along_axis(np.take_along_axis(moments, order[:, :, None], 1), order[:, None, :], 2)
    feedback = np.linalg.cholesky(np.linalg.inv(ordered)).transpose(0, 2, 1).astype(np.float32)
    found = np.empty_like(rest)
    inputs = rest.shape[1]
    for start in range(0, inputs, _BLOCK):
        stop = min(start + _BLOCK, inputs)
        errors = np.empty_like(rest[:, start:stop])
        for i in range(start, stop):
            row = feedback[:, i, np.newaxis, :]
            found[:, i] = nearest(rest[:, i], scale[:, 0], largest)
            error = (rest[:, i] - found[:, i] * scale[:, 0]) / row[:, :, i]
            rest[:, i + 1 : stop] -= row[:, 0, i + 1 : stop, np.newaxis] * error[:, np.newaxis]
            errors[:, i - start] = error
        rest[:, stop:] -= feedback[:, start:stop, stop:].transpose(0, 2, 1) @ errors
    return np.take_along_axis(found, np.argsort(order, axis=1)[:, :, np.newaxis], axis=1).astype(np.float64)


def refine(
    q: np.ndarray, w: np.ndarray, moments: np.ndarray, scale: np.ndarray, largest: int, sweeps: int
) -> np.ndarray:
    """Move one integer after the other to where the error is least, the others held; the error never grows.

    Args:
        q: Integers to start from, as float64.
        w, moments, scale, largest: As for `round_with_feedback`.
        sweeps: Passes over all inputs; it stops before where a pass changes nothing.
    """
    q, diagonal = q.copy(), np.diagonal(moments, axis1=1, axis2=2)
    slope = moments @ (scale * q - w)
    for _ in range(sweeps):
        before = q.copy()
        for start in range(0, q.shape[1], _BLOCK):
            stop = min(start + _BLOCK, q.shape[1])
            steps = np.zeros_like(q[:, start:stop])
            for i in range(start, stop):
                best = q[:, i] * scale[:, 0] - slope[:, i] / diagonal[:, i, np.newaxis]
                moved = nearest(best, scale[:, 0], largest)
                step = (moved - q[:, i]) * scale[:, 0]
                if step.any():
                    slope[:, i + 1 : stop] += moments[:, i + 1 : stop, i, np.newaxis] * step[:, np.newaxis]
                    q[:, i], steps[:, i - start] = moved, step
            if steps.any():
                slope += moments[:, :, start:stop] @ steps
                # Each element of the block had taken the steps of those before it already.
                slope[:, start:stop] -= np.tril(moments[:, start:stop, start:stop], -1) @ steps
        if np.array_equal(before, q):
            break
    return q


def product_error(difference: np.ndarray, moments: np.ndarray) -> np.ndarray:
    """`d^T C d` of every output: the mean squared error of its products; [groups, outputs]."""
    return np.einsum("gio,gio->go", difference, moments @ difference)


def nearest(values: np.ndarray, scale: np.ndarray, largest: int) -> np.ndarray:
    """The nearest integer of each value, as float64."""
    return np.clip(np.rint(values / scale), -largest, largest)
