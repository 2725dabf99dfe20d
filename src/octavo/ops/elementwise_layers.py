"""Keras's merging layers and arithmetic operations in operators."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from octavo.dtypes import DType
from octavo.ir.types import Options
from octavo.ops.cast import emit_cast
from octavo.ops.elementwise_kernels import DivOptions, MulOptions
from octavo.ops.shape import emit_reshape
from octavo.ops.spec import Emitter, KerasCall, KerasForm, TensorRef


def merging_form(op: str, options: Options, layer: str, inputs: int) -> KerasForm:
    """The form of `keras.layers.layer`, which merges two or more tensors."""

    def lower(b: Emitter, call: KerasCall) -> str:
        return emit_chain(b, op, options, call.inputs)

    shapes = ((4, 3, 2), (2,), (4, 1, 2))[:inputs]
    return KerasForm(lower, lambda keras: (lambda *xs: getattr(keras.layers, layer)()(xs), shapes))


def operation_of_two_form(op: str, options: Options, function: str, *, commutes: bool) -> KerasForm:
    """The form of the operation class that `keras.ops.function`, called on two values, puts into a graph."""

    def lower(b: Emitter, call: KerasCall) -> str:
        return b.emit(op, operands(b, call, commutes=commutes), options)

    return KerasForm(lower, lambda keras: (lambda x: getattr(keras.ops, function)(1.5, x), ((4, 3),)))


def emit_chain(b: Emitter, op: str, options: Options, names: tuple[str, ...], suffix: str = "") -> str:
    """Merge the tensors from left to right, two by two.

    As in Keras, a tensor of lower rank gets dimensions of length 1 behind the batch.
    """
    rank = max(len(b.shape(name)) for name in names)
    aligned = [_with_rank(b, name, rank) for name in names]
    result = aligned[0]
    for i, name in enumerate(aligned[1:], start=1):
        step = suffix if i == len(aligned) - 1 else f"first_{i + 1}"
        result = b.emit(op, [result, name], options, suffix=step)
    return result


def _with_rank(b: Emitter, name: str, rank: int) -> str:
    shape = b.shape(name)
    if len(shape) == rank:
        return name
    return emit_reshape(b, name, (shape[0], *[1] * (rank - len(shape)), *shape[1:]))


def operands(b: Emitter, call: KerasCall, *, commutes: bool = False) -> list[str]:
    """The operands of an operation, numbers and arrays as constants; of two, a constant comes second where it may."""
    values = [*call.args, *call.kwargs.values()]
    if commutes and not isinstance(values[0], TensorRef):
        values.reverse()
    return alike(b, values)


def alike(b: Emitter, values: Sequence[Any]) -> list[str]:
    """Operands of one type: whole numbers where all are whole, else reals; numbers and arrays become constants."""
    whole = all(
        b.dtype(value.name) is DType.INT32 if isinstance(value, TensorRef) else np.asarray(value).dtype.kind in "iub"
        for value in values
    )
    dtype = DType.INT32 if whole else DType.FLOAT32
    scalar = all(b.shape(value.name) == () for value in values if isinstance(value, TensorRef))
    return [
        emit_cast(b, value.name, dtype)
        if isinstance(value, TensorRef)
        else b.constant(np.asarray(value, dtype.numpy), "operand", scalar=scalar)
        for value in values
    ]


def operand(b: Emitter, value: Any, suffix: str = "operand") -> str:
    """The tensor that an argument stands for; a number or array becomes a constant."""
    return value.name if isinstance(value, TensorRef) else b.constant(np.asarray(value, np.float32), suffix)


def lower_divide(b: Emitter, call: KerasCall) -> str:
    """keras.ops.divide: by a constant, a product with its reciprocal, which has an integer kernel."""
    divisor = [*call.args, *call.kwargs.values()][1]
    if isinstance(divisor, TensorRef):
        return b.emit("DIV", operands(b, call), DivOptions())
    return times(b, call.inputs[0], 1 / np.asarray(divisor, np.float64))


def emit_number(b: Emitter, value: float, suffix: str) -> str:
    """A constant of one number, which broadcasts to any shape."""
    return b.constant(np.array(value, np.float32), suffix)


def times(b: Emitter, name: str, factor: float | np.ndarray, suffix: str = "") -> str:
    """The product of a tensor and a constant."""
    constant = b.constant(np.asarray(factor, np.float32), "factor", scalar=b.shape(name) == ())
    return b.emit("MUL", [name, constant], MulOptions(), suffix=suffix)
