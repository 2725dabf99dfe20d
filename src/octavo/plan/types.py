"""What a plan says."""

from __future__ import annotations

from dataclasses import dataclass

from octavo.config import Scheme
from octavo.dtypes import DType
from octavo.ir.types import Granularity, Quantization


@dataclass(frozen=True, slots=True)
class Edge:
    """One input of one node; `node` is the name of the node's first output."""

    node: str
    input: int


@dataclass(frozen=True, slots=True)
class Group:
    """Tensors that have the same parameters.

    Attributes:
        tensors: Activations and constant operands, in graph order.
        fixed: Parameters a kernel demands, or None where a range decides.
        observed: The members whose ranges, united, are the group's range; the others cannot exceed them.
        rounded: The members that are rounded to the group's grid; the others are made of values that were.
        smallest_scale: The scale that kernels reading or making a member need at least.
        widest: Magnitude beyond which no reader tells values apart, so that the range need not go there; or None.
    """

    tensors: tuple[str, ...]
    fixed: Quantization | None
    observed: tuple[str, ...]
    rounded: tuple[str, ...]
    smallest_scale: float
    widest: float | None


@dataclass(frozen=True, slots=True)
class WeightRule:
    """How the weight constant of one node is quantized.

    Attributes:
        node: The node's first output.
        tensor: The constant.
        dtype: INT8 or INT4.
        granularity: Per tensor or per output channel.
    """

    node: str
    tensor: str
    dtype: DType
    granularity: Granularity


@dataclass(frozen=True, slots=True)
class BiasRule:
    """A bias whose scale is the product of its node's input and weight scales."""

    node: str
    tensor: str
    data: str
    weight: str


@dataclass(frozen=True, slots=True)
class Island:
    """A node that stays in float, and why."""

    node: str
    op: str
    layer: str
    reason: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Every decision of a quantization but the numbers.

    Attributes:
        scheme: The scheme planned for.
        integer: First outputs of the nodes that run on integers.
        groups: Groups of tensors with the same parameters.
        weights, biases: Rules for constants, by node.
        requantized: Edges where a tensor enters a group it is no member of, each with the name of a member; a QUANTIZE
            goes there, unless the tensor is a constant.
        islands: What stays in float.
    """

    scheme: Scheme
    integer: frozenset[str]
    groups: tuple[Group, ...]
    weights: tuple[WeightRule, ...]
    biases: tuple[BiasRule, ...]
    requantized: tuple[tuple[Edge, str], ...]
    islands: tuple[Island, ...]

    @property
    def observed(self) -> tuple[str, ...]:
        """All tensors whose range must be known, in graph order."""
        return tuple(name for group in self.groups for name in group.observed)
