"""MEAN, SUM, REDUCE_MAX, REDUCE_MIN: one value of many, along axes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from octavo.dtypes import DType
from octavo.ir.types import Options, Shape, Tensor
from octavo.numerics.fixed_point import multiply_by_quantized_multiplier, quantize_multiplier, wrap_int32
from octavo.ops.fused import saturate
from octavo.ops.refuse import refuse, require_channels_last
from octavo.ops.roles import Data, Parameter, SameAsInput
from octavo.ops.shape import integers
from octavo.ops.spec import (
    Emitter,
    Example,
    FloatKernel,
    IntegerKernel,
    KerasCall,
    KerasForm,
    Operand,
    OpSpec,
)
from octavo.ops.version import version_by_type


@dataclass(frozen=True, slots=True)
class ReducerOptions(Options):
    """Options of all reductions."""

    table = "ReducerOptions"
    keep_dims: bool = False


def reduce_shapes(options: ReducerOptions, inputs: Sequence[Tensor | None]) -> tuple[Shape, ...]:
    """Reduced dimensions become 1 or go."""
    x = inputs[0]
    assert x is not None
    reduced = {axis % len(x.shape) for axis in integers(inputs[1])}
    if options.keep_dims:
        return (tuple(1 if i in reduced else size for i, size in enumerate(x.shape)),)
    return (tuple(size for i, size in enumerate(x.shape) if i not in reduced),)


def reduce_float(function: Callable[..., Any]) -> FloatKernel:
    """The float reference of a reduction that numpy has."""

    def run(options: ReducerOptions, inputs: Sequence[np.ndarray | None]) -> tuple[np.ndarray, ...]:
        x, axes = inputs
        assert x is not None
        return (np.asarray(function(x, axis=_axes(axes), keepdims=options.keep_dims)),)

    return run


def reduce_training(function: Callable[..., Any]) -> Callable[..., Any]:
    """A reduction of keras.ops as the operator."""

    def run(x: Any, axes: Any, *, keep_dims: bool) -> Any:
        return function(x, axis=tuple(int(axis) for axis in axes.reshape(-1)), keepdims=keep_dims)

    return run


def scaled_sum_integer(*, mean: bool) -> IntegerKernel:
    """The integer reference of MEAN or SUM: an exact sum, rescaled once; the division hides in MEAN's multiplier.

    Source: tensorflow/lite/kernels/internal/reference/reduce.h, QuantizedMeanOrSum.
    """

    def run(
        options: ReducerOptions, inputs: Sequence[Operand | None], outputs: Sequence[Tensor]
    ) -> tuple[np.ndarray, ...]:
        (x, axes), (y,) = inputs, outputs
        assert x is not None
        assert axes is not None
        assert y.quantization is not None
        sums = x.values.sum(axis=_axes(axes.values), keepdims=options.keep_dims, dtype=np.int64)
        count = x.values.size // sums.size
        multiplier, shift = quantize_multiplier(float(x.scale[0]) / float(y.quantization.scale[0]))
        if mean:
            bits = min(count.bit_length() - 1, 32, 31 + shift)
            multiplier, shift = (multiplier << bits) // count, shift - bits
        centred = wrap_int32(np.asarray(sums) - x.zero_point * count)
        steps = multiply_by_quantized_multiplier(centred, multiplier, shift)
        return (saturate(steps + y.quantization.zero_point[0], y),)

    return run


def extreme_integer(function: Callable[..., Any]) -> IntegerKernel:
    """The integer reference of REDUCE_MAX or REDUCE_MIN: the output has the input's parameters."""

    def run(
        options: ReducerOptions, inputs: Sequence[Operand | None], outputs: Sequence[Tensor]
    ) -> tuple[np.ndarray, ...]:
        x, axes = inputs
        assert x is not None
        assert axes is not None
        return (np.asarray(function(x.values, axis=_axes(axes.values), keepdims=options.keep_dims)),)

    return run


def _axes(axes: np.ndarray | None) -> tuple[int, ...]:
    assert axes is not None
    return tuple(int(axis) for axis in axes.ravel())


def emit_reduce(
    b: Emitter, op: str, name: str, axes: Sequence[int], *, keep_dims: bool = False, suffix: str = ""
) -> str:
    """Reduce tensor `name` along `axes` and return the result's name."""
    constant = b.constant(np.array(axes, np.int32), f"{suffix}/axes" if suffix else "axes")
    return b.emit(op, [name, constant], ReducerOptions(keep_dims), suffix=suffix)


def lower_global_average(b: Emitter, call: KerasCall) -> str:
    """GlobalAveragePooling1D and 2D."""
    layer, (x,) = call.operation, call.inputs
    require_channels_last(layer)
    return emit_reduce(b, "MEAN", x, range(1, len(b.shape(x)) - 1), keep_dims=layer.keepdims)


