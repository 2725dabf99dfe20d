"""How long native code may run, and how much memory it may take: generous, and told by two environment variables."""

from __future__ import annotations

import os
from dataclasses import dataclass

from octavo.errors import ConfigError

SECONDS_VARIABLE, MEMORY_VARIABLE = "OCTAVO_RUN_SECONDS", "OCTAVO_RUN_MEGABYTES"
DEFAULT_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one child process.

    Attributes:
        seconds: For loading a model, and for each sample it runs.
        megabytes: Address space of the process, 2**20 bytes each; None leaves it to the system.
    """

    seconds: float = DEFAULT_SECONDS
    megabytes: int | None = None


def limits() -> Limits:
    """The limits that the environment asks for; else five minutes, and the memory of the machine.

    Raises:
        ConfigError: for a variable that is no positive number.
    """
    seconds = _number(SECONDS_VARIABLE, "seconds")
    megabytes = _number(MEMORY_VARIABLE, "megabytes")
    return Limits(seconds or DEFAULT_SECONDS, int(megabytes) if megabytes else _machine_megabytes())


def _number(variable: str, unit: str) -> float | None:
    text = os.environ.get(variable, "")
    try:
        value = float(text) if text else None
    except ValueError:
        value = 0.0
    if value is not None and not 0 < value < float("inf"):
        raise ConfigError(
            f"the environment variable {variable} is no number of {unit}.",
            got=repr(text),
            expected=f"a positive number of {unit}",
            fix=f"set {variable} to one, or unset it",
        )
    return value


def _machine_megabytes() -> int | None:
    """The machine's memory, at least enough for address space that is reserved and never used; None if unknown."""
    try:
        pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None
    return max(pages * size >> 20, 4096) if pages > 0 else None
