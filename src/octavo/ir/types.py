"""The graph: tensors, nodes and how numbers stand for reals. Free of any file format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from octavo.dtypes import DType
from octavo.errors import GraphError

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PerTensor:
    """One scale for the whole tensor."""


@dataclass(frozen=True, slots=True)
class PerAxis:
    """One scale for each index along `axis`."""

    axis: int


Granularity = PerTensor | PerAxis


@dataclass(frozen=True, slots=True, eq=False)
class Quantization:
    """Affine parameters: `real = (q - zero_point) * scale`.

    Attributes:
        scale: float32, shape (1,) per tensor or (channels,) per axis, positive.
        zero_point: int64, same shape.
        granularity: Which of the two.
    """

    scale: np.ndarray
    zero_point: np.ndarray
    granularity: Granularity = PerTensor()

    def __post_init__(self) -> None:
        object.__setattr__(self, "scale", _frozen(np.atleast_1d(np.asarray(self.scale, np.float32))))
        object.__setattr__(self, "zero_point", _frozen(np.atleast_1d(np.asarray(self.zero_point, np.int64))))

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Quantization)
            and self.granularity == other.granularity
            and np.array_equal(self.scale, other.scale)
            and np.array_equal(self.zero_point, other.zero_point)
        )

    def __hash__(self) -> int:
        return hash((self.scale.tobytes(), self.zero_point.tobytes(), self.granularity))


@dataclass(frozen=True, slots=True, eq=False)
class Tensor:
    """A value of the graph.

    Attributes:
        name: Unique in its graph.
        shape: Fixed; the batch dimension of activations is 1.
        dtype: Element type.
        data: Read-only array of a constant, else None. int4 is held unpacked in int8.
        quantization: Parameters of an integer tensor that stands for reals, else None.
        layer: The user's name of the layer this tensor came from, e.g. "encoder/conv_1".
        is_variable: Whether it is a state, which one operator reads: it has a value from the start, all zeros (of an
            integer that stands for reals: its zero point), and the next one is written in its place, by the same
            operator inside or by one whose result it is.
    """

    name: str
    shape: Shape
    dtype: DType = DType.FLOAT32
    data: np.ndarray | None = None
    quantization: Quantization | None = None
    layer: str = ""
    is_variable: bool = False

    def __post_init__(self) -> None:
        if self.data is not None:
            object.__setattr__(self, "data", _frozen(self.data))

    @property
    def is_constant(self) -> bool:
        return self.data is not None

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def bytes(self) -> int:
        """Bytes of its elements in a file or in memory."""
        return -(-self.size * self.dtype.bits // 8)

    @property
    def values(self) -> np.ndarray:
        """The array of a constant.

        Raises:
            GraphError: if it is none.
        """
        if self.data is None:
            raise GraphError(
                f"tensor '{self.name}' of layer '{self.layer}' must be constant.",
                got="a tensor that an operator makes, or an input of the graph",
                expected="a constant",
                fix="compute it before, with octavo.passes.fold_constants, or ask `is_constant` first",
            )
        return self.data

    @property
    def parameters(self) -> Quantization:
        """The parameters of a quantized tensor.

        Raises:
            GraphError: if it has none.
        """
        if self.quantization is None:
            raise GraphError(
                f"tensor '{self.name}' of layer '{self.layer}' has no quantization.",
                got=f"{self.dtype.value} without parameters",
                expected="integers that stand for reals",
                fix="take the graph that octavo.quantization.assign makes, or ask for `quantization` first",
            )
        return self.quantization

    @property
    def scale(self) -> float:
        """The scale of a tensor quantized with one; a float32 value, in double."""
        return float(self.parameters.scale[0])

    @property
    def zero_point(self) -> int:
        """The zero point of a tensor quantized with one."""
        return int(self.parameters.zero_point[0])


class Options:
    """Base of an operator's options.

    A subclass is a frozen dataclass whose field names are the snake_case form of the TensorFlow Lite schema's
    field names, and whose `table` is the schema's table name; the writer and the reader need nothing more.
    """

    __slots__ = ()
    table: str = ""


@dataclass(frozen=True, slots=True)
class NoOptions(Options):
    """Options of an operator that has none."""


@dataclass(frozen=True, slots=True)
class Node:
    """One operator call.

    Attributes:
        op: TensorFlow Lite builtin name, e.g. "CONV_2D".
        inputs: Tensor names; None where an optional input is absent.
        outputs: Tensor names.
        options: The operator's options.
        layer: The user's name of the layer this call came from.
        intermediates: Names of tensors that never hold a value: what they say of type and parameters tells kernels how
            to compute inside.
    """

    op: str
    inputs: tuple[str | None, ...]
    outputs: tuple[str, ...]
    options: Options = NoOptions()
    layer: str = ""
    intermediates: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Graph:
    """A model: tensors by name, nodes in execution order.

    Attributes:
        name: The model's name.
        tensors: All tensors by name, read-only.
        nodes: In execution order.
        inputs: Names of graph inputs, in the model's order; also their names in the file's signature.
        outputs: Likewise of graph outputs.
    """

    name: str
    tensors: Mapping[str, Tensor]
    nodes: tuple[Node, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "tensors", MappingProxyType(dict(self.tensors)))

    def __reduce__(self) -> tuple[object, ...]:
        return Graph, (self.name, dict(self.tensors), self.nodes, self.inputs, self.outputs)


def _frozen(array: np.ndarray) -> np.ndarray:
    """A read-only view of `array`; the caller's own array stays writable."""
    if not array.flags.writeable:
        return array
    view = array.view()
    view.flags.writeable = False
    return view