def reduction(op: str) -> Callable[[Emitter, KerasCall], str]:
    """The lowering of a keras.ops reduction to `op`; the batch must stay.

    Raises (the lowering):
        UnsupportedLayerError: if it reduces the batch dimension.
    """

    def lower(b: Emitter, call: KerasCall) -> str:
        operation, (x,) = call.operation, call.inputs
        rank = len(b.shape(x))
        axes = range(rank) if operation.axis is None else np.atleast_1d(operation.axis).tolist()
        if 0 in {axis % rank for axis in axes}:
            raise refuse(
                operation,
                got=f"axis={operation.axis}, which reduces the batch",
                expected=f"axes from 1 to {rank - 1}",
                fix=f"name the axes to reduce, as in keras.ops.{type(operation).__name__.lower()}(x, axis=-1)",
            )
        return emit_reduce(b, op, x, sorted(axis % rank for axis in axes), keep_dims=operation.keepdims)

    return lower


def _examples() -> tuple[Example, ...]:
    return (
        Example(((1, 6, 5, 3), None), {1: np.array([1, 2], np.int32)}, ReducerOptions()),
        Example(((1, 4, 7, 2), None), {1: np.array([1, 2], np.int32)}, ReducerOptions(keep_dims=True)),
        Example(((1, 9, 5), None), {1: np.array([-1], np.int32)}, ReducerOptions(keep_dims=True)),
        Example(((1, 11, 3), None), {1: np.array([1], np.int32)}, ReducerOptions(), low=0.5, high=4.0),
    )


MEAN = OpSpec(
    name="MEAN",
    options=ReducerOptions,
    inputs=(Data(), Parameter()),
    shapes=reduce_shapes,
    training=lambda ops: reduce_training(ops.mean),
    run_float=reduce_float(np.mean),
    run_integer=scaled_sum_integer(mean=True),
    version=version_by_type(int8=2, int16=3),
    keras={
        "layers.GlobalAveragePooling1D": KerasForm(
            lower_global_average, lambda keras: (keras.layers.GlobalAveragePooling1D(), ((9, 3),))
        ),
        "layers.GlobalAveragePooling2D": KerasForm(
            lower_global_average, lambda keras: (keras.layers.GlobalAveragePooling2D(keepdims=True), ((5, 4, 3),))
        ),
        "ops.Mean": KerasForm(
            reduction("MEAN"), lambda keras: (lambda x: keras.ops.mean(x, axis=(1, 2), keepdims=True), ((4, 4, 3),))
        ),
    },
    examples=_examples(),
)

SUM = OpSpec(
    name="SUM",
    options=ReducerOptions,
    inputs=(Data(), Parameter()),
    shapes=reduce_shapes,
    training=lambda ops: reduce_training(ops.sum),
    run_float=reduce_float(np.sum),
    run_integer=scaled_sum_integer(mean=False),
    wrong_in_litert_reference=frozenset({DType.INT8, DType.INT16}),
    version=version_by_type(int8=2, int16=2),
    keras={
        "ops.Sum": KerasForm(reduction("SUM"), lambda keras: (lambda x: keras.ops.sum(x, axis=-1), ((4, 6),))),
    },
    examples=_examples(),
    note="LiteRT's reference kernel reads int8 and int16 as uint8",
)

REDUCE_MAX = OpSpec(
    name="REDUCE_MAX",
    options=ReducerOptions,
    inputs=(Data(), Parameter()),
    outputs=(SameAsInput(moves=True),),
    shapes=reduce_shapes,
    training=lambda ops: reduce_training(ops.max),
    run_float=reduce_float(np.max),
    run_integer=extreme_integer(np.max),
    micro=frozenset({DType.FLOAT32, DType.INT8}),
    version=version_by_type(int8=2, int16=3),
    keras={
        "ops.Max": KerasForm(reduction("REDUCE_MAX"), lambda keras: (lambda x: keras.ops.max(x, axis=1), ((4, 6),))),
        "ops.Amax": KerasForm(reduction("REDUCE_MAX"), lambda keras: (lambda x: keras.ops.amax(x, axis=2), ((4, 6),))),
    },
    examples=_examples(),
)

REDUCE_MIN = OpSpec(
    name="REDUCE_MIN",
    options=ReducerOptions,
    inputs=(Data(), Parameter()),
    outputs=(SameAsInput(moves=True),),
    shapes=reduce_shapes,
    training=lambda ops: reduce_training(ops.min),
    run_float=reduce_float(np.min),
    run_integer=extreme_integer(np.min),
    micro=frozenset({DType.FLOAT32, DType.INT8}),
    version=version_by_type(int8=2, int16=3),
    keras={
        "ops.Min": KerasForm(reduction("REDUCE_MIN"), lambda keras: (lambda x: keras.ops.min(x, axis=1), ((4, 6),))),
        "ops.Amin": KerasForm(reduction("REDUCE_MIN"), lambda keras: (lambda x: keras.ops.amin(x, axis=2), ((4, 6),))),
    },
    examples=_examples(),
)

SPECS = (MEAN, SUM, REDUCE_MAX, REDUCE_MIN)
