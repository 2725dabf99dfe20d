"""Boards that a model may have to fit, read from boards.toml beside this file."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from octavo.arguments import NAME, check_kinds
from octavo.config import unknown_name
from octavo.errors import ConfigError

UNITS = {"": 1, "B": 1, "K": 1024, "M": 1024**2, "G": 1024**3}


@dataclass(frozen=True, slots=True)
class Processor:
    """A core, and how instructions become time on it.

    Attributes:
        name: As boards name it.
        arm: The core of `octavo.board.emulator.CORES` with the same instructions; "" for other architectures.
        features: Of "fpu", "dsp" and "mve".
        cycles: Clock cycles an instruction takes on average in kernels like these.
        error: By how much that may be off, as a share.
        source: Where it comes from.
    """

    name: str
    arm: str
    features: tuple[str, ...]
    cycles: float
    error: float
    source: str


@dataclass(frozen=True, slots=True)
class Board:
    """A board.

    Attributes:
        name: As `--board` takes it.
        title: Its maker's name for it.
        chip: The microcontroller on it.
        processor: Its core.
        mhz: Clock.
        flash_bytes, ram_bytes: What a program has, all of it; None where there is no limit.
        source: Where the figures stand.
    """

    name: str
    title: str
    chip: str
    processor: Processor
    mhz: float
    flash_bytes: int | None
    ram_bytes: int | None
    source: str


USUAL = "nano33ble"
"""The board whose core is meant where somebody gives budgets alone: that of the well-known tutorials."""


@cache
def boards() -> Mapping[str, Board]:
    """All boards by name, in the file's order."""
    content = tomllib.loads((files("octavo") / "board" / "boards.toml").read_text(encoding="utf-8"))
    cores = {name: _processor(name, row) for name, row in content["cores"].items()}
    return MappingProxyType({name: _board(name, row, cores) for name, row in content["boards"].items()})


def board_named(name: str) -> Board:
    """A board of the data file; case, spaces, dashes and underscores make no difference.

    Raises:
        ConfigError: if there is none of that name, with the closest one.
    """
    check_kinds({"board": NAME.such_as(repr(USUAL))}, {"board": name}, needed=["board"])
    known = {_plain(each): board for each, board in boards().items()}
    if _plain(name) in known:
        return known[_plain(name)]
    raise unknown_name("board", name, tuple(boards()))


def board_of(board: str | None, flash: str | int | None = None, ram: str | int | None = None) -> Board:
    """The board meant by a name, by budgets, or by both; what is given beside a name stands in for the board's own.

    Args:
        board: A name; None takes the core of `USUAL`, and its sizes where no budget is given at all.
        flash, ram: Bytes, or a number with KB or MB.

    Raises:
        ConfigError: for an unknown name, or a size that cannot be read.
    """
    found = board_named(USUAL if board is None else board)
    if flash is None and ram is None:
        return found
    budgets = board is None
    return Board(
        "budget" if budgets else found.name,
        f"a board with the core of {found.title}" if budgets else found.title,
        found.chip,
        found.processor,
        found.mhz,
        (None if budgets else found.flash_bytes) if flash is None else parse_bytes(flash),
        (None if budgets else found.ram_bytes) if ram is None else parse_bytes(ram),
        found.source,
    )


def parse_bytes(size: str | int) -> int:
    """A number of bytes, or one with K, M or G, perhaps followed by B (of 1024).

    >>> parse_bytes("256KB"), parse_bytes("1M")
    (262144, 1048576)

    Raises:
        ConfigError: for anything else.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMG]?)(?:i?B)?\s*", str(size), re.IGNORECASE)
    if match is None:
        raise ConfigError(
            "a size cannot be read.",
            got=repr(size),
            expected="bytes, or a number with K, KB, M, MB, G or GB",
            fix="write it like 256KB or 1MB",
        )
    return int(float(match[1]) * UNITS[match[2].upper()])


def _processor(name: str, row: Mapping[str, Any]) -> Processor:
    return Processor(name=name, **{"arm": "", **row, "features": tuple(row["features"])})


def _board(name: str, row: Mapping[str, Any], cores: Mapping[str, Processor]) -> Board:
    flash, ram = (row[f"{kind}_kb"] * 1024 for kind in ("flash", "ram"))
    return Board(name, row["title"], row["chip"], cores[row["core"]], row["mhz"], flash, ram, row["source"])


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]", "", name.lower())
