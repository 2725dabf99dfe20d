"""Whether a float model answers its test set better where the samples are brought to another usual scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from octavo.evaluate.accuracy import Marks, OutputAccuracy, measure
from octavo.evaluate.held_out import guess_notes
from octavo.evaluate.predict import Samples, fitting, rows_in
from octavo.evaluate.tasks import labels_by_output
from octavo.run.targets import DEFAULT


@dataclass(frozen=True, slots=True)
class Usual:
    """A range that samples are usually prepared to.

    Attributes:
        low, high: The range.
        name: In words.
    """

    low: float
    high: float
    name: str

    def holds(self, values: np.ndarray) -> bool:
        """Whether values lie in the range, and use a third of it."""
        low, high = float(values.min()), float(values.max())
        slack = (self.high - self.low) / 100
        return self.low - slack <= low and high <= self.high + slack and high - low > (self.high - self.low) / 3

    def brought_to(self, other: Usual, values: np.ndarray) -> np.ndarray:
        """Values of this range in another."""
        factor = (other.high - other.low) / (self.high - self.low)
        return ((values - np.float32(self.low)) * np.float32(factor) + np.float32(other.low)).astype(np.float32)


# Images, and sound of 16 bits; a range stands before those that hold it.
USUAL = (Usual(0, 1, "0..1"), Usual(-1, 1, "-1..1"), Usual(0, 255, "0..255"), Usual(-32768, 32767, "-32768..32767"))
# Another scale must halve what is missing, and by more than so many of its standard errors.
SURE = 4.0


def other_scale_notes(model: bytes, x: Samples, y: Any, metric: Any, most: int) -> tuple[str, ...]:
    """A sentence if a float model is much better at the test set in another scale than the one it is given in.

    Args:
        model: The content of a float .tflite file.
        x: Real samples.
        y: Labels, as for `measure`.
        metric: Likewise.
        most: Samples that are looked at.

    Raises:
        DatasetError, ConfigError, NonFiniteError, RuntimeEndedError: as `measure`.
    """
    with DEFAULT.open(model) as runtime:
        samples, count = fitting(x, runtime.inputs), rows_in(x, runtime.inputs)
        labels = labels_by_output(y, [port.name for port in runtime.outputs])
        if not labels or any(len(each) != count for each in (*labels.values(), *samples.values())):
            return ()
        chosen = np.unique(np.linspace(0, count - 1, most).astype(np.int64))
        few = {name: array[chosen] for name, array in samples.items()}
        judged = {name: each[chosen] for name, each in labels.items()}
        name = next((n for n, each in few.items() if each.dtype.kind == "f"), None)
        own = None if name is None else next((usual for usual in USUAL if usual.holds(few[name])), None)
        if name is None or own is None or any((each == each[:1]).all() for each in judged.values()):
            return ()  # one answer to everything would be right in any scale
        given = _marks(measure(runtime, few, judged, metric=metric))
        for other in USUAL:
            if given is None or other is own:
                continue
            brought = {**few, name: own.brought_to(other, few[name])}
            measured = measure(runtime, brought, judged, metric=metric)
            found, guesses = _marks(measured), guess_notes(runtime.outputs, measured, judged)
            if found is not None and _is_far_better(found, given) and not guesses:
                before, after = (given.metric.text(each.value) for each in (given, found))
                better = f"{given.metric.name} of the float model {before}, and {after} once they are {other.name}"
                return (f"input '{name}': samples in {own.name}, {better}. Prepare them as for training.",)
    return ()


def _marks(measured: Sequence[OutputAccuracy]) -> Marks | None:
    """What each sample contributes to the first labelled output's metric; None where it is not one of each sample."""
    marks = next((each.marks for each in measured if each.marks is not None), None)
    return None if marks is None or marks.each is None else marks


def _is_far_better(found: Marks, given: Marks) -> bool:
    """Whether marks of the same samples leave half as much to be wished for, beyond chance."""
    assert found.each is not None
    assert given.each is not None
    higher = given.metric.higher_is_better
    missing, left = (1 - each.each if higher else each.each for each in (given, found) if each.each is not None)
    gained = missing - left
    error = float(gained.std()) / np.sqrt(max(1, len(gained) - 1))
    return bool(left.mean() < missing.mean() / 2 and gained.mean() > SURE * error)
