"""How a constant of the graph is seen in training."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from octavo.dtypes import DType
from octavo.ir.types import Node, PerAxis
from octavo.numerics.affine import asymmetric, dequantize, quantize, symmetric
from octavo.plan.types import WeightRule
from octavo.qat.layers.live_constant import LiveConstant
from octavo.qat.surgery.blueprint import Blueprint


def live_constant(blueprint: Blueprint, name: str, reader: Node) -> tuple[Any, LiveConstant] | None:
    """A constant of the loaded graph in training.

    Args:
        blueprint: Of the model.
        name: Of the constant.
        reader: A node that reads it.

    Returns:
        The Keras layer it belongs to, None for a number of the code, and how its value follows from that layer. None
        if it is computed from variables in another way than a batch normalization's.
    """
    data = blueprint.loaded.tensors[name].values
    grid = blueprint.rounded_constants.get(name)
    if not blueprint.origins.depends_on_variables(name):
        return None, LiveConstant("value", data if grid is None else round_constant(data, grid))
    integer = grid.value if isinstance(grid, DType) else ""
    origin = blueprint.origins.of(name)
    if origin is not None and origin.is_reshaped:
        return origin.layer, LiveConstant("variable", variable=origin.variable, shape=data.shape, integer=integer)
    owner = blueprint.flat.get_layer(blueprint.loaded.tensors[name].layer)
    if isinstance(owner, keras.layers.BatchNormalization):
        return owner, LiveConstant("scale" if reader.op == "MUL" else "offset", shape=data.shape, integer=integer)
    return None


def round_constant(data: np.ndarray, grid: WeightRule | DType) -> np.ndarray:
    """A constant that does not change, rounded by its rule if it is a weight, else on the grid of its range."""
    if isinstance(grid, WeightRule):
        others = tuple(axis for axis in range(data.ndim) if grid.granularity != PerAxis(axis))
        parameters = symmetric(np.abs(data).max(axis=others).reshape(-1), grid.dtype, grid.granularity)
        return dequantize(quantize(data, parameters, grid.dtype, narrow=True), parameters)
    if grid is DType.INT16:
        parameters = symmetric(float(np.abs(data).max()), grid)
    else:
        parameters = asymmetric(float(data.min()), float(data.max()), grid)
    return dequantize(quantize(data, parameters, grid), parameters)
