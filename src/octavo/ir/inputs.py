"""The inputs of an operator, some of which may be absent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

from octavo.errors import GraphError

T = TypeVar("T")


class Inputs(Generic[T]):
    """What an operator is given, in order, immutable: its tensors, or their arrays.

    Indexing, iterating and unpacking take every input for required; `get` asks for one that may be absent.

    Args:
        items: None where an optional input is absent.

    Attributes:
        items: The same, as a tuple.
    """

    __slots__ = ("items",)

    items: tuple[T | None, ...]

    def __init__(self, items: Iterable[T | None]) -> None:
        self.items = tuple(items)

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[T]:
        return (self[index] for index in range(len(self.items)))

    def __getitem__(self, index: int) -> T:
        """A required input.

        Raises:
            GraphError: if it is absent.
        """
        item = self.get(index)
        if item is None:
            present = [place for place, other in enumerate(self.items) if other is not None]
            raise GraphError(
                f"input {index} of an operator is absent.",
                got=f"inputs {', '.join(map(str, present)) or 'none'}",
                expected=f"a tensor for input {index}",
                fix="give the operator every input that its row does not call optional",
            )
        return item

    def get(self, index: int) -> T | None:
        """An optional input: None where it is absent, or beyond the last."""
        return self.items[index] if index < len(self.items) else None
