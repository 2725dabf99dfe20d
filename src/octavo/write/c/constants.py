"""The integers that the C kernels take, from what the integer kernels of the op table are prepared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from octavo.ir.types import Node, Tensor
from octavo.numerics.fixed_point import Multiplier
from octavo.ops.accumulate import AccumulatorConstants
from octavo.ops.elementwise_kernels import SumConstants
from octavo.ops.fused import Output
from octavo.write.c.refuse import refuse

# Largest |x - zero_point| of int8.
_REACH = 255
# Below it a sum can be doubled, and the rounding added to its product, in 32 bits.
_NARROW = 1 << 30


@dataclass(frozen=True, slots=True)
class Scaling:
    """How the sums of a layer become its output.

    Attributes:
        bias: int64 [channels].
        scale: int64 [channels, 3]: multiplier; then offset and right shift, or zero point and shift where `wide`.
        wide: Whether `octavo_rescale` is needed, as sums or shifts leave the range of `octavo_scale_doubled`.
        low, high: What the fused activation leaves of int8.
    """

    bias: np.ndarray
    scale: np.ndarray
    wide: bool
    low: int
    high: int


def scaling(
    node: Node, constants: AccumulatorConstants, weights: Tensor, channel_axis: int, bias: Tensor | None
) -> Scaling:
    """Constants of a layer with weights.

    Args:
        node: For errors.
        constants: Of its integer kernel.
        weights: int8.
        channel_axis: Dimension of the output channels in the weights.
        bias: int32, or None.

    Raises:
        UnsupportedLayerError: if sums can leave int32, where every runtime wraps without a word.
    """
    assert weights.data is not None
    channels, requantization = weights.shape[channel_axis], constants.requantization
    values = np.zeros(channels, np.int64) if bias is None or bias.data is None else bias.data.astype(np.int64)
    others = tuple(axis for axis in range(len(weights.shape)) if axis != channel_axis)
    largest = int((np.abs(weights.data.astype(np.int64)).sum(axis=others) * _REACH + np.abs(values)).max())
    if largest >= 1 << 31:
        raise refuse(
            node,
            got=f"sums of up to {largest}",
            expected="sums that fit 32 bits",
            fix="split the layer's inputs over several layers and add their results",
        )
    output = requantization.output
    multipliers, shifts = (
        np.broadcast_to(array, (channels,)) for array in (requantization.multiplier_q31, requantization.shift_bits)
    )
    right, zero_point = -shifts, output.output_zero_point
    offsets = (np.int64(1) << np.clip(right - 1, 0, 31)) + (np.int64(zero_point) << np.clip(right, 0, 31))
    narrow = largest < _NARROW and bool(((right >= 1) & (np.abs(offsets) < _NARROW)).all())
    second, third = (offsets, right) if narrow else (np.full(channels, zero_point), shifts)
    return Scaling(values, np.stack([multipliers, second, third], axis=1), not narrow, output.low, output.high)


@dataclass(frozen=True, slots=True)
class NarrowFactor:
    """`octavo_factor`: an integer shifted left, an offset added, scaled as `octavo_scale_doubled` does.

    Attributes:
        left: Shift of the integer, the doubling included.
        before: Added then.
        multiplier, offset, right: Of `octavo_scale_doubled`.
    """

    left: int
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
    return NarrowFactor(left + 1, offset << (left + 1), q31, 1 << (right - 1), right)


def _narrow_output(multiplier: Multiplier, output: Output) -> NarrowFactor | None:
    right = -multiplier.shift_bits
    if right < 1:
        return None
    offset = (1 << (right - 1)) + (output.output_zero_point << right)
    return NarrowFactor(1, 0, multiplier.multiplier_q31, offset, right) if abs(offset) < _NARROW else None


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
