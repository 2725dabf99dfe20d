"""Bits of whole numbers by what TensorFlow Lite has: sums, products, BITWISE_XOR and RIGHT_SHIFT, all of int32."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from octavo.ops.spec import KerasForm
from octavo.ops.written.recipe import by_two, is_symbol, written

_ONE = np.array(1, np.int32)


def _bitwise_and(ops: Any, a: Any, b: Any) -> Any:
    """`(a + b - (a ^ b)) / 2`, of the bits but the last, whose sum int32 holds, and the product of the last."""
    a, b = _whole(ops, a), _whole(ops, b)
    half_a, half_b = ((ops if is_symbol(each) else np).right_shift(each, _ONE) for each in (a, b))
    return half_a + half_b - ops.bitwise_xor(half_a, half_b) + (a - half_a * 2) * (b - half_b * 2)


def _bitwise_or(ops: Any, a: Any, b: Any) -> Any:
    """What differs, and what is common."""
    return ops.bitwise_xor(_whole(ops, a), _whole(ops, b)) + _bitwise_and(ops, a, b)


def _left_shift(ops: Any, x: Any, places: Any) -> Any:
    """A product with a power of two: of numbers of places in a tensor, that of the powers of their five bits."""
    if not is_symbol(places):
        return _whole(ops, x) * np.left_shift(_ONE, np.asarray(places, np.int32))
    result, rest = _whole(ops, x), _whole(ops, places)
    for bit in range(5):
        above = ops.right_shift(rest, _ONE)
        result, rest = result * ((rest - above * 2) * (2**2**bit - 1) + 1), above
    return result


def _whole(ops: Any, x: Any) -> Any:
    return ops.cast(x, "int32") if is_symbol(x) else np.asarray(x, np.int32)


def _on_whole(function: str, few: bool = True) -> Callable[..., Any]:
    """A call on whole numbers, with a constant or with others."""

    def example(ops: Any, x: Any) -> Any:
        whole = ops.cast(8.0 * x, "int32")
        return getattr(ops, function)(whole, np.array(3, np.int32) if few else ops.cast(ops.abs(3.0 * x), "int32"))

    return example


FORMS: dict[str, KerasForm] = {
    "ops.BitwiseAnd": written(by_two(_bitwise_and), _on_whole("bitwise_and")),
    "ops.BitwiseOr": written(by_two(_bitwise_or), _on_whole("bitwise_or")),
    "ops.LeftShift": written(by_two(_left_shift), _on_whole("left_shift", few=False)),
    "ops.BitwiseLeftShift": written(by_two(_left_shift), _on_whole("bitwise_left_shift")),
}
