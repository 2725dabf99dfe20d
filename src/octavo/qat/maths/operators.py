"""Operators on Keras tensors: those that lowerings put inside one Keras call.

A test runs every Keras form through them, so an operator that a new form needs and that is missing here shows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from keras import ops

Operator = Callable[..., Any]


def _saturating(function: Operator, extreme: Operator) -> Operator:
    """A function with a pole at 0, made finite as the integer kernels make it: 0 and below give its most extreme value.

    Rounding takes small arguments to 0, so that this happens where it never would in float.
    """

    def run(x: Any) -> Any:
        positive = x > 0
        values = function(ops.where(positive, x, 1.0))
        return ops.where(positive, values, ops.stop_gradient(extreme(ops.where(positive, values, 0.0))))

    return run


def _fully_connected(x: Any, weights: Any, bias: Any = None, *, keep_num_dims: bool = False) -> Any:
    rows = x if keep_num_dims else ops.reshape(x, (-1, weights.shape[1]))
    sums = ops.matmul(rows, ops.transpose(weights))
    return sums if bias is None else ops.add(sums, bias)


def _batch_matmul(x: Any, y: Any, *, adj_x: bool = False, adj_y: bool = False) -> Any:
    return ops.matmul(ops.swapaxes(x, -1, -2) if adj_x else x, ops.swapaxes(y, -1, -2) if adj_y else y)


def _mean(x: Any, axes: Any, *, keep_dims: bool = False) -> Any:
    return ops.mean(x, axis=tuple(int(axis) for axis in axes.reshape(-1)), keepdims=keep_dims)


OPERATORS: Mapping[str, Operator] = MappingProxyType(
    {
        "ABS": ops.abs,
        "ADD": ops.add,
        "BATCH_MATMUL": _batch_matmul,
        "DIV": ops.divide,
        "ELU": ops.elu,
        "FULLY_CONNECTED": _fully_connected,
        "LEAKY_RELU": lambda x, alpha: ops.leaky_relu(x, negative_slope=alpha),
        "LOG": _saturating(ops.log, ops.min),
        "LOGISTIC": ops.sigmoid,
        "MAXIMUM": ops.maximum,
        "MEAN": _mean,
        "MINIMUM": ops.minimum,
        "MUL": ops.multiply,
        "PRELU": lambda x, alpha: ops.where(x >= 0, x, x * alpha),
        "RELU": ops.relu,
        "RELU6": ops.relu6,
        "RESHAPE": lambda x, shape: ops.reshape(x, tuple(int(size) for size in shape)),
        "RSQRT": _saturating(ops.rsqrt, ops.max),
        "SQRT": lambda x: ops.where(x > 0, ops.sqrt(ops.where(x > 0, x, 1.0)), 0.0),
        "SQUARED_DIFFERENCE": lambda x, y: ops.square(x - y),
        "SUB": ops.subtract,
        "TANH": ops.tanh,
    }
)

# Operators whose function or gradient has a pole at 0, where Keras's own would turn into infinity.
WITH_POLE = frozenset({"LOG", "RSQRT", "SQRT"})
