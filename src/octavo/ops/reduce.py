"""MEAN, SUM, REDUCE_MAX, REDUCE_MIN, REDUCE_PROD: one value of many, along axes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from octavo.dtypes import DType
from octavo.ir.inputs import Inputs
from octavo.ir.types import Options, Shape, Tensor
from octavo.numerics.fixed_point import Multiplier, wrap_int32
from octavo.ops.axes import named_axes
from octavo.ops.channelwise import where_channels_stay
from octavo.ops.fused import Output, output_of
from octavo.ops.limits import INT32_SUM, MARGIN, SPAN, Scales, counted, largest_real, overflow, rescaled
from octavo.ops.refuse import require_channels_last
from octavo.ops.roles import Data, Parameter, SameAsInput
from octavo.ops.shape import integers, moves
from octavo.ops.signs import as_operands
from octavo.ops.spec import Emitter, Example, FloatKernel, KerasCall, KerasForm, Kernel, OpSpec
from octavo.ops.version import version_by_type

# In steps of the input, the smallest step of a mean whose zero point, up to 2**7 of them, float32 counts exactly.
FINEST_MEAN = 2.0**-16


@dataclass(frozen=True, slots=True)
class ReducerOptions(Options):
    """Options of all reductions."""

    table = "ReducerOptions"
    keep_dims: bool = False


def reduce_shapes(options: ReducerOptions, inputs: Inputs[Tensor]) -> tuple[Shape, ...]:
    """Reduced dimensions become 1 or go."""
    x, axes = inputs
    reduced = {axis % len(x.shape) for axis in integers(axes)}
    if options.keep_dims:
        return (tuple(1 if i in reduced else size for i, size in enumerate(x.shape)),)
    return (tuple(size for i, size in enumerate(x.shape) if i not in reduced),)


def reduce_float(function: Callable[..., Any]) -> FloatKernel:
    """The float reference of a reduction that numpy has; of the largest and the smallest also the integer one."""

    def run(options: ReducerOptions, inputs: Inputs[np.ndarray]) -> tuple[np.ndarray, ...]:
        x, axes = inputs
        return (np.asarray(function(x, axis=tuple(axes.ravel().tolist()), keepdims=options.keep_dims)),)

    return run


def reduce_training(function: Callable[..., Any]) -> Callable[..., Any]:
    """A reduction of keras.ops as the operator."""

    def run(x: Any, axes: Any, *, keep_dims: bool) -> Any:
        return function(x, axis=tuple(int(axis) for axis in axes.reshape(-1)), keepdims=keep_dims)

    return run


@dataclass(frozen=True, slots=True)
class SumOfManyConstants:
    """What MEAN and SUM run with.

    Attributes:
        axes, keep_dims: What is summed, and whether summed dimensions stay, of length 1.
        sum_offset: Added to a sum of the input's integers: minus the zero points of all of them.
        multiplier: From steps of the input to steps of the output; MEAN's also divides by the number of terms.
        output: How results are stored.
    """

    axes: tuple[int, ...]
    keep_dims: bool
    sum_offset: int
    multiplier: Multiplier
    output: Output


def scaled_sum_integer(*, mean: bool) -> Kernel[SumOfManyConstants]:
    """The integer reference of MEAN or SUM: an exact sum, rescaled once.

    Source: tensorflow/lite/kernels/internal/reference/reduce.h, QuantizedMeanOrSum.
    """

    def prepare(options: ReducerOptions, inputs: Inputs[Tensor], outputs: Sequence[Tensor]) -> SumOfManyConstants:
        (x, axes), (y,) = inputs, outputs
        reduced, count = integers(axes), terms_of(inputs)
        multiplier = Multiplier.of(x.scale / y.scale)
        if mean:
            bits = min(count.bit_length() - 1, 32, 31 + multiplier.shift_bits)
            multiplier = Multiplier((multiplier.multiplier_q31 << bits) // count, multiplier.shift_bits - bits)
        return SumOfManyConstants(reduced, options.keep_dims, -x.zero_point * count, multiplier, output_of(y))

    def run(constants: SumOfManyConstants, arrays: Inputs[np.ndarray]) -> tuple[np.ndarray, ...]:
        sums = arrays[0].sum(axis=constants.axes, keepdims=constants.keep_dims, dtype=np.int64)
        centred = wrap_int32(np.asarray(sums) + constants.sum_offset)
        return (constants.output.stored(constants.multiplier.times(centred)),)

    return Kernel(prepare, run)


def terms_of(inputs: Inputs[Tensor]) -> int:
    """How many values a reduction takes together."""
    x, axes = inputs
    return math.prod(x.shape[axis] for axis in integers(axes))


def mean_scales(options: ReducerOptions, inputs: Inputs[Tensor]) -> Scales:
    """The output scales of MEAN: LiteRT takes the zero point to steps of the output in float32, with 24 bits."""
    return Scales(max(rescaled(options, inputs).smallest, MARGIN * FINEST_MEAN * inputs[0].scale))


def sum_scales(options: ReducerOptions, inputs: Inputs[Tensor]) -> Scales:
    """The output scales of SUM."""
    return counted(terms_of(inputs) * largest_real(inputs[0]))


def too_many(options: ReducerOptions, inputs: Inputs[Tensor]) -> str:
    """The obstacle of MEAN and SUM: their sums have 32 bits, of int16 too."""
    return overflow(float(terms_of(inputs)) * SPAN[inputs[0].dtype], INT32_SUM)


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
    """The lowering of a keras.ops reduction to `op`."""

    def lower(b: Emitter, call: KerasCall) -> str:
        operation, (x,) = call.operation, call.inputs
        return emit_reduce(b, op, x, named_axes(len(b.shape(x)), operation.axis), keep_dims=operation.keepdims)

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
    channelwise=where_channels_stay,
    passes_offsets=True,
    positive=as_operands,
    run_float=reduce_float(np.mean),
    integer=scaled_sum_integer(mean=True),
    output_scales=mean_scales,
    obstacle=too_many,
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
    counts=True,
    options=ReducerOptions,
    inputs=(Data(), Parameter()),
    shapes=reduce_shapes,
    training=lambda ops: reduce_training(ops.sum),
    channelwise=where_channels_stay,
    positive=as_operands,
    run_float=reduce_float(np.sum),
    integer=scaled_sum_integer(mean=False),
    output_scales=sum_scales,
    obstacle=too_many,
    wrong_in_litert_reference=frozenset({DType.INT8, DType.INT16}),
    version=version_by_type(int8=2, int16=2),
    keras={
        "ops.Sum": KerasForm(reduction("SUM"), lambda keras: (lambda x: keras.ops.sum(x, axis=-1), ((4, 6),))),
    },
    examples=_examples(),
    note="LiteRT's reference kernel reads int8 and int16 as uint8",
)

# From here on float32 keeps no fraction.
_NO_FRACTION = 2.0**24

REDUCE_MAX = OpSpec(
    name="REDUCE_MAX",
    options=ReducerOptions,
    inputs=(Data(not_chosen_below=_NO_FRACTION), Parameter()),
    outputs=(SameAsInput(moves=True, numbers_alone=True),),
    shapes=reduce_shapes,
    training=lambda ops: reduce_training(ops.max),
    channelwise=where_channels_stay,
    passes_offsets=True,
    run_float=reduce_float(np.max),
    integer=moves(reduce_float(np.max)),
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
    inputs=(Data(not_chosen_above=_NO_FRACTION), Parameter()),
    outputs=(SameAsInput(moves=True, numbers_alone=True),),
    shapes=reduce_shapes,
    training=lambda ops: reduce_training(ops.min),
    channelwise=where_channels_stay,
    passes_offsets=True,
    run_float=reduce_float(np.min),
    integer=moves(reduce_float(np.min)),
    micro=frozenset({DType.FLOAT32, DType.INT8}),
    version=version_by_type(int8=2, int16=3),
    keras={
        "ops.Min": KerasForm(reduction("REDUCE_MIN"), lambda keras: (lambda x: keras.ops.min(x, axis=1), ((4, 6),))),
        "ops.Amin": KerasForm(reduction("REDUCE_MIN"), lambda keras: (lambda x: keras.ops.amin(x, axis=2), ((4, 6),))),
    },
    examples=_examples(),
)

REDUCE_PROD = OpSpec(
    name="REDUCE_PROD",
    counts=True,
    options=ReducerOptions,
    inputs=(Data(), Parameter()),
    shapes=reduce_shapes,
    training=lambda ops: reduce_training(ops.prod),
    run_float=reduce_float(np.prod),
    activations=frozenset(),
    micro=frozenset(),
    examples=(
        Example(((1, 6, 5), None), {1: np.array([1], np.int32)}, ReducerOptions(), low=-1.0, high=1.0),
        Example(((1, 4, 3), None), {1: np.array([2], np.int32)}, ReducerOptions(keep_dims=True), low=0.5, high=1.0),
    ),
)

SPECS = (MEAN, SUM, REDUCE_MAX, REDUCE_MIN, REDUCE_PROD)
