"""The integers that the C kernels of sixteen bits take; see `octavo.write.c.constants` for those of eight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from octavo.dtypes import DType
from octavo.ir.types import Node, Tensor
from octavo.numerics.fixed_point import reduced_multiplier
from octavo.ops.accumulate import AccumulatorConstants, Requantization
from octavo.write.c.constants import largest_sum
from octavo.write.c.refuse import refuse
from octavo.write.c.text import braces

# Shifts that a multiplication's upper half can have done, of factors of 15 bits.
_SINGLE = range(16, 33)


@dataclass(frozen=True, slots=True)
class Scaling16:
    """How the sums of a layer become its output.

    Attributes:
        channels: `octavo_channel_16` of each output channel.
        narrow: Whether sums never leave 32 bits and `octavo_scaled_narrow_16` scales them.
    """

    channels: list[str]
    narrow: bool


def scaling_16(
    node: Node,
    constants: AccumulatorConstants,
    tensors: tuple[Tensor, Tensor, Tensor | None, Tensor],
    channel_axis: int,
    *,
    may_be_narrow: bool = True,
) -> Scaling16:
    """Constants of a layer of sixteen bits.

    Args:
        node: For errors.
        constants: Of its integer kernel.
        tensors: Data, weights, bias and result.
        channel_axis: Dimension of the output channels in the weights.
        may_be_narrow: Whether the layer's kernel has a narrow form.

    Raises:
        UnsupportedLayerError: if weights are no constant or not symmetric, if sums can leave their bits, or if a zero
            point is not 0, which no kernel of sixteen bits takes.
    """
    x, weights, bias, y = tensors
    rules, channels = constants.requantization, weights.shape[channel_axis]
    # A factor of 16 bits leaves sums 47 of 64.
    bits = 48 if rules.wide else 32
    biases, reach = largest_sum(node, 0, weights, channel_axis, bias, DType.INT16, bits)
    pairs = requantization_16(node, (x, y), rules, channels)
    fits = int(np.abs(biases + reach).max()) < 1 << 31 and all(shift in _SINGLE for _, shift in pairs)
    narrow = may_be_narrow and rules.wide and fits
    if narrow:
        pairs = [(multiplier << (_SINGLE[-1] - shift), 0) for multiplier, shift in pairs]
    suffix = "LL" if rules.wide else ""
    return Scaling16([braces([f"{biases[i]}{suffix}", *pair]) for i, pair in enumerate(pairs)], narrow)


def requantization_16(
    node: Node, tensors: Sequence[Tensor], rules: Requantization, channels: int
) -> list[tuple[int, int]]:
    """(multiplier, shift) of `octavo_scaled_16` for each channel.

    Raises:
        UnsupportedLayerError: if a zero point of these tensors is not 0.
    """
    if any(tensor.zero_point for tensor in tensors):
        raise refuse(
            node,
            got="int16 activations with a zero point other than 0",
            expected="symmetric int16 activations",
            fix="convert the model again, as `octavo quantize --scheme int16x8` makes it",
        )
    multipliers, shifts = (np.broadcast_to(each, (channels,)) for each in (rules.multiplier_q31, rules.shift_bits))
    if rules.wide:
        multipliers, shifts = reduced_multiplier(multipliers), 15 - shifts
    return [(int(a), int(b)) for a, b in zip(multipliers, shifts, strict=True)]
