"""What each input of an operator is, and how the parameters of each output follow.

A row states one role for each input and one rule for each output; everything that asks "which input is the data?" or
"what shares a scale?" reads them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from octavo.dtypes import DType
from octavo.ir.types import Granularity, PerAxis

Types = Mapping[DType, Mapping[DType, Granularity]]


@dataclass(frozen=True, slots=True)
class Data:
    """Activations, or a constant that is quantized like them.

    Attributes:
        smallest_scale: Below it kernels abort, or shift by more bits than their integers have.
        largest_scale: By type, beyond it kernels answer wrongly.
        flat_beyond: Magnitude beyond which results move by less than half a step of any output; None where there is
            none.
        flat_below: Distance from the largest value along the last axis from which on a value changes no result in
            float32; None where there is none.
        nothing_below: How far below the largest along the last axis a value counts for nothing in any integer result;
            None where each counts.
        not_chosen_below: Magnitude of negative constants that stand where no value is to be chosen; None where a result
            tells of each.
        not_chosen_above: Likewise of positive constants.
    """

    smallest_scale: float = 0.0
    largest_scale: Mapping[DType, float] = field(default_factory=dict)
    flat_beyond: float | None = None
    flat_below: float | None = None
    nothing_below: float | None = None
    not_chosen_below: float | None = None
    not_chosen_above: float | None = None

    @property
    def hides_below(self) -> float | None:
        """Magnitude of negative constants that only hide what they stand for."""
        return self.not_chosen_below if self.flat_below is None else self.flat_below


@dataclass(frozen=True, slots=True)
class Weight:
    """Trained weights; where they are not constant they count as data.

    Attributes:
        axis: Dimension of the output channels, along which per-axis scales run.
        types: By the type of the activations, float32 standing for hybrid kernels: the types of weights for which every
            runtime that has the operator has a kernel, each with the finest granularity that all of them accept.
        rounds_twice: Weight types for which LiteRT's default kernel rounds a result twice, in fixed point; for others
            it rounds once, in floating point.
    """

    axis: int
    types: Types
    rounds_twice: frozenset[DType] = frozenset()


@dataclass(frozen=True, slots=True)
class Bias:
    """A bias, at the scale of the accumulator: that of the data times that of the weights.

    Attributes:
        data, weight: Indices of the inputs it is a bias of.
    """

    data: int
    weight: int


@dataclass(frozen=True, slots=True)
class Parameter:
    """Shapes, paddings, axes, indices: never quantized."""


@dataclass(frozen=True, slots=True)
class State:
    """A variable that the operator reads and writes in place; kernels return its next value behind the results.

    Attributes:
        dtype: Its integer type, whatever that of the activations; None for a state that is the last of the values of
            the first output, and has its type and parameters.
        powers_of_two: Kernels demand a scale of 2**n, with n between these; None where any scale will do.
    """

    dtype: DType | None = None
    powers_of_two: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Absent:
    """An input that only variants of the operator have which Octavo does not know."""


Role = Data | Weight | Bias | Parameter | State | Absent


@dataclass(frozen=True, slots=True)
class Intermediate:
    """What a file tells integer kernels of a value inside them.

    Attributes:
        dtype: Its type; None for the type and parameters of the first output.
        scale: Its scale, beside zero point 0.
    """

    dtype: DType | None = None
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class Free:
    """Any parameters."""

    text = "free"


@dataclass(frozen=True, slots=True)
class SameAsInput:
    """Those of the data inputs, whose range decides.

    Attributes:
        moves: Whether every value is one of the inputs' values, so that nothing is rounded.
        reals_alone: Whether LiteRT has no kernel that moves int32.
        numbers_alone: Whether it has none that moves truth values.
    """

    text = "same as input"
    moves: bool = False
    reals_alone: bool = False
    numbers_alone: bool = False


@dataclass(frozen=True, slots=True)
class SameAsOutput:
    """Those of the data inputs, of which the operator clips what lies beyond the output's range.

    Attributes:
        moves: As for `SameAsInput`.
        reals_alone, numbers_alone: As for `SameAsInput`.
    """

    text = "same as output"
    moves: bool = False
    reals_alone: bool = False
    numbers_alone: bool = False


@dataclass(frozen=True, slots=True)
class Fixed:
    """Those that kernels demand.

    Attributes:
        parameters: (scale, zero point) by activation type.
    """

    text = "fixed"
    parameters: Mapping[DType, tuple[float, int]] = field(default_factory=dict)


Rule = Free | SameAsInput | SameAsOutput | Fixed


def weight_types(axis: int, *, int4: Granularity | None = None, hybrid: bool = False) -> Types:
    """The types of a weight that int8 and int16 activations meet as int8, one scale an output channel.

    Args:
        axis: Of the output channels.
        int4: Granularity of int4 weights beside int8 activations, where every runtime has a kernel: beside int16
            activations they compute garbage in some.
        hybrid: Whether LiteRT runs float activations on int8 weights; per axis only, as its DEPTHWISE_CONV_2D computes
            garbage per tensor.
    """
    int8: dict[DType, Granularity] = {DType.INT8: PerAxis(axis)}
    beside_int8 = int8 if int4 is None else {**int8, DType.INT4: int4}
    types = {DType.INT8: beside_int8, DType.INT16: int8} | ({DType.FLOAT32: int8} if hybrid else {})
    return MappingProxyType({activations: MappingProxyType(weights) for activations, weights in types.items()})
