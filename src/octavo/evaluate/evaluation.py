"""Everything measured of one model file, in one object."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from octavo.arguments import YES_OR_NO, check_kinds
from octavo.evaluate.accuracy import OutputAccuracy, measure
from octavo.evaluate.held_out import guess_notes, range_notes
from octavo.evaluate.latency import Latency, latency
from octavo.evaluate.memory import Memory, memory
from octavo.evaluate.predict import Samples, fitting, rows_in
from octavo.notebook import data_frame, pairs_as_html
from octavo.run.targets import DEFAULT


@dataclass(frozen=True, slots=True, repr=False)
class Evaluation:
    """What a model costs and what it is worth. What was not measured is None.

    Attributes:
        scheme: Name of the scheme the model was quantized by, "" if unknown.
        runtime: What ran it; other kernels answer differently within rounding.
        samples: How many samples ran.
        outputs: Accuracy of each output, in the model's order.
        memory: File and arena.
        latency: On this machine.
        notes: Remarks: what could not be measured and why, and what gives reason to doubt the samples.
        guesses: Those of the notes that say of an output that it is hardly better than one answer to everything.
    """

    scheme: str
    runtime: str
    samples: int
    outputs: tuple[OutputAccuracy, ...]
    memory: Memory
    latency: Latency | None
    notes: tuple[str, ...] = ()
    guesses: tuple[str, ...] = ()

    @property
    def accuracy(self) -> float | None:
        """Share of right answers of the first output, or None where its labels are no classes."""
        return self.outputs[0].top1

    @property
    def metric(self) -> str:
        """Name of the first output's metric, "" without labels."""
        return self.outputs[0].metric

    @property
    def value(self) -> float | None:
        """The first output's metric."""
        return self.outputs[0].value

    @property
    def top1(self) -> float | None:
        """Of the first output; see `OutputAccuracy`."""
        return self.outputs[0].top1

    @property
    def top5(self) -> float | None:
        """Of the first output."""
        return self.outputs[0].top5

    @property
    def agreement(self) -> float | None:
        """Of the first output."""
        return self.outputs[0].agreement

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return {
            "scheme": self.scheme,
            "runtime": self.runtime,
            "samples": self.samples,
            "outputs": [output.to_dict() for output in self.outputs],
            "memory": asdict(self.memory),
            "latency": None if self.latency is None else asdict(self.latency),
            "notes": self.notes,
        }

    def numbers(self) -> dict[str, float | None]:
        """What was measured of the first output, and what it costs, by name with unit."""
        output, latency = self.outputs[0], self.latency
        return {
            **({output.metric: output.value} if output.metric else {}),
            "same_answer_as_float": output.agreement,
            "sqnr_db": output.sqnr_db,
            "file_bytes": self.memory.file_bytes,
            "arena_bytes": self.memory.arena_bytes,
            "one_thread_ms": None if latency is None else latency.one_thread_ms,
        }

    def rows(self) -> tuple[tuple[str, str], ...]:
        """What was measured, as (name, value with unit)."""
        rows = [("scheme", self.scheme), ("runtime", self.runtime), ("samples", f"{self.samples:,}")]
        for output in self.outputs:
            label = f" of {output.name}" if len(self.outputs) > 1 else ""
            rows += [(output.metric + label, output.text)] if output.metric else []
            shares = {"top-5": output.top5, "same answer as float": output.agreement}
            rows += [(name + label, f"{share:.2%}") for name, share in shares.items() if share is not None]
            errors = {"largest error": output.max_error, "RMS error": output.rms_error}
            rows += [(name + label, f"{error:.4g}") for name, error in errors.items() if error is not None]
            rows += [(f"SQNR{label}", f"{output.sqnr_db:.1f} dB")] if output.sqnr_db is not None else []
        arena = self.memory.arena_bytes
        rows.append(("file", f"{self.memory.file_bytes:,} bytes"))
        rows.append(("arena", f"{arena:,} bytes" if arena is not None else f"unknown: {self.memory.arena_reason}"))
        if self.latency is not None:
            rows.append(("latency, 1 thread", f"{self.latency.one_thread_ms:.3f} ms"))
        rows += [("note", note) for note in self.notes if note != self.memory.arena_reason]
        return tuple((name, value) for name, value in rows if value)

    def _repr_html_(self) -> str:
        """For notebooks."""
        return pairs_as_html(f"Evaluation on {self.samples:,} samples", self.rows())

    def to_pandas(self) -> Any:
        """What was measured, by name with unit, as a pandas.DataFrame of one row.

        Raises:
            MissingDependencyError: without pandas.
        """
        return data_frame([{"scheme": self.scheme, "samples": self.samples, **self.numbers()}])

    def __str__(self) -> str:
        width = max(len(name) for name, _ in self.rows())
        return "\n".join(f"{name:<{width}}  {value}" for name, value in self.rows())

    __repr__ = __str__


def evaluate(
    model: bytes,
    x: Samples,
    y: Any = None,
    *,
    metric: Any = None,
    float_outputs: Samples | None = None,
    scheme: str = "",
    time_it: bool = True,
) -> Evaluation:
    """Measure a model file: accuracy in LiteRT on its default kernels, size, arena and latency.

    Args:
        model: The content of a .tflite file.
        x: Real samples, first axis the sample; several inputs by name or in the model's order.
        y: Labels, first axis the sample: class numbers, one-hot rows, zeros and ones, or real values of the output's
            shape; for the first output, a list in the order of outputs, or by output name; None for none.
        metric: A name, Keras metric or function of (labels, outputs); for all outputs with labels or by output name.
            None takes accuracy for classes and the mean absolute error for real values.
        float_outputs: The float model's outputs on the same samples.
        scheme: Name of the scheme, kept for the report.
        time_it: Whether to measure latency, about a second.

    Raises:
        ConfigError: for an unknown metric.
        ModelFileError: if LiteRT refuses the model.
        RuntimeEndedError: if LiteRT ends its process on it.
        DatasetError: if samples, labels and outputs do not fit together.
        NonFiniteError: for NaN or infinity in samples or outputs.
    """
    check_kinds({"time_it": YES_OR_NO}, {"time_it": time_it})
    used = memory(model)
    with DEFAULT.open(model) as runtime:
        samples, count = fitting(x, runtime.inputs), rows_in(x, runtime.inputs)
        outputs = measure(runtime, x, y, float_outputs, metric)
        ranges, guesses = range_notes(runtime.inputs, samples), guess_notes(runtime.outputs, outputs, y)
    return Evaluation(
        scheme=scheme,
        runtime="LiteRT default kernels",
        samples=count,
        outputs=outputs,
        memory=used,
        latency=latency(model) if time_it else None,
        notes=(*filter(None, [used.arena_reason]), *ranges, *guesses),
        guesses=guesses,
    )
