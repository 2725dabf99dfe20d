"""What came of running a written file: values for the report, nothing that runs."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Literal


@dataclass(frozen=True, slots=True)
class Difference:
    """How a tensor of one runtime differs from what it should be.

    Attributes:
        op: The operator that made it.
        layer: The user's layer it came from; the tensor's own name where it came from none.
        tensor: Its name.
        differing, elements: How many elements of how many, over all inputs run.
        largest: The largest difference: in steps of the integer type, or real units for a float tensor; infinite for
            NaN.
        allowed: The largest that is expected of this runtime, same unit.
        unit: "steps" or "real".
    """

    op: str
    layer: str
    tensor: str
    differing: int
    elements: int
    largest: float
    allowed: float
    unit: Literal["steps", "real"]

    @property
    def excessive(self) -> bool:
        """Whether the difference is more than allowed."""
        return self.largest > self.allowed

    def __add__(self, other: Difference) -> Difference:
        """The same tensor over the inputs of both."""
        worst = max(self, other, key=lambda each: (each.excessive, each.largest))
        return replace(worst, differing=self.differing + other.differing, elements=self.elements + other.elements)


@dataclass(frozen=True, slots=True)
class RuntimeCheck:
    """What one runtime made of the file.

    Attributes:
        runtime: "TensorFlow Lite Micro", "LiteRT reference" or "LiteRT default".
        inputs: How many inputs ran, 0 if none could.
        operators: How many operators were judged.
        differing, elements: How many elements of how many, over all operators and inputs, differ at all.
        differences: Results that differ, in execution order, each judged on the runtime's own inputs to the operator.
        outputs: How the outputs differ from those of the reference run from end to end. Rounding differences grow on
            the way, so that this says what to expect and forbids nothing.
        fusing: How the outputs change when the runtime may fuse operators, as it does for applications; empty if they
            do not, and then what was judged is what applications get.
        unseen: Tensors the runtime folded away, which count in their readers, and those there is no truth for.
        reason: Why the runtime did not run the file, else "".
        required: Whether a file that this runtime does not run is a failure.
        culprit: The result of the operator that ends its process, where one was found.
    """

    runtime: str
    inputs: int = 0
    operators: int = 0
    differing: int = 0
    elements: int = 0
    differences: tuple[Difference, ...] = ()
    outputs: tuple[Difference, ...] = ()
    fusing: tuple[Difference, ...] = ()
    unseen: tuple[str, ...] = ()
    reason: str = ""
    required: bool = False
    culprit: str = ""

    @property
    def exact(self) -> bool:
        """Whether it ran and equals the reference in every element of every operator, and so from end to end."""
        return self.inputs > 0 and not self.differences and not self.fusing

    @property
    def ok(self) -> bool:
        """Whether it computes what it should, where it runs, and runs where it must."""
        return (self.inputs > 0 or not self.required) and not any(each.excessive for each in self.differences)

    @property
    def largest_steps(self) -> int:
        """The largest difference of an integer result."""
        return int(max((each.largest for each in self.differences if each.unit == "steps"), default=0))

    def summary(self) -> str:
        """One sentence."""
        if not self.inputs:
            return f"{self.runtime}: {'not run' if self.ok else 'WRONG'}: {self.reason}"
        scope = f"{_count(self.operators, 'operator')} on {_count(self.inputs, 'input')}"
        if self.exact:
            return f"{self.runtime}: equal to the reference, {scope}."
        share = f"{self.differing} of {self.elements} values differ ({_percent(self.differing, self.elements)})"
        worst = next((each for each in self.differences if each.excessive), None)
        if worst is not None:
            found = f"{worst.op} of '{worst.layer}' is off by up to {worst.largest:.3g} {worst.unit}"
            return f"{self.runtime}: WRONG: {found}, {worst.allowed:.3g} is allowed; {scope}, {share}."
        first = f", first in '{self.differences[0].layer}'" if self.differences else ""
        apart = ", ".join(f"'{each.tensor}' {each.largest:.3g} {each.unit}" for each in self.outputs)
        end = f"outputs differ by up to {apart}" if apart else "the outputs are equal"
        return f"{self.runtime}: within rounding, {scope}: {share}{first}; {end}."


@dataclass(frozen=True, slots=True)
class Verification:
    """What was run to prove a written file.

    Attributes:
        inputs: How many inputs each runtime was given.
        runtimes: What came of each.
    """

    inputs: int
    runtimes: tuple[RuntimeCheck, ...]

    @property
    def ok(self) -> bool:
        """Whether every runtime that runs the file computes what it should, and LiteRT's default kernels do run it."""
        return all(check.ok for check in self.runtimes)

    @property
    def notes(self) -> tuple[str, ...]:
        """One sentence a runtime."""
        return tuple(check.summary() for check in self.runtimes)

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON; None stands for an infinite difference."""
        checks = [
            {**asdict(check, dict_factory=_finite), "ok": check.ok, "exact": check.exact, "summary": check.summary()}
            for check in self.runtimes
        ]
        return {"ok": self.ok, "inputs": self.inputs, "runtimes": checks}


def _finite(items: Iterable[tuple[str, object]]) -> dict[str, object]:
    return {key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in items}


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.2g} %" if whole else "0 %"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
