"""A row of a comparison: a way of quantizing and what it is worth, or why it could not be made."""

from __future__ import annotations

from dataclasses import dataclass

from octavo.errors import OctavoError
from octavo.evaluate.evaluation import Evaluation
from octavo.report.tables import island_values
from octavo.result import QuantizedModel


@dataclass(frozen=True, slots=True)
class Row:
    """One way of quantizing, and what it is worth.

    Attributes:
        technique: "float", "PTQ" or "QAT".
        quantized: The model.
        evaluation: On the test set.
    """

    technique: str
    quantized: QuantizedModel
    evaluation: Evaluation

    @property
    def name(self) -> str:
        """Technique and scheme, as tables show them."""
        return row_name(self.technique, self.quantized.scheme.name)

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
    return scheme if technique != "QAT" else f"{scheme} QAT"
