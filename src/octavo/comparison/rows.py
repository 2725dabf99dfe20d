"""A row of a comparison: a way of quantizing and what it is worth, or why it could not be made."""

from __future__ import annotations

from dataclasses import dataclass

from octavo.errors import OctavoError
from octavo.evaluate.evaluation import Evaluation
from octavo.report.tables import island_values
from octavo.result import QuantizedModel

FLOAT, PTQ, MORE, QAT, READY = "float", "PTQ", "trained on", "QAT", "ready"
"""Techniques: as it is; quantized after training; the same after as much further float training as QAT got; trained
for quantization; a file or model that the user brought."""


@dataclass(frozen=True, slots=True)
class Row:
    """One way of quantizing, and what it is worth.

    Attributes:
        technique: One of `FLOAT`, `PTQ`, `MORE`, `QAT` and `READY`.
        quantized: The model.
        evaluation: On the test set.
        label: The name of a row that the user brought.
    """

    technique: str
    quantized: QuantizedModel
    evaluation: Evaluation
    label: str = ""

    @property
    def name(self) -> str:
        """Technique and scheme, as tables show them."""
        return self.label or row_name(self.technique, self.quantized.scheme.name)

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return {
            "name": self.name,
            "technique": self.technique,
            "evaluation": self.evaluation.to_dict(),
            "islands": island_values(self.quantized.islands),
        }


@dataclass(frozen=True, slots=True)
class Failure:
    """A row that could not be made, and why.

    Attributes:
        name: The row's name.
        error: What was raised while its file was made, proven or measured.
    """

    name: str
    error: OctavoError


def row_name(technique: str, scheme: str) -> str:
    """Technique and scheme, as tables show them."""
    return f"{scheme} {technique}" if technique in (QAT, MORE) else scheme
