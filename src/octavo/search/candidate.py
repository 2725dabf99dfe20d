"""What a file is made by, and what it was measured to cost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from octavo.condition.trial import decibels
from octavo.config import QuantizeConfig, layer_of_type
from octavo.search.score import Score


@dataclass(frozen=True, slots=True)
class Candidate:
    """Types of layers, and options of the quantization.

    Attributes:
        types: (layer, type) of those that are not int8, in execution order.
        options: (field of `QuantizeConfig`, value) of those that differ from the search's own.
    """

    types: tuple[tuple[str, str], ...] = ()
    options: tuple[tuple[str, Any], ...] = ()

    @classmethod
    def of(cls, types: Mapping[str, str], **options: Any) -> Self:
        """Of types by layer, int8 among them."""
        return cls(tuple((layer, name) for layer, name in types.items() if name != "int8"), tuple(options.items()))

    def config(self, common: QuantizeConfig) -> QuantizeConfig:
        """The configuration of its file, made of what all have in common."""
        own = tuple(layer_of_type(layer, name) for layer, name in self.types)
        return replace(common, layers=(*own, *common.layers), **dict(self.options))

    @property
    def name(self) -> str:
        """What tells it from others."""
        return " ".join(f"{name}={value}" for name, value in (*self.types, *self.options)) or "int8"


@dataclass(frozen=True, slots=True)
class Cost:
    """What a file was measured to cost.

    Attributes:
        noise: Squared error of the outputs, before a last softmax, as a share of their square, on samples held out;
            infinite where no file could be made.
        file_bytes: Size of the file.
        flash_bytes: What a budget of flash is held against: the file; on a board the whole program.
        ram_bytes: Likewise: the arena in TensorFlow Lite Micro; on a board all that the program takes; None if unknown.
        instructions: An inference in generated C, or where there is none in TensorFlow Lite Micro; None if unknown.
    """

    noise: float
    file_bytes: int
    flash_bytes: int
    ram_bytes: int | None
    instructions: float | None

    @property
    def sqnr_db(self) -> float:
        """Signal to noise of the outputs, in dB."""
        return decibels(self.noise)


@dataclass(frozen=True, slots=True)
class Budgets:
    """Bytes there are; None for no limit."""

    flash: int | None = None
    ram: int | None = None

    def allow(self, cost: Cost) -> bool:
        """Whether a file fits; what is unknown fits no limit."""
        pairs = (self.flash, cost.flash_bytes), (self.ram, cost.ram_bytes)
        return all(room is None or (taken is not None and taken <= room) for room, taken in pairs)


@dataclass(frozen=True, slots=True)
class Point:
    """A candidate, its cost, and what its file is worth by labels, where that was measured."""

    candidate: Candidate
    cost: Cost
    score: Score | None = None

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        options = dict(self.candidate.options)
        scored = {} if self.score is None else {"score": asdict(self.score)}
        cost = {"sqnr_db": self.cost.sqnr_db, **asdict(self.cost)}
        return {"types": dict(self.candidate.types), **options, **cost, **scored}


def best(points: Iterable[Point], budgets: Budgets) -> Point | None:
    """Of those that fit the one of best score, or without scores of least noise, of equal ones the smallest.

    None if none fits.
    """
    fitting = [point for point in points if budgets.allow(point.cost)]
    judged = [point for point in fitting if point.score is not None] or fitting
    return min(judged, key=_order, default=None)


def finalists(points: Iterable[Point], budgets: Budgets) -> tuple[Point, ...]:
    """The front of all, and that of those that fit."""
    known = list(points)
    fitting = front(point for point in known if budgets.allow(point.cost))
    return tuple(dict.fromkeys((*front(known), *fitting)))


def _order(point: Point) -> tuple[float, float, int]:
    return 0.0 if point.score is None else point.score.rank, point.cost.noise, point.cost.file_bytes


def front(points: Iterable[Point]) -> tuple[Point, ...]:
    """Those that no other one beats in size and in noise, by falling size."""
    found: list[Point] = []
    for point in sorted(points, key=lambda each: (each.cost.file_bytes, each.cost.noise)):
        if not found or point.cost.noise < found[-1].cost.noise:
            found.append(point)
    return tuple(reversed(found))
