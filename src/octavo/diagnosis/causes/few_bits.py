"""Four bits are too few for the weights of a layer."""

from __future__ import annotations

from collections.abc import Iterator

from octavo.condition import GPTQ
from octavo.diagnosis.causes.cause import Case, Cause, Suspicion, by_methods, of_layers


def look(case: Case) -> Iterator[Suspicion]:
    """Layers with weights of less than eight bits that matter."""
    for place, error in case.weights():
        if place.dtype.bits < 8 and case.matters(error.weights_effect):
            yield Suspicion(
                error.layer,
                f"{place.dtype.value} weights leave its results {error.weights_db or 0:.3g} dB",
                {"bits": float(place.dtype.bits), "weights_db": error.weights_db or 0.0},
                error.weights_effect,
                (
                    *by_methods(case.trial, "weights rounded so that their errors cancel", GPTQ()),
                    of_layers([error.layer], "8-bit weights of", weights="int8"),
                ),
            )


CAUSE = Cause("few_bits", "weights of too few bits", look)
