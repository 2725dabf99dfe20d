"""What kind of value an argument takes: said once, asked wherever a caller hands one over."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Integral, Real
from os import PathLike

from octavo.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Kind:
    """Values that serve.

    Attributes:
        holds: Whether a value is one; None is asked of no kind.
        expected: In words.
        example: A value, as Python has it.
    """

    holds: Callable[[object], bool]
    expected: str
    example: str

    def such_as(self, example: str) -> Kind:
        """The same kind, of an argument that takes other values."""
        return replace(self, example=example)


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not _is_yes_or_no(value)


def _is_yes_or_no(value: object) -> bool:
    return isinstance(value, bool) or type(value).__name__ in ("bool_", "bool")


def _are_names(value: object) -> bool:
    return isinstance(value, str) or (
        isinstance(value, Sequence | set) and all(isinstance(each, str) for each in value)
    )


YES_OR_NO = Kind(_is_yes_or_no, "True or False", "True")
NUMBER = Kind(_is_number, "a number", "99.9")
WHOLE = Kind(lambda value: isinstance(value, Integral) and not _is_yes_or_no(value), "a whole number", "500")
SEED = Kind(lambda value: WHOLE.holds(value) and int(value) >= 0, "a whole number from 0 on", "0")  # type: ignore[call-overload]
NAME = Kind(lambda value: isinstance(value, str), "a name", "'int8'")
NAMES = Kind(_are_names, "names, or a single one", "['dense', 'head/*']")
LIST = Kind(lambda value: isinstance(value, Sequence) and not isinstance(value, str), "a list", "[...]")
FUNCTION = Kind(callable, "a function", "print")
MAPPING = Kind(lambda value: isinstance(value, Mapping), "a dict", "{'name': ...}")


PATH = Kind(lambda value: isinstance(value, str | PathLike), "a path", "'model.tflite'")


def check_kinds(kinds: Mapping[str, Kind], values: Mapping[str, object], needed: Collection[str] = ()) -> None:
    """Refuse values of another kind; what is None and not needed, or has no kind, is not looked at.

    Raises:
        ConfigError: naming the first argument that has the wrong one.
    """
    for name, kind in kinds.items():
        value = values.get(name)
        if (value is not None or name in needed) and not kind.holds(value):
            raise ConfigError(
                f"{name} is no value of its kind.",
                got=f"{value!r} ({type(value).__name__})",
                expected=kind.expected,
                fix=f"say, for example, {name}={kind.example}",
            )
