"""SIN, COS, FLOOR, CEIL, ROUND, SIGN, POW, FLOOR_DIV, FLOOR_MOD, ATAN2, CUMSUM: runtimes have them on reals alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from octavo.dtypes import DType
from octavo.ir.inputs import Inputs
from octavo.ir.types import NoOptions, Options
from octavo.ops.activation import same_shape
from octavo.ops.elementwise_kernels import broadcast_shape
from octavo.ops.elementwise_layers import operands, operation_of_two_form, times
from octavo.ops.forms import emits, operation_form
from octavo.ops.pointwise import applies
from octavo.ops.roles import Data, Parameter
from octavo.ops.spec import Emitter, Example, KerasCall, KerasForm, OpSpec

EVERYWHERE = frozenset({DType.FLOAT32})
LITERT_ALONE: frozenset[DType] = frozenset()


def _of_one(
    name: str,
    function: str,
    *,
    micro: frozenset[DType] = EVERYWHERE,
    numpy: Callable[..., Any] | None = None,
    in_reference: bool = True,
) -> OpSpec:
    """An operator on one tensor that keras.ops and numpy call alike."""
    return OpSpec(
        name=name,
        shapes=same_shape,
        pointwise=True,
        training=lambda ops: getattr(ops, function),
        run_float=applies(numpy or getattr(np, function)),
        activations=frozenset(),
        micro=micro,
        wrong_in_litert_reference=frozenset() if in_reference else EVERYWHERE,
        keras={f"ops.{function.capitalize()}": operation_form(function, emits(name))},
        examples=(Example(((1, 300),)), Example(((1, 8, 8, 3),), low=-9.0, high=1.0)),
    )


def _of_two(
    name: str,
    operation: str | None,
    function: str,
    examples: Sequence[Example],
    *,
    micro: frozenset[DType] = EVERYWHERE,
    unbounded: bool = False,
    counts: bool = False,
) -> OpSpec:
    """An operator on two tensors that broadcast, which keras.ops and numpy call alike."""
    return OpSpec(
        name=name,
        inputs=(Data(), Data()),
        shapes=broadcast_shape,
        pointwise=True,
        training=lambda ops: getattr(ops, function),
        run_float=applies(getattr(np, function)),
        activations=frozenset(),
        unbounded=unbounded,
        counts=counts,
        micro=micro,
        keras={}
        if operation is None
        else {f"ops.{operation}": operation_of_two_form(name, NoOptions(), function, commutes=False)},
        examples=tuple(examples),
    )


@dataclass(frozen=True, slots=True)
class CumsumOptions(Options):
    """Options of CUMSUM.

    Attributes:
        exclusive: Whether an element counts for those behind it only.
        reverse: Whether sums begin at the end.
    """

    table = "CumsumOptions"
    exclusive: bool = False
    reverse: bool = False


def cumsum_float(options: CumsumOptions, inputs: Inputs[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Reference of CUMSUM."""
    x, axis = inputs[0], int(inputs[1].ravel()[0])
    turned = np.flip(x, axis) if options.reverse else x
    sums = np.cumsum(turned, axis, dtype=x.dtype)
    sums = sums - turned if options.exclusive else sums
    return (np.flip(sums, axis).copy() if options.reverse else sums,)


SIN = _of_one("SIN", "sin")
COS = _of_one("COS", "cos")
FLOOR = _of_one("FLOOR", "floor")
CEIL = _of_one("CEIL", "ceil", in_reference=False)


def lower_round(b: Emitter, call: KerasCall) -> str:
    """keras.ops.round to decimals: rounded in their steps."""
    (x,), factor = call.inputs, 10.0**call.operation.decimals
    if factor == 1:
        return b.emit("ROUND", [x])
    return times(b, b.emit("ROUND", [times(b, x, factor, "steps")], suffix="rounded"), 1 / factor)


ROUND = replace(
    _of_one("ROUND", "round", numpy=np.rint, in_reference=False),
    keras={"ops.Round": KerasForm(lower_round, lambda keras: (lambda x: keras.ops.round(x, 1), ((6, 4),)))},
)
SIGN = _of_one("SIGN", "sign", micro=LITERT_ALONE)
_TWO = (
    Example(((1, 5, 4, 3), (1, 5, 4, 3)), low=0.5, high=9.0),
    Example(((1, 40), None), {1: np.array(0.75, np.float32)}, low=0.25, high=9.0),
)
POW = _of_two(
    "POW",
    None,
    "power",
    (Example(((1, 5, 4, 3), (1, 5, 4, 3)), low=0.5, high=2.0), _TWO[1]),
    micro=LITERT_ALONE,
    unbounded=True,
)
FLOOR_DIV = _of_two("FLOOR_DIV", "FloorDivide", "floor_divide", _TWO, unbounded=True, counts=True)
FLOOR_MOD = _of_two("FLOOR_MOD", "Mod", "mod", _TWO, counts=True)


def lower_arctan2(b: Emitter, call: KerasCall) -> str:
    """keras.ops.arctan2; LiteRT's operands have one shape."""
    names = operands(b, call)
    shape = np.broadcast_shapes(*map(b.shape, names))
    wanted = b.constant(np.array(shape, np.int32), "shape")
    return b.emit("ATAN2", [x if b.shape(x) == shape else b.emit("BROADCAST_TO", [x, wanted]) for x in names])


ATAN2 = replace(
    _of_two(
        "ATAN2",
        None,
        "arctan2",
        (Example(((1, 5, 4), (1, 5, 4))), Example(((1, 9), (1, 9)), low=-9.0)),
        micro=LITERT_ALONE,
    ),
    keras={"ops.Arctan2": KerasForm(lower_arctan2, lambda keras: (lambda x: keras.ops.arctan2(x, 0.5), ((4, 3),)))},
)

CUMSUM = OpSpec(
    name="CUMSUM",
    counts=True,
    options=CumsumOptions,
    inputs=(Data(), Parameter()),
    shapes=same_shape,
    training=lambda ops: lambda x, axis: ops.cumsum(x, axis=int(axis.reshape(()))),
    run_float=cumsum_float,
    activations=frozenset(),
    micro=EVERYWHERE,
    examples=(
        Example(((1, 6, 5), None), {1: np.array(1, np.int32)}, CumsumOptions()),
        Example(((1, 6, 5), None), {1: np.array(2, np.int32)}, CumsumOptions()),
    ),
    note="TensorFlow Lite Micro's int8 kernel has none beside it in LiteRT",
)

SPECS = (SIN, COS, FLOOR, CEIL, ROUND, SIGN, POW, FLOOR_DIV, FLOOR_MOD, ATAN2, CUMSUM)
