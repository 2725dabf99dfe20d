"""Bytes that definitions of constants take on a 32-bit core, read from the C that defines them."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

_DEFINITION = re.compile(r"^static const (\w+) (\w+)(?:\[(\d+)\])?(?: OCTAVO_\w+)* = ", re.MULTILINE)
_STRUCTURE = re.compile(r"typedef struct \{((?:[^{}]|\{[^{}]*\})*)\} (\w+);")
_INNER = re.compile(r"struct \{([^{}]*)\} \w+;")
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_MEMBERS = re.compile(r"(?:const )?(\w+) ([^;]+);")
_INTEGERS = {"int8_t": 1, "uint8_t": 1, "int16_t": 2, "uint16_t": 2, "int32_t": 4, "uint32_t": 4, "int64_t": 8}
_INTEGERS |= {"OCTAVO_WORD": 2}  # of cores without the vector extension, which the figures are for
_WORD = 4


def constant_bytes(definitions: str) -> dict[str, int]:
    """Bytes of each constant that a text of C defines, by name.

    >>> constant_bytes("static const int16_t taps[3] OCTAVO_WEIGHTS = {1, 2, 3};")
    {'taps': 6}
    """
    sizes = _INTEGERS | {name: size for name, (size, _) in _structures().items()}
    return {name: sizes[kind] * int(count or 1) for kind, name, count in _DEFINITION.findall(definitions)}


@cache
def _structures() -> dict[str, tuple[int, int]]:
    """(bytes, alignment) of the structures that the kernels define, by name."""
    folder = files("octavo") / "kernels"
    names = sorted((item.name for item in folder.iterdir()), key=lambda name: (name != "common.h", name))
    found: dict[str, tuple[int, int]] = {}
    for name in names:
        if name.endswith((".h", ".c")):
            text = _COMMENT.sub("", (folder / name).read_text(encoding="utf-8"))
            for members, structure in _STRUCTURE.findall(text):
                found[structure] = _laid_out(_INNER.sub(r"\1", members), found)
    return found


def _laid_out(members: str, known: dict[str, tuple[int, int]]) -> tuple[int, int]:
    """(bytes, alignment) of a structure with these members."""
    end, widest = 0, 1
    for kind, declared in _MEMBERS.findall(members):
        for one in declared.split(","):
            if "*" in one:
                size = alignment = _WORD
            else:
                size, alignment = known.get(kind, (_INTEGERS.get(kind, _WORD),) * 2)
            counts = [int(count) for count in re.findall(r"\[(\d+)\]", one)]
            for count in counts:
                size *= count
            end = -(-end // alignment) * alignment + size
            widest = max(widest, alignment)
    return -(-end // widest) * widest, widest
