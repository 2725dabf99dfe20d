"""The integers that the C kernels take, from what the integer kernels of the op table are prepared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from octavo.dtypes import DType
from octavo.ir.types import Node, Tensor
from octavo.numerics.fixed_point import Multiplier
from octavo.ops.accumulate import AccumulatorConstants
from octavo.ops.elementwise_kernels import SumConstants
from octavo.ops.fused import Output
from octavo.write.c.refuse import refuse

# Of the loops of kernels.
DIMENSIONS = 4
# Below it a sum can be doubled, and the rounding added to its product, in 32 bits.
_NARROW = 1 << 30


@dataclass(frozen=True, slots=True)
class Scaling:
    """How the sums of a layer become its output.

    Attributes:
        bias: int64 [channels].
        scale: int64 [channels, 3], as `octavo_channels` says.
        dead: bool [channels]: channels of one result, whatever comes in, where weights must count as zeros.
        wide: Whether `octavo_rescale` is needed, as sums or shifts leave the range of `octavo_scale_doubled`.
        low, high: What the fused activation leaves of int8.
        weight_bits: 8, or 4 in half a byte.
    """

    bias: np.ndarray
    scale: np.ndarray
    dead: np.ndarray
    wide: bool
    low: int
    high: int
    weight_bits: int


def scaling(
    node: Node, constants: AccumulatorConstants, weights: Tensor, channel_axis: int, bias: Tensor | None
) -> Scaling:
    """Constants of a layer with weights.

    Args:
        node: For errors.
        constants: Of its integer kernel.
        weights: int8 or int4.
        channel_axis: Dimension of the output channels in the weights.
        bias: int32, or None.

    Raises:
        UnsupportedLayerError: if weights are no constant or not symmetric, or if sums can leave int32, where every
            runtime wraps without a word.
    """
    channels, requantization = weights.shape[channel_axis], constants.requantization
    biases, reach = largest_sum(node, constants.input_offset, weights, channel_axis, bias)
    output = requantization.output
    results = [requantization.apply(sums.astype(np.float64), None)[0] for sums in biases + reach]
    multipliers, shifts, zero_points = (
        np.broadcast_to(array, (channels,))
        for array in (requantization.multiplier_q31, requantization.shift_bits, np.int64(output.output_zero_point))
    )
    # A channel that training has killed has one result, whatever comes in: often by a bias out of all proportion.
    dead = (results[0] == results[1]) & (shifts <= 0)
    biases, shifts, zero_points = (
        np.where(dead, constant, array)
        for constant, array in ((0, biases), (-1, shifts), (results[0].astype(np.int64), zero_points))
    )
    reach, right = np.where(dead, 0, reach), -shifts
    offsets = (np.int64(1) << np.clip(right - 1, 0, 31)) + (zero_points << np.clip(right, 0, 31))
    # Weights of four bits are summed up sixteen times.
    bits = 4 if weights.dtype is DType.INT4 else 8
    limit = _NARROW >> 3 if bits == 4 else _NARROW
    fits = np.abs(biases + reach).max() < limit and (right >= 1).all() and (np.abs(offsets) < _NARROW).all()
    columns = (2 * multipliers - (1 << 32), offsets, right) if fits else (multipliers, zero_points, shifts)
    return Scaling(biases, np.stack(columns, axis=1), dead, not fits, output.low, output.high, bits)


def largest_sum(
    node: Node,
    input_offset: int,
    weights: Tensor,
    channel_axis: int,
    bias: Tensor | None,
    data: DType = DType.INT8,
    bits: int = 32,
) -> tuple[np.ndarray, np.ndarray]:
    """Biases, int64 [channels], and how far sums of products reach from them, int64 [2, channels].

    Args:
        node: For errors.
        input_offset: Minus the zero point of the data.
        weights, channel_axis, bias: As for `scaling`.
        data: Type of the data.
        bits: That sums have.

    Raises:
        UnsupportedLayerError: if weights are no constant or not symmetric, or sums do not fit.
    """
    if weights.data is None or weights.parameters.zero_point.any():
        raise refuse(
            node,
            got="weights that are no constant, or have a zero point other than 0",
            expected="constant weights with a zero point of 0",
            fix="convert the model again with symmetric weights, as `octavo quantize` makes them",
        )
    channels = weights.shape[channel_axis]
    biases = np.zeros(channels, np.int64) if bias is None or bias.data is None else bias.data.astype(np.int64)
    reach = _reach(np.moveaxis(weights.data, channel_axis, 0).reshape(channels, -1), input_offset, data)
    largest = int(np.abs(biases + reach).max())
    if largest >= 1 << (bits - 1):
        raise refuse(
            node,
            got=f"sums of up to {largest}",
            expected=f"sums that fit {bits} bits",
            fix="split the layer's inputs over several layers and add their results",
        )
    return biases, reach


def _reach(weights: np.ndarray, input_offset: int, data: DType) -> np.ndarray:
    """Least and largest sum of products with data, of all or of some of the weights: int64 [2, channels].

    Args:
        weights: [channels, weights of each].
        input_offset: Minus the zero point of the data.
        data: Their type.
    """
    low, high = (bound + input_offset for bound in data.integer_range)
    wide = weights.astype(np.int64)
    ends = np.stack([wide * low, wide * high])
    return np.stack([ends.min(axis=0).sum(axis=1), ends.max(axis=0).sum(axis=1)])


@dataclass(frozen=True, slots=True)
class NarrowFactor:
    """`octavo_narrow_factor`: a multiple of an integer, an offset added, scaled as `octavo_scale_doubled` does.

    Attributes:
        steps: What the integer is multiplied with, the doubling included.
        before: Added then.
        multiplier, offset, right: Of `octavo_scale_doubled`.
    """

    steps: int
    before: int
    multiplier: int
    offset: int
    right: int


def narrow_sum(constants: SumConstants) -> tuple[NarrowFactor, NarrowFactor, NarrowFactor] | None:
    """Factors of both terms and of the sum, None where some leaves the range of `octavo_scale_doubled`."""
    terms = [
        _narrow_term(offset, constants.left_shift_bits, multiplier)
        for offset, multiplier in (
            (constants.input_1_offset, constants.input_1_multiplier),
            (constants.input_2_offset, constants.input_2_multiplier),
        )
    ]
    total = _narrow_output(constants.output_multiplier, constants.output)
    if terms[0] is None or terms[1] is None or total is None:
        return None
    return terms[0], terms[1], total


def _narrow_term(offset: int, left: int, multiplier: Multiplier) -> NarrowFactor | None:
    q31, right = abs(multiplier.multiplier_q31), -multiplier.shift_bits
    if right == 0 and q31 == 1 << 30:
        # Exactly one half: of twice the steps exactly a quarter, which a shift of 1 leaves exact.
        left, right = left + 1, 1
    if right < 1:
        return None
    return NarrowFactor(2 << left, offset << (left + 1), q31, 1 << (right - 1), right)


def _narrow_output(multiplier: Multiplier, output: Output) -> NarrowFactor | None:
    right = -multiplier.shift_bits
    if right < 1:
        return None
    offset = (1 << (right - 1)) + (output.output_zero_point << right)
    return NarrowFactor(2, 0, multiplier.multiplier_q31, offset, right) if abs(offset) < _NARROW else None


def places(shapes: Sequence[tuple[int, ...]]) -> tuple[tuple[int, ...], list[tuple[int, ...]]]:
    """Dimensions of a broadcast, those that every operand walks alike joined into one, and each operand's steps.

    Returns:
        Sizes, and for each operand the step of each dimension in elements, 0 where it stretches.
    """
    full = np.broadcast_shapes(*shapes)
    strides = [np.broadcast_to(np.empty(shape, np.int8), full).strides for shape in shapes]
    sizes: list[int] = []
    steps: list[list[int]] = []
    for axis in reversed(range(len(full))):
        if full[axis] == 1:
            continue
        step = [stride[axis] for stride in strides]
        if sizes and all(now == before * sizes[0] for now, before in zip(step, steps[0], strict=True)):
            sizes[0] *= full[axis]
        else:
            sizes.insert(0, full[axis])
            steps.insert(0, step)
    if not sizes:
        return (1,), [(0,) for _ in shapes]
    return tuple(sizes), [tuple(step[i] for step in steps) for i in range(len(shapes))]


def padded_places(node: Node, shapes: Sequence[tuple[int, ...]]) -> tuple[list[int], list[list[int]]]:
    """`places` with as many dimensions as the kernels have, those in front of size 1.

    Raises:
        UnsupportedLayerError: if there are more.
    """
    sizes, steps = places(shapes)
    check_dimensions(node, len(sizes))
    missing = DIMENSIONS - len(sizes)
    return [1] * missing + list(sizes), [[0] * missing + list(step) for step in steps]


def check_dimensions(node: Node, count: int) -> None:
    """Refuse more dimensions than the kernels have.

    Raises:
        UnsupportedLayerError: then.
    """
    if count > DIMENSIONS:
        raise refuse(
            node,
            got=f"{count} dimensions that cannot be joined",
            expected=f"at most {DIMENSIONS}",
            fix="reshape its inputs to fewer dimensions",
        )
