"""Functions with a pole at 0 in training, made finite as the integer kernels make them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Function = Callable[..., Any]


def saturating(ops: Any, function: Function, extreme: Function) -> Function:
    """`function` on Keras tensors, of which 0 and below give its most extreme value.

    Rounding takes small arguments to 0, so that this happens where it never would in float.

    Args:
        ops: `keras.ops`.
        function: Finite for x > 0.
        extreme: Which of its values is the most extreme: `ops.min` or `ops.max`.
    """

    def run(x: Any) -> Any:
        positive = x > 0
        values = function(ops.where(positive, x, 1.0))
        return ops.where(positive, values, ops.stop_gradient(extreme(ops.where(positive, values, 0.0))))

    return run


def sqrt_training(ops: Any) -> Function:
    """The square root on Keras tensors; 0 below 0, where its gradient is 0, too."""
    return lambda x: ops.where(x > 0, ops.sqrt(ops.where(x > 0, x, 1.0)), 0.0)
