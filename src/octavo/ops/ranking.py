"""ARG_MAX, ARG_MIN, TOPK_V2: which values are the largest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from octavo.dtypes import DType
from octavo.ir.inputs import Inputs
from octavo.ir.types import NoOptions, Options, Shape, Tensor
from octavo.ops.indices import IndexType
from octavo.ops.roles import Data, Parameter, SameAsInput
from octavo.ops.shape import emit_reshape, integers, moves, placeholder
from octavo.ops.spec import Emitter, Example, FloatKernel, KerasCall, KerasForm, OpSpec
from octavo.ops.version import version_by_type


@dataclass(frozen=True, slots=True)
class ArgMaxOptions(Options):
    """Options of ARG_MAX: the type of the indices."""

    table = "ArgMaxOptions"
    output_type: IndexType = IndexType.INT32


@dataclass(frozen=True, slots=True)
class ArgMinOptions(Options):
    """Options of ARG_MIN: the type of the indices."""

    table = "ArgMinOptions"
    output_type: IndexType = IndexType.INT32


def arg_shapes(options: Options, inputs: Inputs[Tensor]) -> tuple[Shape, ...]:
    """The dimension that is searched falls out."""
    x, axis = inputs
    place = integers(axis)[0] % len(x.shape)
    return ((*x.shape[:place], *x.shape[place + 1 :]),)


def arg_types(options: ArgMaxOptions | ArgMinOptions, inputs: Inputs[Tensor]) -> tuple[DType, ...]:
    """The type of indices that the options name."""
    return (DType[options.output_type.name],)


def arg_float(function: Callable[..., Any]) -> FloatKernel:
    """The reference of ARG_MAX or ARG_MIN; of equal values the first counts."""

    def run(options: ArgMaxOptions | ArgMinOptions, inputs: Inputs[np.ndarray]) -> tuple[np.ndarray, ...]:
        x, axis = inputs
        return (np.asarray(function(x, axis=int(axis.ravel()[0]))).astype(options.output_type.name.lower()),)

    return run


def lower_arg(op: str, options: Options) -> Callable[[Emitter, KerasCall], str]:
    """The lowering of keras.ops.argmax or argmin along one axis, or of all values in a row."""

    def lower(b: Emitter, call: KerasCall) -> str:
        operation, (x,) = call.operation, call.inputs
        shape, axis = b.shape(x), operation.axis
        row = emit_reshape(b, x, (-1,)) if axis is None else x
        place = np.array(0 if axis is None else axis % len(shape), np.int32)
        found = b.emit(op, [row, b.constant(place, "axis")], options)
        if not operation.keepdims:
            return found
        kept = (1,) * len(shape) if axis is None else np.expand_dims(placeholder(b.shape(found)), int(place)).shape
        return emit_reshape(b, found, kept)

    return lower


def top_shapes(options: NoOptions, inputs: Inputs[Tensor]) -> tuple[Shape, ...]:
    """Along the last dimension as many as are wanted: their values, and their places."""
    x, count = inputs
    shape = (*x.shape[:-1], integers(count)[0])
    return shape, shape


def top_types(options: NoOptions, inputs: Inputs[Tensor]) -> tuple[DType, ...]:
    """Values in the type of the data, places in int32."""
    return inputs[0].dtype, DType.INT32


def top_float(options: NoOptions, inputs: Inputs[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Reference of TOPK_V2: the largest first, of equal ones the first."""
    x, count = inputs
    # Stable from the end of the reversed row: descending values, ascending places.
    last = x.shape[-1] - 1
    order = last - np.argsort(x[..., ::-1], axis=-1, kind="stable")[..., ::-1]
    places = order[..., : int(count.ravel()[0])]
    return np.take_along_axis(x, places, -1), places.astype(np.int32)


def lower_top_k(b: Emitter, call: KerasCall) -> tuple[str, ...]:
    """keras.ops.top_k; sorted always, which is one of the orders that unsorted allows."""
    operation, (x,) = call.operation, call.inputs
    return b.emit_many("TOPK_V2", [x, b.constant(np.array(operation.k, np.int32), "k")], outputs=2)


def _axis(axis: int) -> dict[int, np.ndarray]:
    return {1: np.array(axis, np.int32)}


def _arg(name: str, kind: type[ArgMaxOptions | ArgMinOptions], function: str) -> OpSpec:
    reference = arg_float(getattr(np, function))
    return OpSpec(
        name=name,
        options=kind,
        inputs=(Data(), Parameter()),
        ranks=True,
        shapes=arg_shapes,
        types=arg_types,
        training=lambda ops: lambda x, axis: getattr(ops, function)(x, axis=int(axis.reshape(()))),
        run_float=reference,
        integer=moves(reference),
        activations=frozenset({DType.INT8}),
        micro=frozenset({DType.FLOAT32, DType.INT8}),
        version=version_by_type(int8=2),
        keras={
            f"ops.{function.capitalize()}": KerasForm(
                lower_arg(name, kind()), lambda keras: (lambda x: getattr(keras.ops, function)(x, axis=-1), ((4, 6),))
            )
        },
        examples=(
            Example(((1, 6, 5), None), _axis(-1), kind()),
            Example(((1, 6, 5, 3), None), _axis(2), kind(), low=-1.0, high=5.0),
        ),
    )


ARG_MAX = _arg("ARG_MAX", ArgMaxOptions, "argmax")
ARG_MIN = _arg("ARG_MIN", ArgMinOptions, "argmin")

TOPK_V2 = OpSpec(
    name="TOPK_V2",
    inputs=(Data(), Parameter()),
    ranks=True,
    outputs=(SameAsInput(moves=True, numbers_alone=True),),
    shapes=top_shapes,
    types=top_types,
    training=lambda ops: lambda x, k: ops.top_k(x, int(k.reshape(()))),
    run_float=top_float,
    integer=moves(top_float),
    activations=frozenset({DType.INT8}),
    micro=frozenset(),
    version=version_by_type(int8=2),
    keras={"ops.TopK": KerasForm(lower_top_k, lambda keras: (lambda x: keras.ops.top_k(x, 3)[0], ((4, 6),)))},
    examples=(
        Example(((1, 9), None), {1: np.array(3, np.int32)}),
        Example(((1, 4, 7), None), {1: np.array(1, np.int32)}, low=0.0, high=9.0),
    ),
)

SPECS = (ARG_MAX, ARG_MIN, TOPK_V2)
