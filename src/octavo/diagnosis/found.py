"""What diagnosis found, as values, as tables and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from octavo.comparison.paired import Gain
from octavo.diagnosis.layer_errors import LayerError
from octavo.diagnosis.trial import Outcome
from octavo.report.tables import UNKNOWN, TextTable, listed, number, percent
from octavo.result import QuantizedModel

# A file loses nothing worth a name while less than this share of its outputs' signal is noise.
LOSSY = 0.02


@dataclass(frozen=True, slots=True)
class TriedMend:
    """A change to how the network is quantized, made and measured.

    Attributes:
        text: What was changed.
        code: The same, written for `octavo.quantize`.
        before, after: Share of the outputs' signal that is noise, without and with it.
        regained: Share of the noise that is gone, at most 1; below 0 where there is more of it. Of noise beyond the
            signal, too; see `Outcome.noise`.
        gain: By how much the metric got better; None without labels.
        file_bytes: Size of the file it makes.
        failure: Why it could not be tried; "" where it could.
    """

    text: str
    code: str
    before: float
    after: float
    regained: float = 0.0
    gain: Gain | None = None
    file_bytes: int = 0
    failure: str = ""

    @property
    def told(self) -> str:
        """One sentence."""
        if self.failure:
            return f"{self.text}: could not be tried ({self.failure})"
        metric = f", {self.gain.text}" if self.gain is not None else ""
        return f"{self.text}: noise {percent(self.before)} to {percent(self.after)} of the outputs' signal{metric}"

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        gain = None if self.gain is None else {"value": self.gain.value, "low": self.gain.low, "high": self.gain.high}
        return {
            "text": self.text,
            "code": self.code,
            "noise_before": self.before,
            "noise_after": self.after,
            "regained": self.regained,
            "gain": gain,
            "file_bytes": self.file_bytes,
            "failure": self.failure,
            "told": self.told,
        }


@dataclass(frozen=True, slots=True)
class Finding:
    """A cause with its evidence and the mend that was tried.

    Attributes:
        cause: Its name, see `octavo.diagnosis.causes`.
        title: What it is, for people.
        layer: The layer to blame.
        evidence: One sentence.
        figures: The numbers in it.
        effect: Share of the outputs' signal that is noise by this alone.
        mend: The best of those tried.
        samples: Of the calibration data, by index, where some are to blame.
        also: Other layers with the same cause, which the same mend helps.
    """

    cause: str
    title: str
    layer: str
    evidence: str
    figures: Mapping[str, float]
    effect: float
    mend: TriedMend
    samples: tuple[int, ...] = ()
    also: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return {
            "cause": self.cause,
            "title": self.title,
            "layer": self.layer,
            "evidence": self.evidence,
            "figures": dict(self.figures),
            "effect": self.effect,
            "mend": self.mend.to_dict(),
            "samples": list(self.samples),
            "also": list(self.also),
        }


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Which layers lose, why, and what helps.

    Attributes:
        name: The model's name.
        scheme: What was diagnosed: a scheme, or the file's name.
        samples: How many the file was judged by.
        outcome: What the file is worth.
        float_metric: The float network's metric; None without labels.
        metric: Name of the metric; "" without labels.
        layers: What each layer loses, in execution order.
        findings: Causes whose mend helped, the most helpful first; none where nothing is lost that matters.
        ruled_out: Causes that were suspected and whose mend did not help.
        unmatched: Layers of the float model that nothing in the file was found for.
        applied: Mends that help together, as they are written for `octavo.quantize`.
        remaining: Share of the outputs' signal that is noise with these.
        mended: The file made with them; None unless it was asked for.
        remarks: Sentences on what was seen besides.
    """

    name: str
    scheme: str
    samples: int
    outcome: Outcome
    float_metric: float | None
    metric: str
    layers: tuple[LayerError, ...]
    findings: tuple[Finding, ...]
    ruled_out: tuple[Finding, ...] = ()
    unmatched: tuple[str, ...] = ()
    applied: tuple[str, ...] = ()
    remaining: float | None = None
    mended: QuantizedModel | None = field(default=None, repr=False)
    remarks: tuple[str, ...] = ()

    @property
    def ranked(self) -> tuple[LayerError, ...]:
        """Layers by falling effect on the outputs."""
        return tuple(sorted(self.layers, key=lambda each: -each.effect))

    @property
    def healthy(self) -> bool:
        """Whether nothing is lost that matters."""
        return not self.findings and self.outcome.loss < LOSSY

    @property
    def verdict(self) -> tuple[str, ...]:
        """A few sentences: what is lost, why, and what helps."""
        lines = [self._loss]
        if self.findings:
            lines += [f"{number + 1}. {each}" for number, each in enumerate(map(_sentence, self.findings))]
            if self.applied and self.remaining is not None:
                lines.append(
                    f"With {' and '.join(self.applied)}, noise is {percent(self.remaining)} of the outputs' signal."
                )
        elif self.healthy:
            lines.append("Nothing is wrong that diagnosis knows of.")
        if self._unexplained:
            lines.append(self._unexplained)
        return (*lines, *self.remarks)

    @property
    def _loss(self) -> str:
        loss = f"'{self.name}' as {self.scheme}: noise is {percent(self.outcome.loss)} of the outputs' signal on "
        loss += f"{self.samples} samples"
        if self.outcome.marks is not None and self.float_metric is not None:
            metric = self.outcome.marks.metric
            loss += f"; {self.metric} {metric.text(self.outcome.marks.value)}, of the float model "
            loss += metric.text(self.float_metric)
        return f"{loss}."

    @property
    def _unexplained(self) -> str:
        left = self.outcome.loss if self.remaining is None else self.remaining
        if left < LOSSY or (self.findings and left < self.outcome.loss / 5):
            return ""
        worst = ", ".join(f"'{each.layer}'" for each in self.ranked[:3])
        return (
            f"Noise of {percent(left)} of the outputs' signal is explained by no cause that diagnosis knows; most "
            f"comes of {worst}."
        )

    @property
    def tables(self) -> tuple[TextTable, ...]:
        """The layers by falling effect, and what else was tried."""
        rows = tuple(
            (
                each.layer,
                percent(each.weights_effect),
                percent(each.activations_effect),
                *(number(value, 1) for value in (each.weights_db, each.activations_db)),
                *(number(value, 1) for value in (each.inherited_db, each.total_db)),
                percent(each.clipped),
                percent(each.used),
                UNKNOWN if each.metric is None else f"{each.metric:.4g}",
            )
            for each in self.ranked
        )
        header = (
            "layer", "effect of weights", "of activations", "weights dB", "activations dB", "inherited dB", "total dB",
            "cut", "range used", self.metric or "metric",
        )  # fmt: skip
        note = (
            "effect: share of the outputs' signal that is noise where this alone is rounded; dB: SQNR of the layer's "
            "results with its own rounded weights, its own rounded results, what it is given, and all of it. Layers "
            "are looked at on some of the samples, half of them those that lose most."
        )
        layers = TextTable("What each layer loses", header, rows, frozenset(range(1, len(header))), note)
        vain = tuple((each.layer, each.title, each.evidence, each.mend.told) for each in self.ruled_out)
        ruled = TextTable("What else was tried", ("layer", "cause", "evidence", "tried"), vain)
        return tuple(table for table in (layers, ruled) if table.rows)

    def __str__(self) -> str:
        return "\n".join(self.verdict)

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return {
            "model": self.name,
            "scheme": self.scheme,
            "samples": self.samples,
            "healthy": self.healthy,
            "outcome": self.outcome.to_dict(),
            "float_metric": self.float_metric,
            "metric": self.metric,
            "findings": [each.to_dict() for each in self.findings],
            "ruled_out": [each.to_dict() for each in self.ruled_out],
            "layers": [each.to_dict() for each in self.layers],
            "unmatched": list(self.unmatched),
            "applied": list(self.applied),
            "remaining": self.remaining,
            "verdict": list(self.verdict),
        }


def _sentence(finding: Finding) -> str:
    where = f"'{finding.layer}': " if finding.layer else ""
    also = f" (so at {listed(finding.also)})" if finding.also else ""
    return f"{where}{finding.title}: {finding.evidence}{also}. Tried: {finding.mend.told}."
