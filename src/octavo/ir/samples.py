"""What a sample of a model is: what one run of its file takes of an input.

An input of batch 1 takes a row of an array of samples. One of a larger batch takes that many rows, and may be given as
rows, (rows, *shape[1:]), or as whole batches, (samples, *shape); the last batch of rows is filled up with its last row.
An input without a batch dimension is no other than one whose batch is its first dimension.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from octavo.ir.types import Shape


def sample_shape(shape: Shape) -> Shape:
    """The shape of a sample of an input of this shape."""
    return shape[1:] if shape[:1] == (1,) else shape


def rows_in_sample(shape: Shape) -> int:
    """How many rows of an array of samples a run takes."""
    return shape[0] if shape else 1


def grouped(array: np.ndarray, shape: Shape) -> np.ndarray | None:
    """An array of rows or of whole samples as samples, first axis the sample; None if it is neither.

    Args:
        array: Shape (rows, *shape[1:]) or (samples, *sample_shape(shape)).
        shape: Of the input.
    """
    sample = sample_shape(shape)
    if array.ndim and array.shape[1:] == sample:
        return array
    if not array.ndim or not shape or array.shape[1:] != shape[1:]:
        return None
    missing = -len(array) % shape[0] if len(array) else 0
    filled = np.concatenate([array, np.repeat(array[-1:], missing, axis=0)]) if missing else array
    return filled.reshape(-1, *shape)


def row_count(array: np.ndarray, shape: Shape) -> int:
    """How many rows an array holds that `grouped` takes, those that fill a batch up left out."""
    whole = array.shape[1:] == sample_shape(shape)
    return len(array) * (rows_in_sample(shape) if whole else 1)


def stacked(samples: Sequence[Mapping[str, np.ndarray]], names: Sequence[str]) -> dict[str, np.ndarray]:
    """Inputs of several runs as arrays of samples, by name."""
    return {
        name: np.stack([sample[name] for sample in samples]).reshape(-1, *sample_shape(samples[0][name].shape))
        for name in names
    }
