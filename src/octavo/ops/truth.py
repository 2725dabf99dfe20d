"""EQUAL, LESS and their like, LOGICAL_AND, LOGICAL_OR, LOGICAL_NOT, SELECT_V2: truth values, and choices by them."""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from octavo.dtypes import DType
from octavo.ir.inputs import Inputs
from octavo.ir.types import Options, Shape, Tensor
from octavo.ops.cast import emit_cast
from octavo.ops.elementwise_kernels import broadcast_shape
from octavo.ops.elementwise_layers import alike
from octavo.ops.pointwise import applies
from octavo.ops.roles import Data, Parameter, SameAsInput
from octavo.ops.shape import moves
from octavo.ops.spec import Emitter, Example, KerasCall, KerasForm, OpSpec, TensorRef
from octavo.ops.version import version_by_type

COARSE = "as int32: the int8 kernels scale differences by 256 times the scale, and abort at scales of 1 and above"


class Compares(enum.Enum):
    """The comparisons: operator, name of the class behind the function of keras.ops, that function, and rounding.

    A constant between two steps is rounded to the one of them that every step compares with as with the constant: for
    `x > 2.5` that is 2 and for `x < 2.5` it is 3. No step equals it: the nearest counts.
    """

    EQUAL = "Equal", "equal", np.rint, np.rint
    NOT_EQUAL = "NotEqual", "not_equal", np.rint, np.rint
    LESS = "Less", "less", np.ceil, np.floor
    LESS_EQUAL = "LessEqual", "less_equal", np.floor, np.ceil
    GREATER = "Greater", "greater", np.floor, np.ceil
    GREATER_EQUAL = "GreaterEqual", "greater_equal", np.ceil, np.floor


def truths(options: Options, inputs: Inputs[Tensor]) -> tuple[DType, ...]:
    """Results are truth values."""
    return (DType.BOOL,)


def _as_truths(b: Emitter, values: Sequence[Any]) -> list[str]:
    """Operands as truth values; what is not 0 is true."""
    return [
        emit_cast(b, value.name, DType.BOOL)
        if isinstance(value, TensorRef)
        else b.constant(np.asarray(value, np.bool_), "operand")
        for value in values
    ]


def _lower(op: str, combine: Callable[[Emitter, Sequence[Any]], list[str]]) -> Callable[[Emitter, KerasCall], str]:
    def lower(b: Emitter, call: KerasCall) -> str:
        return b.emit(op, combine(b, [*call.args, *call.kwargs.values()]))

    return lower


def _comparison(kind: Compares) -> OpSpec:
    operation, function, second, first = kind.value
    compare: Callable[..., Any] = getattr(np, function)
    return OpSpec(
        name=kind.name,
        inputs=(Data(), Data()),
        shapes=broadcast_shape,
        pointwise=True,
        types=truths,
        training=lambda ops: getattr(ops, function),
        run_float=applies(compare),
        on_integers=lambda options, dtype: options,
        whole=lambda steps, is_first: first(steps) if is_first else second(steps),
        activations=frozenset(),
        micro=frozenset({DType.FLOAT32, DType.INT32}),
        keras={
            f"ops.{operation}": KerasForm(
                _lower(kind.name, alike),
                lambda keras: (
                    lambda x, y: keras.ops.where(getattr(keras.ops, function)(x, y), x, 0.5),
                    ((4, 3), (4, 3)),
                ),
            )
        },
        examples=(
            Example(((1, 5, 4, 3), (1, 5, 4, 3))),
            Example(((1, 40), None), {1: np.array(0.5, np.float32)}),
        ),
        note=COARSE,
    )


def _logical(name: str, operation: str, function: str) -> OpSpec:
    combine: Callable[..., Any] = getattr(np, function)
    unary = function == "logical_not"

    def example(keras: Any) -> tuple[Callable[..., Any], tuple[Shape, ...]]:
        apply = getattr(keras.ops, function)
        if unary:
            return lambda x: keras.ops.where(apply(x > 0), x, 0.5), ((4, 3),)
        return lambda x, y: keras.ops.where(apply(x > 0, y > 0), x, 0.5), ((4, 3), (4, 3))

    shapes: tuple[Shape, ...] = ((1, 5, 4),) if unary else ((1, 5, 4), (1, 5, 4))
    return OpSpec(
        name=name,
        inputs=(Data(),) * len(shapes),
        shapes=broadcast_shape,
        pointwise=True,
        types=truths,
        training=lambda ops: getattr(ops, function),
        run_float=applies(combine),
        activations=frozenset(),
        micro=frozenset({DType.BOOL}),
        keras={f"ops.{operation}": KerasForm(_lower(name, _as_truths), example)},
        examples=(
            Example(shapes, dtypes=dict.fromkeys(range(len(shapes)), DType.BOOL)),
            Example(((1, 7),) * len(shapes), dtypes=dict.fromkeys(range(len(shapes)), DType.BOOL)),
        ),
    )


def select_shapes(options: Options, inputs: Inputs[Tensor]) -> tuple[Shape, ...]:
    """All three operands broadcast."""
    return broadcast_shape(options, inputs)


def select_float(options: Options, inputs: Inputs[np.ndarray]) -> tuple[np.ndarray, ...]:
    """The second operand where the first is true, else the third."""
    condition, x, y = inputs
    return (np.where(condition, x, y),)


def lower_where(b: Emitter, call: KerasCall) -> str:
    """keras.ops.where of three operands; numbers become constants of the type of the others."""
    condition, x, y = (*call.args, *call.kwargs.values())
    return b.emit("SELECT_V2", [*_as_truths(b, [condition]), *alike(b, [x, y])])


_TRUTHS = np.random.default_rng(4).uniform(size=(1, 6, 5)) > 0.5

SELECT_V2 = OpSpec(
    name="SELECT_V2",
    inputs=(Parameter(), Data(), Data()),
    outputs=(SameAsInput(moves=True),),
    shapes=select_shapes,
    pointwise=True,
    training=lambda ops: ops.where,
    run_float=select_float,
    integer=moves(select_float),
    version=version_by_type(),
    keras={
        "ops.Where": KerasForm(
            lower_where, lambda keras: (lambda x, y: keras.ops.where(x > 0, y, -1.0), ((4, 3), (4, 3)))
        )
    },
    examples=(
        Example((None, (1, 6, 5), (1, 6, 5)), {0: _TRUTHS}),
        Example((None, (1, 6, 5), None), {0: _TRUTHS, 2: np.array(-2.0, np.float32)}),
        Example((None, (1, 6, 5), (1, 1, 5)), {0: _TRUTHS[:, :, :1]}, low=-1.0, high=5.0),
    ),
)

SPECS: tuple[OpSpec, ...] = (
    *(_comparison(kind) for kind in Compares),
    _logical("LOGICAL_AND", "LogicalAnd", "logical_and"),
    _logical("LOGICAL_OR", "LogicalOr", "logical_or"),
    _logical("LOGICAL_NOT", "LogicalNot", "logical_not"),
    SELECT_V2,
)
