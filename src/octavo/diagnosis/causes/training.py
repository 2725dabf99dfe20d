"""The file of a quantization-aware model does not predict what the trained model predicts."""

from __future__ import annotations

from collections.abc import Iterator

from octavo.diagnosis.causes.cause import Case, Cause, Mend, Suspicion

# Share of answers that may differ by chance.
MISMATCHED = 0.02


def look(case: Case) -> Iterator[Suspicion]:
    """A share of other answers than the trained model's."""
    share = case.parts.get("training_mismatch")
    if isinstance(share, float) and share > MISMATCHED:
        yield Suspicion(
            str(case.parts.get("training_tensor", "")),
            f"{100 * share:.2g} % of the file's answers are not the trained model's",
            {"mismatched": share},
            max(share, case.outcome.loss),
            (
                Mend(
                    "quantize the trained weights after training, by ranges of the calibration data",
                    "octavo.quantize(octavo.qat.strip(model), data=...)",
                    lambda trial: trial,
                ),
            ),
        )


CAUSE = Cause("training", "a trained model and its file that disagree", look)
