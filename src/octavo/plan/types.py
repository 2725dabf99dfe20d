"""What a plan says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from octavo.config import Scheme
from octavo.dtypes import DType
from octavo.ir.types import Granularity, Node, Quantization

# Type of the bias of a layer, by the type of its activations.
BIAS_TYPES = {DType.INT8: DType.INT32, DType.INT16: DType.INT64}
# Between a tensor and the type it enters a group in.
_AS = " -> "


@dataclass(frozen=True, slots=True)
class Edge:
    """One input of one node; `node` is the name of the node's first output."""

    node: str
    input: int


@dataclass(frozen=True, slots=True)
class Member:
    """A tensor as integers of one type; a tensor that nodes of several types read is a member once for each."""

    tensor: str
    dtype: DType


@dataclass(frozen=True, slots=True)
class Group:
    """Tensors that have the same type and the same parameters.

    Attributes:
        dtype: INT8, or INT16, which is symmetric.
        tensors: Activations and constant operands, in graph order.
        fixed: Parameters a kernel demands, or None where a range decides.
        observed: The members whose ranges, united, are the group's range; the others cannot exceed them.
        rounded: The members that are rounded to the group's grid; the others are made of values that were.
        smallest_scale: The scale that kernels reading or making a member need at least.
        widest: Magnitude beyond which no reader tells values apart, so that the range need not go there; or None.
        powers_of_two: Where kernels demand a scale of 2**n, the smallest and the largest n.
    """

    dtype: DType
    tensors: tuple[str, ...]
    fixed: Quantization | None
    observed: tuple[str, ...]
    rounded: tuple[str, ...]
    smallest_scale: float
    widest: float | None
    powers_of_two: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class WeightRule:
    """How one constant weight of one node is quantized.

    Attributes:
        node, input: The place, as an `Edge` names it.
        tensor: The constant.
        dtype: INT8 or INT4; FLOAT16 under float activations.
        granularity: Per tensor or per output channel.
    """

    node: str
    input: int
    tensor: str
    dtype: DType
    granularity: Granularity


@dataclass(frozen=True, slots=True)
class BiasRule:
    """A bias whose scale is the product of its data's and its weights' scales.

    Attributes:
        node, input: The place, as an `Edge` names it.
        tensor: The constant.
        dtype: INT32 or INT64.
        data: The tensor that enters beside it.
        weight: Index of the input with its weights.
    """

    node: str
    input: int
    tensor: str
    dtype: DType
    data: str
    weight: int


@dataclass(frozen=True, slots=True)
class Island:
    """A node that stays in float, and why."""

    node: str
    op: str
    layer: str
    reason: str


@dataclass(frozen=True, slots=True)
class Table:
    """Operators that compute a function of one number, in whose place int8 looks its 256 values up.

    Attributes:
        source: The tensor it is a function of.
        result: What is computed: reals, whole numbers or truth values.
        nodes: In order; the last makes the result.
    """

    source: str
    result: str
    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """Every decision of a quantization but the numbers.

    Attributes:
        scheme: The scheme planned for.
        types: Integer type each node runs on, by first output; nodes without one stay in float.
        natives: Integer type each activation is made or handed over in, by name; those without one are float.
        groups: Groups of tensors with the same type and parameters.
        weights, biases: Rules for constants, by node and input.
        requantized: Edges where a tensor enters a group it is no member of, each with the name of a member; a QUANTIZE
            goes there, unless the tensor is a constant.
        islands: What stays in float.
        tables: What int8 looks up.
        handed: Type in which each output of the model is handed over that is made in another.
    """

    scheme: Scheme
    types: Mapping[str, DType]
    natives: Mapping[str, DType]
    groups: tuple[Group, ...]
    weights: tuple[WeightRule, ...]
    biases: tuple[BiasRule, ...]
    requantized: tuple[tuple[Edge, str], ...]
    islands: tuple[Island, ...]
    tables: tuple[Table, ...] = ()
    handed: Mapping[str, DType] = field(default_factory=dict)

    @property
    def observed(self) -> tuple[str, ...]:
        """All tensors whose range must be known, in graph order."""
        return tuple(dict.fromkeys(name for group in self.groups for name in group.observed))

    def range_name(self, tensor: str, group: Group) -> str:
        """What the range of a group's member is filed under.

        A tensor that enters a group of another type than its own was rounded before, and training observes it anew.
        """
        native = self.natives.get(tensor)
        return tensor if native in (None, group.dtype) else converted_name(tensor, group.dtype)


def converted_name(tensor: str, dtype: DType) -> str:
    """What the range of a tensor is filed under where it is converted to a type that it is not made in."""
    return f"{tensor}{_AS}{dtype.value}"


def tensor_name(range_name: str) -> str:
    """The tensor that a range is of; the inverse of `Plan.range_name`."""
    return range_name.rpartition(_AS)[0] or range_name
