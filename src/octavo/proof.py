"""A written file is handed over only if every runtime that runs it computes what it should, and with what it lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from octavo.config import QuantizeConfig
from octavo.errors import VerificationError
from octavo.evaluate.accuracy import OutputAccuracy, measure
from octavo.evaluate.predict import predict
from octavo.evaluate.verification import Verification
from octavo.evaluate.verify import SAMPLE_INPUTS, verify
from octavo.ir.notes import Note
from octavo.ir.types import Graph
from octavo.run.litert import LiteRT
from octavo.write.tflite import write_tflite

Values = Mapping[str, np.ndarray]

# Below, the error has more than a tenth of the outputs' power.
POOR_SQNR_DB = 10.0


def proven(model: bytes, graph: Graph, samples: Sequence[Values], config: QuantizeConfig) -> Verification:
    """The verification of a written file.

    Raises:
        VerificationError: if a runtime does not compute what the reference computes.
    """
    verification = verify(model, graph, samples, "full" if config.verify == "full" else "sample")
    if not verification.ok:
        wrong = next(check for check in verification.runtimes if not check.ok)
        raise VerificationError(
            "the written file does not compute what it should; it is not handed over.",
            got=wrong.summary(),
            expected="each operator within what the op table allows of this runtime",
            fix="report this with the model's layers, or keep the named layer in float with skip=[...]",
        )
    return verification


def against_float(model: bytes, graph: Graph, samples: Sequence[Values]) -> tuple[OutputAccuracy, ...]:
    """How far a written file is from the float graph it was made of, one entry an output.

    Args:
        model: The file.
        graph: The float graph.
        samples: Real inputs by name, batch 1 each.

    Returns:
        Nothing where the float graph's own outputs are not finite.

    Raises:
        NonFiniteError: if the file's outputs alone are not, as those of a float16 file may be.
    """
    x = {name: np.concatenate([sample[name] for sample in samples]) for name in graph.inputs}
    wanted = predict(write_tflite(graph), x)
    finite = all(np.isfinite(values).all() for values in wanted.values())
    return measure(LiteRT(model), x, floats=wanted) if finite else ()


def losses(fidelity: Sequence[OutputAccuracy], samples: int) -> tuple[Note, ...]:
    """A remark on each output that is far from the float model's."""
    return tuple(
        Note(
            "verify",
            output.name,
            f"differs much from the float model's output, SQNR {output.sqnr_db:.1f} dB on {samples} samples: evaluate "
            "it on test data, and try quantization-aware training, int16x8, or skip=[...] for layers that lose much",
        )
        for output in fidelity
        if output.sqnr_db is not None and output.sqnr_db < POOR_SQNR_DB
    )


def verified_samples(config: QuantizeConfig) -> int | None:
    """How many samples verification wants; None stands for all, too many to hold unless asked for."""
    return {"off": 0, "sample": SAMPLE_INPUTS, "full": None}[config.verify]


def random_samples(graph: Graph, seed: int) -> tuple[dict[str, np.ndarray], ...]:
    """Inputs uniform in [0, 1), for a model verified without data."""
    rng = np.random.default_rng(seed)
    inputs = [graph.tensors[name] for name in graph.inputs]
    return tuple(
        {tensor.name: rng.random(tensor.shape).astype(tensor.dtype.numpy) for tensor in inputs}
        for _ in range(SAMPLE_INPUTS)
    )
