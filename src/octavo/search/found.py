"""What a search found."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from octavo.config import QuantizeConfig
from octavo.files import write_whole
from octavo.report.front import Mark, check_ending, front_picture
from octavo.result import QuantizedModel
from octavo.search.candidate import Budgets, Candidate, Point, front
from octavo.search.score import Score
from octavo.search.sensitivity import Sensitivity
from octavo.stages import Source

# Options of `octavo quantize` by the fields of a configuration that a search leaves or chooses.
OPTIONS = {"estimator": "--estimator", "percentile": "--percentile", "effort": "--effort", "seed": "--seed"}


@dataclass(frozen=True, slots=True)
class Search:
    """What a search found.

    Attributes:
        table: What each layer loses at each type.
        points: All files that were measured, by falling size.
        budgets: What they were held against.
        chosen: The one that fits and is best by labels, or without them of the highest SQNR; or None.
        quantized: Its file, made of all samples and verified, or None.
        config: What all files have in common.
        source: The samples, and how they are read.
        allow: Lambda layers that were allowed to run.
        scores: What its file and the float model are worth by labels; None without labels, or where none was chosen.
    """

    table: tuple[Sensitivity, ...]
    points: tuple[Point, ...]
    budgets: Budgets
    chosen: Point | None
    quantized: QuantizedModel | None
    config: QuantizeConfig
    source: Source
    allow: tuple[str, ...] = ()
    scores: tuple[Score, Score] | None = None

    @property
    def layers(self) -> tuple[str, ...]:
        """All that have weights, in execution order."""
        return tuple(dict.fromkeys(row.layer for row in self.table))

    @property
    def front(self) -> tuple[Point, ...]:
        """The files that no other one beats in size and in SQNR, by falling size."""
        return front(self.points)

    def picture(self, path: str | Path) -> Path:
        """Draw all files by size and SQNR, and the front that none beats.

        Args:
            path: Ends in .png or .svg.

        Raises:
            MissingDependencyError: without matplotlib.
            OutputError: for another ending, or if it cannot be written.
        """
        place, best = Path(path), self.front
        check_ending("--picture", place)
        marks = [
            Mark(point.cost.file_bytes, point.cost.sqnr_db, point in best, point == self.chosen)
            for point in self.points
        ]
        # A board's flash holds more than the file.
        files_alone = all(point.cost.file_bytes == point.cost.flash_bytes for point in self.points)
        room = self.budgets.flash if files_alone else None
        return write_whole(place, front_picture(marks, room, place.suffix.lower()))

    def command(self, candidate: Candidate, model: str, data: str) -> str:
        """The command line that makes a file again."""
        arguments = ("octavo", "quantize", model, "--data", data, *self._arguments(candidate))
        return shlex.join(arguments)

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return {
            "table": [asdict(row) for row in self.table],
            "points": [point.to_dict() for point in self.points],
            "front": [point.to_dict() for point in self.front],
            "chosen": None if self.chosen is None else self.chosen.to_dict(),
            "budgets": asdict(self.budgets),
            "scores": None
            if self.scores is None
            else {"chosen": asdict(self.scores[0]), "float": asdict(self.scores[1])},
        }

    def _arguments(self, candidate: Candidate) -> Iterator[str]:
        config, usual = candidate.config(self.config), QuantizeConfig()
        if self.source.samples is not None:
            yield from ("--samples", str(self.source.samples))
        if self.source.integer_divisor is not None:
            yield from ("--integer-divisor", f"{self.source.integer_divisor:g}")
        for name in self.allow:
            yield from ("--allow", name)
        for pattern in config.skip:
            yield from ("--skip", pattern)
        if not config.per_axis:
            yield "--per-tensor"
        for field, option in OPTIONS.items():
            if getattr(config, field) != getattr(usual, field):
                yield from (option, str(getattr(config, field)))
        for layer, name in candidate.types:
            yield from ("--layer", f"{layer}={name}")
