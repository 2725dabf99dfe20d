"""C text: names, comments, arrays and structures."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np

_WIDTH = 118


def identifier(text: str) -> str:
    """A C identifier that resembles `text`.

    >>> identifier("person-detect 2")
    'person_detect_2'
    >>> identifier("8bit")
    'model_8bit'
    """
    name = re.sub(r"\W", "_", text, flags=re.ASCII).strip("_")
    return name if re.match(r"[A-Za-z]", name) else f"model_{name}" if name else "model"


def comment(text: str) -> str:
    """What a comment can hold of a name that somebody else chose, so that it cannot end the comment."""
    return re.sub(r"[^A-Za-z0-9_.:/+ -]", "_", text)[:100]


def wrapped(values: Iterable[object], indent: str = "  ") -> str:
    """Numbers with commas, in lines."""
    lines, line = [], indent
    for value in values:
        word = f"{value}, "
        if len(line) + len(word) > _WIDTH:
            lines.append(line.rstrip())
            line = indent
        line += word
    return "\n".join([*lines, line.rstrip().rstrip(",")])


def indented(words: Sequence[str]) -> str:
    """Words with commas, one a line."""
    return ",\n".join(f"  {word}" for word in words)


def array(kind: str, name: str, values: np.ndarray) -> str:
    """A constant array, which `OCTAVO_WEIGHTS` may place; words can be read from its beginning on."""
    return written_array(kind, name, values.size, wrapped(map(int, values.ravel())))


def written_array(kind: str, name: str, size: int, content: str) -> str:
    """The same of content that is text already."""
    head = f"static const {kind} {name}[{size}] OCTAVO_ALIGNED OCTAVO_WEIGHTS"
    return f"{head} = {{\n{content}\n}};\n"


def rows(kind: str, name: str, table: Sequence[str]) -> str:
    """A constant array of structures, one a line."""
    return f"static const {kind} {name}[{len(table)}] OCTAVO_WEIGHTS = {{\n{indented(table)}\n}};\n"


def braces(values: Iterable[object]) -> str:
    """A nested initializer."""
    return f"{{{', '.join(map(str, values))}}}"


def structure(kind: str, name: str, fields: Sequence[tuple[str, str]]) -> str:
    """A constant structure; each line of its initializer says what it holds."""
    lines = [f"  {value}{',' if i + 1 < len(fields) else ''} /* {label} */" for i, (label, value) in enumerate(fields)]
    return f"static const {kind} {name} = {{\n" + "\n".join(lines) + "\n};\n"
