"""How operators' options are spelled in the TensorFlow Lite schema: what the writer and the reader of files share."""

from __future__ import annotations


def camel_case(name: str) -> str:
    """The schema's Python spelling of a snake_case field."""
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)
