"""Operators without a row, run by LiteRT in a child process."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from octavo.errors import DatasetError
from octavo.ir.inputs import Inputs
from octavo.ir.types import Shape
from octavo.ops.stored import StoredOperator
from octavo.run.litert import LiteRT
from octavo.run.supervised import in_child


def run_stored(options: StoredOperator, constant: Sequence[bool], arrays: Inputs[np.ndarray]) -> tuple[np.ndarray, ...]:
    """The results of an operator that a file stores.

    Args:
        options: Of it.
        constant: Of each input, whether it is a constant, which the operator's file holds.
        arrays: The inputs.

    Raises:
        DatasetError: if the kernel gives up on these values.
        ModelFileError: if LiteRT refuses it.
        RuntimeEndedError: if it ends its process.
    """
    given = [array for array, known in zip(arrays.items, constant, strict=True) if array is not None and not known]
    return in_child("LiteRT", _run, options.content, given)


def result_shapes(content: bytes) -> tuple[Shape | None, ...]:
    """Shapes of the results of a file's operator; None where only values decide it.

    Raises:
        ModelFileError: if LiteRT refuses it.
        RuntimeEndedError: if it ends its process.
    """
    return in_child("LiteRT", _shapes, content)


def _run(content: bytes, arrays: Sequence[np.ndarray]) -> tuple[np.ndarray, ...]:
    model = LiteRT(content)
    return tuple(model.run(dict(zip((port.name for port in model.inputs), arrays, strict=True))).values())


def _shapes(content: bytes) -> tuple[Shape | None, ...]:
    model = LiteRT(content)
    before = model.output_shapes()
    if schema.Model.GetRootAs(content, 0).SubgraphsLength() > 1:  # a loop may have no end on these values
        return before
    on_zeros = _shapes_on(model, lambda shape: np.zeros(shape))
    if before == on_zeros:
        return before
    # A size that follows from constants alone, as of segments, has none before a run, and the same in each.
    on_others = _shapes_on(model, lambda shape: np.arange(1, math.prod(shape) + 1).reshape(shape))
    return tuple(shape if shape == other else None for shape, other in zip(on_zeros, on_others, strict=True))


def _shapes_on(model: LiteRT, made: Callable[[Shape], np.ndarray]) -> tuple[Shape | None, ...]:
    """Shapes of the results on values made for each input; None where the kernel gives up."""
    try:
        model.run({port.name: made(port.shape).astype(port.dtype.numpy) for port in model.inputs})
    except (DatasetError, ValueError):  # also for results of no size
        return tuple(None for _ in model.outputs)
    return model.output_shapes()
