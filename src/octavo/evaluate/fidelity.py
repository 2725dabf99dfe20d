"""What was lost on the way from a model to a file: model against float graph, float graph against file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from octavo.evaluate.accuracy import OutputAccuracy, compare_outputs
from octavo.evaluate.predict import predict
from octavo.evaluate.tasks import SUM_SLACK
from octavo.ir.graph import producers
from octavo.ir.notes import Note
from octavo.ir.samples import stacked
from octavo.ir.types import Graph
from octavo.ops.table import spec_of
from octavo.write.tflite import write_tflite

Values = Mapping[str, np.ndarray]

# Half a step of the int8 that stands for shares of one: what rounding moves each, and of the sum, what is no rounding.
HALF_STEP, MOST_LOST = 1 / 512, 0.1

# Below, the error has more than a tenth of the outputs' power.
POOR_SQNR_DB = 10.0
# Float kernels agree to 100 dB and more, those that compute in half precision to more than this.
LOADED_SQNR_DB = 40.0
CHANGED_PLACES = "values that lie close together change places, so evaluate it on test data, by the metric of its task"


@dataclass(frozen=True, slots=True, repr=False)
class Fidelity:
    """How far a file is from the model it was made of, found by the samples it was verified with.

    Attributes:
        samples: How many; 0 where nothing could be compared.
        loading: For each output, how far the float graph is from the model it was read from; empty where that cannot
            run, and for other sources than Keras.
        rounding: For each output, how far the file is from the float graph.
        notes: What of that a user should know.
        random: Whether the samples were drawn at random, so that the error on real ones is another.
    """

    samples: int = 0
    loading: tuple[OutputAccuracy, ...] = ()
    rounding: tuple[OutputAccuracy, ...] = ()
    notes: tuple[Note, ...] = ()
    random: bool = False

    @property
    def sentences(self) -> tuple[str, ...]:
        """One an output and comparison."""
        pairs = (
            ("The float graph against Keras", self.loading),
            ("The file against the float graph", self.rounding),
        )
        samples = f"{self.samples} {'random ' if self.random else ''}samples"
        return tuple(
            f"{pair} on {samples}: output '{output.name}' {_lost(output)}."
            for pair, outputs in pairs
            for output in outputs
        )

    def __str__(self) -> str:
        return "\n".join((*self.sentences, *(f"{note.subject}: {note.text}" for note in self.notes))) or (
            "Nothing could be compared."
        )

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """For notebooks."""
        return "".join(f"<p>{escape(line)}</p>" for line in str(self).splitlines())

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        loading, rounding = ([output.to_dict() for output in part] for part in (self.loading, self.rounding))
        return {"samples": self.samples, "random": self.random, "loading": loading, "rounding": rounding}


def fidelity(
    model: bytes,
    graph: Graph,
    samples: Sequence[Values],
    compute: Callable[[Values], Values] | None = None,
    *,
    random: bool = False,
    helps: str = "quantization-aware training",
) -> Fidelity:
    """Compare a model, its float graph and its file on the same samples.

    Args:
        model: The file.
        graph: The float graph.
        samples: Real inputs by name, batch 1 each.
        compute: What the model itself makes of a sample, by the graph's output names.
        random: Whether the samples are no real ones; how far rounding carries them is then no reason for a note.
        helps: What to try where much is lost.

    Returns:
        An empty one where an output of the float graph is not finite.

    Raises:
        NonFiniteError: if the file's outputs alone are not finite, as those of a float16 file may be.
    """
    x = stacked(samples, graph.inputs)
    floats = predict(write_tflite(graph), x)
    if not all(np.isfinite(values).all() for values in floats.values()):
        return Fidelity()
    loading, notes = ((), ()) if compute is None else _loading(floats, graph, samples, compute)
    outputs = predict(model, x)
    rounding = compare_outputs(outputs, floats)
    poor = (
        Note(
            "verify",
            output.name,
            f"differs much from the float model's output, SQNR {output.sqnr_db:.1f} dB on {len(samples)} samples: "
            + (CHANGED_PLACES if _ranks(graph, output.name) else f"evaluate it on test data, and try {helps}"),
        )
        for output in _below(POOR_SQNR_DB, () if random else rounding)
    )
    return Fidelity(
        len(samples), loading, rounding, (*notes, *poor, *(() if random else _sums(outputs, floats))), random
    )


def _ranks(graph: Graph, output: str) -> bool:
    """Whether an output says which values are the largest."""
    maker = producers(graph).get(output)
    return maker is not None and spec_of(maker.op).ranks


def _sums(outputs: Values, floats: Values) -> Iterator[Note]:
    """A note for each output that no longer sums to one, as the float model's does along its last axis."""
    for name, values in floats.items():
        classes = values.shape[-1]
        if classes < 2 or not values.size or values.min() < 0 or np.abs(values.sum(-1) - 1).max() > SUM_SLACK:
            continue
        sums = outputs[name].sum(-1)
        if np.abs(sums - 1).max() > min(classes * HALF_STEP, MOST_LOST):
            text = (
                f"sums to {sums.min():.2f} to {sums.max():.2f} where the float model's sums to one: values below a step"
            )
            mend = "give the logits out, or keep the layer that makes it in float by skip=[...], or on int16"
            yield Note("verify", name, f"{text} are rounded to 0; {mend}")


def _loading(
    floats: Values, graph: Graph, samples: Sequence[Values], compute: Callable[[Values], Values]
) -> tuple[tuple[OutputAccuracy, ...], tuple[Note, ...]]:
    """How far the float graph is from the model it was read from, and remarks."""
    try:
        results = [compute(sample) for sample in samples]
    except Exception as error:  # whatever a backend raises; the file needs no backend
        reason = str(error).strip().partition("\n")[0]
        return (), (Note("load", graph.name, f"cannot be run by Keras, to compare with: {reason}"),)
    wanted = {name: np.concatenate([np.atleast_1d(result[name]) for result in results]) for name in floats}
    if any(wanted[name].size != values.size for name, values in floats.items()):
        return (), (Note("load", graph.name, "cannot be compared with Keras, whose results have other shapes here"),)
    # Keras squeezes a batch of one away with all other axes of length 1.
    loading = compare_outputs(floats, {name: wanted[name].reshape(values.shape) for name, values in floats.items()})
    return loading, tuple(
        Note(
            "load", output.name, f"is computed otherwise by Keras here, SQNR {output.sqnr_db:.1f} dB: please report it"
        )
        for output in _below(LOADED_SQNR_DB, loading)
    )


def _lost(output: OutputAccuracy) -> str:
    if output.sqnr_db is None:
        return "is equal"
    return f"has SQNR {output.sqnr_db:.1f} dB, largest error {output.max_error:.3g}"


def _below(limit: float, outputs: Sequence[OutputAccuracy]) -> list[OutputAccuracy]:
    return [output for output in outputs if output.sqnr_db is not None and output.sqnr_db < limit]
