"""What a tour leaves in memory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from octavo.comparison.comparison import Comparison
from octavo.demo.data import Data
from octavo.report.mapping import LayerMapping, in_words

if TYPE_CHECKING:
    import keras

# The page that shows it all.
PAGE = "report.html"


@dataclass(frozen=True, slots=True)
class Toured:
    """What came of it.

    Attributes:
        data: What was trained on and tested with.
        model: The trained network.
        comparison: Every scheme on the held-out part.
        mapping: The last layer's values and the integers that stand for them.
        out: The folder.
    """

    data: Data
    model: keras.Model
    comparison: Comparison
    mapping: LayerMapping
    out: Path

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return {
            "data": {"name": self.data.name, "train": len(self.data.x_train), "test": len(self.data.x_test)},
            "parameters": self.model.count_params(),
            "mapping": {**self.mapping.to_dict(), "words": in_words(self.mapping)},
            **self.comparison.to_dict(),
            "out": str(self.out),
        }

    def file_name(self, row: str) -> str:
        """Name of the file of one row of the comparison."""
        return f"{self.data.name}_{row.replace(' ', '_').lower()}.tflite"
