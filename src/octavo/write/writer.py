"""What every writer offers: a graph becomes the content of a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from octavo.ir.types import Graph


@dataclass(frozen=True, slots=True)
class Writer:
    """A form that graphs are written in.

    Attributes:
        name: As users name the form.
        suffix: Of its files, with the dot.
        write: The content of a file, from a graph and remarks that the form keeps beside it, if it can.
    """

    name: str
    suffix: str
    write: Callable[[Graph, Mapping[str, object] | None], bytes]
