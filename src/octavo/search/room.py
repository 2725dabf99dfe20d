"""What a choice of types may take, and the choices that keep to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from octavo.search.candidate import Budgets, Candidate, Cost
from octavo.search.knapsack import Option, least_noise
from octavo.search.neighbours import neighbours
from octavo.search.sensitivity import Sensitivity


@dataclass(frozen=True, slots=True)
class Room:
    """Bounds of the sum of all layers.

    Attributes:
        options: Of each layer.
        smallest, largest: Bytes of all layers' constants where each is as small as can be, and where all are int8.
        most_bytes: Of the constants, that the budget of flash leaves; None for no bound.
        most_live: What they may add to the activations of int8 while each operator runs; empty for no bound.
    """

    options: Mapping[str, Sequence[Option]]
    smallest: int
    largest: int
    most_bytes: int | None = None
    most_live: tuple[float, ...] = ()

    @classmethod
    def beside(cls, int8: Cost, table: Sequence[Sensitivity], budgets: Budgets, live: Sequence[int]) -> Self:
        """Budgets less what else is in flash and RAM, which is what it is in the file of int8 throughout.

        Args:
            int8: What that file costs.
            table: What each layer may be.
            budgets: Of flash and RAM.
            live: Bytes of the activations of that file while each operator runs.
        """
        options: dict[str, list[Option]] = {}
        for row in table:
            options.setdefault(row.layer, []).append(row.option)
        largest = sum(row.file_bytes for row in table if row.type == "int8")
        most_bytes = None if budgets.flash is None else budgets.flash - (int8.flash_bytes - largest)
        most_live: tuple[float, ...] = ()
        if budgets.ram is not None and int8.ram_bytes is not None:
            spare = budgets.ram - int8.ram_bytes + max(live, default=0)
            most_live = tuple(float(spare - each) for each in live)
        smallest = sum(min(option.file_bytes for option in each) for each in options.values())
        return cls(options, smallest, largest, most_bytes, most_live)

    def choice(self, share: float) -> dict[str, str] | None:
        """The types of least noise within a share of the bytes from the smallest to int8, or to the budget if less."""
        largest = self.largest if self.most_bytes is None else min(self.largest, self.most_bytes)
        return least_noise(self.options, self.smallest + share * (largest - self.smallest), self.most_live)

    def choices(self, points: int) -> Iterator[dict[str, str]]:
        """Those of some numbers of bytes by falling size, the budget last; what cannot be kept is left out."""
        shares = np.linspace(1, 0, points)[1:]
        bounds = [self.smallest + share * (self.largest - self.smallest) for share in shares]
        for most_bytes in (*bounds, *(() if self.most_bytes is None else (self.most_bytes,))):
            found = least_noise(self.options, most_bytes, self.most_live)
            if found is not None:
                yield found

    def near(self, candidate: Candidate) -> Iterator[Candidate]:
        """The candidates of other types in one layer or two that keep to the bytes, best guess first."""
        types = dict.fromkeys(self.options, "int8") | dict(candidate.types)
        most_bytes = self.largest if self.most_bytes is None else self.most_bytes
        for each in neighbours(self.options, types, most_bytes):
            yield Candidate.of(each, **dict(candidate.options))
