"""A written file is handed over only if every runtime that runs it computes what it should."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from octavo.config import QuantizeConfig
from octavo.errors import VerificationError
from octavo.evaluate.verification import Verification
from octavo.evaluate.verify import SAMPLE_INPUTS, verify
from octavo.ir.types import Graph

Values = Mapping[str, np.ndarray]


def proven(model: bytes, graph: Graph, samples: Sequence[Values], config: QuantizeConfig) -> Verification:
    """The verification of a written file.

    Raises:
        VerificationError: if a runtime does not compute what the reference computes.
    """
    verification = verify(model, graph, samples, "full" if config.verify == "full" else "sample")
    check_proven(verification)
    return verification


def check_proven(verification: Verification | None) -> None:
    """Refuse a file that was verified, and that a runtime does not run rightly.

    Raises:
        VerificationError: naming the first of these runtimes.
    """
    if verification is not None and not verification.ok:
        wrong = next(check for check in verification.runtimes if not check.ok)
        raise VerificationError(
            "the written file does not compute what it should; it is not handed over.",
            got=wrong.summary(),
            expected="each operator within what the op table allows of this runtime",
            fix="report this with the model's layers, or keep the named layer in float with skip=[...]",
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
