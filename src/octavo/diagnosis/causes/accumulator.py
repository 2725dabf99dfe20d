"""Sums leave the 32 bits they are held in, and wrap around."""

from __future__ import annotations

from collections.abc import Iterator

from octavo.diagnosis.causes.cause import Case, Cause, Suspicion, again, of_layers

# Decibels that the file's result may be below what its parts explain before the kernel is to blame.
APART_DB = 6.0


def look(case: Case) -> Iterator[Suspicion]:
    """Layers whose accumulator can overflow, and whose results are worse than their rounding explains."""
    for error in case.errors.values():
        if error.headroom_bits is None or error.headroom_bits >= 0 or error.total_db is None:
            continue
        known = [each for each in (error.weights_db, error.activations_db, error.inherited_db) if each is not None]
        if known and error.total_db < min(known) - APART_DB:
            yield Suspicion(
                error.layer,
                f"its sums may need {-error.headroom_bits:.2g} bits more than 32, and its results are at "
                f"{error.total_db:.3g} dB where rounding explains {min(known):.3g}",
                {"headroom_bits": error.headroom_bits},
                case.outcome.loss,
                (
                    *(() if case.own else (again(),)),
                    of_layers([error.layer], "float for", activations="float32"),
                ),
            )


CAUSE = Cause("accumulator", "sums that leave 32 bits", look)
