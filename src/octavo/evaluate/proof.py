"""A written file is handed over only if every runtime that runs it computes what it should."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np

from octavo.config import QuantizeConfig
from octavo.errors import VerificationError
from octavo.evaluate.verification import Verification
from octavo.evaluate.verify import SAMPLE_INPUTS, verify
from octavo.ir.types import Graph
from octavo.numerics.affine import Range

Values = Mapping[str, np.ndarray]
NO_RANGES: Mapping[str, Range] = MappingProxyType({})


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


def random_samples(
    graph: Graph, seed: int, ranges: Mapping[str, Range] = NO_RANGES
) -> tuple[dict[str, np.ndarray], ...]:
    """Inputs for a model verified without data, uniform in the range that each is known to have, else in [0, 1).

    Args:
        graph: The float graph.
        seed: Of the choice.
        ranges: Real (low, high) by tensor name.
    """
    rng = np.random.default_rng(seed)
    inputs = [(graph.tensors[name], *ranges.get(name, (0.0, 1.0))) for name in graph.inputs]
    return tuple(
        {
            tensor.name: (low + (high - low) * rng.random(tensor.shape)).astype(tensor.dtype.numpy)
            for tensor, low, high in inputs
        }
        for _ in range(SAMPLE_INPUTS)
    )
