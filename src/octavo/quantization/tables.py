"""A function of one number as the integers that it maps integers to."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from octavo.dtypes import DType
from octavo.ir.inputs import Inputs
from octavo.ir.types import Graph, Quantization
from octavo.numerics.affine import dequantize, quantize
from octavo.ops.table import spec_of
from octavo.plan.types import Table

# What float32 may have taken from a constant that is a whole number of steps.
ROUNDING = 2.0**-20
LOWEST, HIGHEST = DType.INT8.integer_range


def real_values(graph: Graph, table: Table, source: Quantization) -> np.ndarray:
    """What the operators of a table make of each int8 value of its source, from -128 on.

    What has no value, as the logarithm of a number below 0, gets that of the nearest number that has one.
    """
    inputs = dequantize(np.arange(LOWEST, HIGHEST + 1), source)
    values = {table.source: inputs}
    with np.errstate(all="ignore"):
        for node in table.nodes:
            numbers = {name: graph.tensors[name].data for name in node.inputs if name is not None}
            values |= {name: data.ravel()[:1].reshape(()) for name, data in numbers.items() if data is not None}
            operands = Inputs(None if name is None else values[name] for name in node.inputs)
            values[node.outputs[0]] = np.asarray(spec_of(node.op).run_float(node.options, operands)[0])
    made = np.broadcast_to(values[table.result], inputs.shape)
    known = np.flatnonzero(~np.isnan(made)) if made.dtype.kind == "f" else np.arange(made.size)
    if not known.size:
        return np.zeros_like(made)
    nearest = np.abs(np.arange(made.size)[:, None] - known).argmin(axis=1)
    return made[known[nearest]]


def whole_steps(values: np.ndarray, parameters: Quantization, whole: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Constants in steps of what they are compared with, as int32; `whole` rounds those that lie between two steps."""
    steps = values / parameters.scale[0].astype(np.float64) + parameters.zero_point[0]
    nearest = np.rint(steps)
    on_grid = np.abs(steps - nearest) <= ROUNDING * np.maximum(1.0, np.abs(nearest))
    low, high = DType.INT32.integer_range
    return np.clip(np.where(on_grid, nearest, whole(steps)), low, high).astype(np.int32)


def entries(values: np.ndarray, result: Quantization) -> np.ndarray:
    """Real values as int8; what is infinite is the largest or smallest."""
    limits = np.finfo(np.float32)
    return quantize(np.clip(values, limits.min / 2, limits.max / 2), result, DType.INT8)
