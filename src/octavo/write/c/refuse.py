"""The errors of what has no C form."""

from __future__ import annotations

from octavo.errors import UnsupportedLayerError
from octavo.ir.types import Node


def refuse(node: Node, *, got: str, expected: str, fix: str) -> UnsupportedLayerError:
    """An error about one operator, named as the user named its layer."""
    return UnsupportedLayerError(
        f"{node.op} in layer '{node.layer}' has no C kernel for what it does.", got=got, expected=expected, fix=fix
    )
