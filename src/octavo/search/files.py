"""The files of a search: made and measured once, and their neighbours as long as one is better."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice

import numpy as np

from octavo.search.candidate import Budgets, Candidate, Cost, Point, best, finalists
from octavo.search.crew import Crew, Job
from octavo.search.room import Room
from octavo.search.score import Judge, Score
from octavo.search.workbench import cost, score

# Neighbours that are made before the next step is decided: the same for any number of workers.
ROUND = 4


@dataclass(frozen=True, slots=True)
class Files:
    """Candidates and what their files cost.

    Attributes:
        crew: Who makes and measures.
        known: Costs by candidate.
        scores: What files are worth by labels, likewise, where it was measured.
    """

    crew: Crew
    known: dict[Candidate, Cost] = field(default_factory=dict)
    scores: dict[Candidate, Score] = field(default_factory=dict)

    @property
    def points(self) -> list[Point]:
        """Those of which a file could be made, by falling size."""
        made = ((candidate, cost) for candidate, cost in self.known.items() if np.isfinite(cost.noise))
        found = [Point(candidate, cost, self.scores.get(candidate)) for candidate, cost in made]
        return sorted(found, key=lambda point: (-point.cost.file_bytes, point.cost.noise))

    def costs(self, candidates: Iterable[Candidate]) -> list[Cost]:
        """What the files of candidates cost, in their order."""
        wanted = list(candidates)
        found = self.crew.results("make files", {f"file {each.name}": Job(cost, (each,)) for each in wanted})
        self.known.update((each, Cost(**found[f"file {each.name}"])) for each in wanted)
        return [self.known[each] for each in wanted]

    def judge(self, judge: Judge, budgets: Budgets) -> None:
        """Measure by labels the files that no other one beats, and those of them that fit."""
        wanted = {f"score {judge.name} of {point.candidate.name}": point for point in finalists(self.points, budgets)}
        jobs = {name: Job(score, (point.candidate, judge)) for name, point in wanted.items()}
        found = self.crew.results("score files", jobs)
        self.scores.update((point.candidate, Score(**found[name])) for name, point in wanted.items())

    def refine(self, room: Room, budgets: Budgets, most: int) -> None:
        """Make neighbours of the best file that fits, and of the better one among them, until none is better.

        Args:
            room: Whose neighbours there are.
            budgets: What fits.
            most: How many are made at most.
        """
        while most > 0:
            start = best(self.points, budgets)
            if start is None or not start.candidate.types:
                return
            fresh = (each for each in room.near(start.candidate) if each not in self.known)
            taken = list(islice(fresh, min(ROUND, most)))
            self.costs(taken)
            most -= len(taken)
            if not taken or best(self.points, budgets) == start:
                return
