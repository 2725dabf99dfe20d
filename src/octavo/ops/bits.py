"""BITWISE_XOR, RIGHT_SHIFT: the bits of whole numbers, which no scale stands for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from octavo.dtypes import DType
from octavo.ir.inputs import Inputs
from octavo.ir.types import Options, Tensor
from octavo.ops.cast import emit_cast
from octavo.ops.elementwise_kernels import broadcast_shape
from octavo.ops.pointwise import applies
from octavo.ops.refuse import refuse
from octavo.ops.roles import Data, Parameter
from octavo.ops.spec import Emitter, Example, KerasCall, KerasForm, OpSpec, TensorRef

# As a mask of all bits, -1 inverts what it is combined with.
ALL_BITS = -1
_FIRST = {0: DType.INT32}


def whole(options: Options, inputs: Inputs[Tensor]) -> tuple[DType, ...]:
    """Results are whole numbers."""
    return (DType.INT32,)


def _operand(b: Emitter, value: Any) -> str:
    if isinstance(value, TensorRef):
        return emit_cast(b, value.name, DType.INT32)
    return b.constant(np.asarray(value, np.int32), "operand")


def _lower(op: str) -> Callable[[Emitter, KerasCall], str]:
    def lower(b: Emitter, call: KerasCall) -> str:
        return b.emit(op, [_operand(b, value) for value in (*call.args, *call.kwargs.values())])

    return lower


def lower_invert(b: Emitter, call: KerasCall) -> str:
    """keras.ops.bitwise_invert and bitwise_not: all bits turned over; of a truth value, its contrary.

    Raises:
        UnsupportedLayerError: for integers without a sign, whose bits are fewer than those of int32.
    """
    (x,) = call.inputs
    made = {str(tensor.dtype) for node in call.operation._inbound_nodes for tensor in node.outputs}
    if any(dtype.startswith("uint") for dtype in made):
        raise refuse(
            call.operation,
            got=f"values of type {', '.join(sorted(made))}",
            expected="int32",
            fix='cast them before: keras.ops.cast(x, "int32")',
        )
    if b.dtype(x) is DType.BOOL:
        return b.emit("LOGICAL_NOT", [x])
    return b.emit("BITWISE_XOR", [emit_cast(b, x, DType.INT32), _operand(b, ALL_BITS)])


def _of_two(name: str, numpy: Callable[..., Any], function: str, keras: dict[str, KerasForm]) -> OpSpec:
    return OpSpec(
        name=name,
        inputs=(Data(), Parameter()),
        shapes=broadcast_shape,
        pointwise=True,
        types=whole,
        training=lambda ops: getattr(ops, function),
        run_float=applies(numpy),
        activations=frozenset(),
        micro=frozenset(),
        keras=keras,
        examples=(
            Example(((1, 5, 4), None), {1: np.array([1, 0, 3, 2], np.int32)}, dtypes=_FIRST, low=-99.0, high=99.0),
            Example(((1, 40), None), {1: np.array([4], np.int32)}, dtypes=_FIRST, low=-99.0, high=99.0),
        ),
        note="of int32, exactly",
    )


def _form(op: str, function: str) -> KerasForm:
    def example(keras: Any) -> Any:
        apply, few = getattr(keras.ops, function), np.array(3, np.int32)
        return lambda x: apply(keras.ops.cast(8.0 * x, "int32"), few), ((4, 3),)

    return KerasForm(_lower(op), example)


def _inverse(function: str) -> KerasForm:
    def example(keras: Any) -> Any:
        return lambda x: getattr(keras.ops, function)(keras.ops.cast(8.0 * x, "int32")), ((4, 3),)

    return KerasForm(lower_invert, example)


SPECS = (
    _of_two(
        "BITWISE_XOR",
        np.bitwise_xor,
        "bitwise_xor",
        {
            "ops.BitwiseXor": _form("BITWISE_XOR", "bitwise_xor"),
            "ops.BitwiseInvert": _inverse("bitwise_invert"),
            "ops.BitwiseNot": _inverse("bitwise_not"),
        },
    ),
    _of_two(
        "RIGHT_SHIFT",
        np.right_shift,
        "right_shift",
        {
            "ops.BitwiseRightShift": _form("RIGHT_SHIFT", "bitwise_right_shift"),
            "ops.RightShift": _form("RIGHT_SHIFT", "right_shift"),
        },
    ),
)
