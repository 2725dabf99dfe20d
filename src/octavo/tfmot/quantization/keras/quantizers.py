"""tfmot's quantizers: bits, granularity and the kind of range."""

from __future__ import annotations

from dataclasses import dataclass

from octavo.qat.layers.fake_quantize import Observer


@dataclass(frozen=True, slots=True)
class Quantizer:
    """Base of the quantizers: how many bits, and how scales are shared.

    Attributes:
        num_bits: 8, or 4 for weights.
        per_axis: One scale per output channel, for weights.
        symmetric: Weights are; int8 activations are not.
        narrow_range: Weights leave the smallest integer out; activations do not.
    """

    num_bits: int = 8
    per_axis: bool = False
    symmetric: bool = False
    narrow_range: bool = False


@dataclass(frozen=True, slots=True)
class LastValueQuantizer(Quantizer):
    """Range of the last batch."""


@dataclass(frozen=True, slots=True)
class MovingAverageQuantizer(Quantizer):
    """Range by a moving average of the batches' extremes."""


@dataclass(frozen=True, slots=True)
class AllValuesQuantizer(Quantizer):
    """Range of all batches."""


OBSERVERS: dict[type[Quantizer], Observer] = {
    LastValueQuantizer: "last",
    MovingAverageQuantizer: "moving_average",
    AllValuesQuantizer: "all",
}
