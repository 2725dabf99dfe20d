"""What was lost on the way from a model to a file: model against float graph, float graph against file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from octavo.evaluate.accuracy import OutputAccuracy, compare_outputs
from octavo.evaluate.predict import predict
from octavo.ir.notes import Note
from octavo.ir.types import Graph
from octavo.write.tflite import write_tflite

Values = Mapping[str, np.ndarray]

# Below, the error has more than a tenth of the outputs' power.
POOR_SQNR_DB = 10.0
# Float kernels agree to 100 dB and more, those that compute in half precision to more than this.
LOADED_SQNR_DB = 40.0


@dataclass(frozen=True, slots=True)
class Fidelity:
    """How far a file is from the model it was made of, found by the samples it was verified with.

    Attributes:
        samples: How many; 0 where nothing could be compared.
        loading: For each output, how far the float graph is from the model it was read from; empty where that cannot
            run, and for other sources than Keras.
        rounding: For each output, how far the file is from the float graph.
        notes: What of that a user should know.
    """

    samples: int = 0
    loading: tuple[OutputAccuracy, ...] = ()
    rounding: tuple[OutputAccuracy, ...] = ()
    notes: tuple[Note, ...] = ()

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        loading, rounding = ([output.to_dict() for output in part] for part in (self.loading, self.rounding))
        return {"samples": self.samples, "loading": loading, "rounding": rounding}


def fidelity(
    model: bytes,
    graph: Graph,
    samples: Sequence[Values],
    compute: Callable[[Values], Values] | None = None,
    helps: str = "quantization-aware training",
) -> Fidelity:
    """Compare a model, its float graph and its file on the same samples.

    Args:
        model: The file.
        graph: The float graph.
        samples: Real inputs by name, batch 1 each.
        compute: What the model itself makes of a sample, by the graph's output names.
        helps: What to try where much is lost.

    Returns:
        An empty one where an output of the float graph has no batch dimension, or is not finite.

    Raises:
        NonFiniteError: if the file's outputs alone are not finite, as those of a float16 file may be.
    """
    if any(graph.tensors[name].shape[:1] != (1,) for name in graph.outputs):
        return Fidelity()
    x = {name: np.concatenate([sample[name] for sample in samples]) for name in graph.inputs}
    floats = predict(write_tflite(graph), x)
    if not all(np.isfinite(values).all() for values in floats.values()):
        return Fidelity()
    loading, notes = ((), ()) if compute is None else _loading(floats, graph, samples, compute)
    rounding = compare_outputs(predict(model, x), floats)
    poor = (
        Note(
            "verify",
            output.name,
            f"differs much from the float model's output, SQNR {output.sqnr_db:.1f} dB on {len(samples)} samples: "
            f"evaluate it on test data, and try {helps}",
        )
        for output in _below(POOR_SQNR_DB, rounding)
    )
    return Fidelity(len(samples), loading, rounding, (*notes, *poor))


def _loading(
    floats: Values, graph: Graph, samples: Sequence[Values], compute: Callable[[Values], Values]
) -> tuple[tuple[OutputAccuracy, ...], tuple[Note, ...]]:
    """How far the float graph is from the model it was read from, and remarks."""
    try:
        results = [compute(sample) for sample in samples]
    except Exception as error:  # whatever a backend raises; the file needs no backend
        reason = str(error).strip().partition("\n")[0]
        return (), (Note("load", graph.name, f"cannot be run by Keras, to compare with: {reason}"),)
    wanted = {name: np.concatenate([result[name] for result in results]) for name in floats}
    loading = compare_outputs(floats, wanted)
    return loading, tuple(
        Note(
            "load", output.name, f"is computed otherwise by Keras here, SQNR {output.sqnr_db:.1f} dB: please report it"
        )
        for output in _below(LOADED_SQNR_DB, loading)
    )


def _below(limit: float, outputs: Sequence[OutputAccuracy]) -> list[OutputAccuracy]:
    return [output for output in outputs if output.sqnr_db is not None and output.sqnr_db < limit]
