"""A model's inputs and outputs in C: types, expressions, and casts to the type of what lies somewhere."""

from __future__ import annotations

from collections.abc import Sequence

from octavo.dtypes import DType
from octavo.ir.types import Graph, Tensor

BYTE = "int8_t"


def c_type(dtype: DType) -> str:
    """The C type of an element; truth values and what is packed are bytes.

    >>> c_type(DType.INT16)
    'int16_t'
    """
    return BYTE if dtype is DType.BOOL or dtype.is_packed else f"{dtype.value}_t"


def ports(names: Sequence[str], buffer: str) -> list[str]:
    """C expressions of the caller's buffers."""
    return [buffer] if len(names) == 1 else [f"{buffer}[{i}]" for i in range(len(names))]


def port_type(graph: Graph, names: Sequence[str]) -> str:
    """What the caller's buffers of inputs or outputs hold; void where they differ."""
    kinds = {c_type(graph.tensors[name].dtype) for name in names}
    return kinds.pop() if len(kinds) == 1 else "void"


def constant_name(graph: Graph, prefix: str, name: str) -> str:
    """Of the array that holds a constant tensor."""
    return f"{prefix}_constant_{list(graph.tensors).index(name)}"


def read_as(tensor: Tensor, place: str, lies_as: str = BYTE) -> str:
    """The expression of a place, as a pointer to what an operator reads there; `lies_as` is what C takes it for."""
    kind = c_type(tensor.dtype)
    return place if kind == lies_as else f"((const {kind} *)(const void *){place})"


def written_as(tensor: Tensor, place: str, lies_as: str = BYTE) -> str:
    """Likewise to what it writes there."""
    kind = c_type(tensor.dtype)
    return place if kind == lies_as else f"(({kind} *)(void *){place})"
