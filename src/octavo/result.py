"""What a quantization hands over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from octavo.config import Scheme
from octavo.data.labelled import labelled_samples
from octavo.data.sources import is_array
from octavo.dtypes import DType
from octavo.evaluate.evaluation import Evaluation, evaluate
from octavo.evaluate.fidelity import Fidelity
from octavo.evaluate.predict import Samples, predict
from octavo.evaluate.verification import Verification
from octavo.files import write_whole
from octavo.ir.notes import Note
from octavo.ir.types import Graph, Tensor
from octavo.plan.types import Island
from octavo.quantization.coarse import CoarseOperand


@dataclass(frozen=True, slots=True)
class QuantizedModel:
    """A written model with everything known about it.

    Attributes:
        scheme: The scheme it was quantized by.
        graph: The graph that was written.
        model: The bytes of the .tflite file.
        verification: What was run to prove the bytes, or None where it was switched off.
        fidelity: How far it is from the model it was made of, on the samples it was verified with, or None likewise.
        islands: Nodes that stay in float, each with its reason.
        notes: Remarks of every stage, in order.
        ranges: Real (low, high) of each calibrated tensor.
        coarse: Operands that a scale shared with larger ones leaves few steps; the notes tell what helps.
        seconds: Time each stage took.
    """

    scheme: Scheme
    graph: Graph
    model: bytes
    verification: Verification | None
    fidelity: Fidelity | None = None
    islands: tuple[Island, ...] = ()
    notes: tuple[Note, ...] = ()
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    coarse: tuple[CoarseOperand, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)

    def __repr__(self) -> str:
        proof = "not verified" if self.verification is None else "verified" if self.verification.ok else "WRONG"
        islands = f"{len(self.islands)} float islands"
        return f"QuantizedModel({self.scheme.name}, {len(self.model):,} bytes, {proof}, {islands})"

    def save(self, path: str | Path) -> Path:
        """Write the .tflite file, whole or not at all.

        Returns:
            The path written.

        Raises:
            OutputError: if the file cannot be written.
        """
        return write_whole(Path(path), self.model)

    def predict(self, x: Samples) -> np.ndarray | dict[str, np.ndarray]:
        """Run samples in LiteRT, real values in and out.

        Args:
            x: Samples along the first axis; several inputs by name or in the model's order.

        Returns:
            Real values, float32, one row a sample; by name if the model has several outputs.

        Raises:
            DatasetError: if the samples do not fit the model.
            NonFiniteError: for NaN or infinity in the samples.
        """
        outputs = predict(self.model, x)
        return outputs if len(outputs) > 1 else next(iter(outputs.values()))

    def evaluate(
        self,
        x: Any,
        y: Any = None,
        *,
        metric: Any = None,
        float_outputs: Samples | None = None,
        time_it: bool = True,
    ) -> Evaluation:
        """Accuracy, size, arena and latency on real samples; see `octavo.evaluate.evaluation.evaluate`.

        Args:
            x: Samples along the first axis; or, without `y`, the path of an .npz file or what yields samples with
                their labels: a tf.data.Dataset, keras PyDataset, torch DataLoader or generator.
            y, metric, float_outputs, time_it: As for `evaluate`.
        """
        note = ""
        if y is None and not _are_samples(x):
            test = labelled_samples(x, [_as_real(self.graph.tensors[name]) for name in self.graph.inputs])
            x, y, note = test.x, test.y, test.note
        found = evaluate(
            self.model, x, y, metric=metric, float_outputs=float_outputs, scheme=self.scheme.name, time_it=time_it
        )
        return replace(found, notes=(*found.notes, note)) if note else found


def _are_samples(x: Any) -> bool:
    """Whether this is samples alone, and not what yields them with their labels."""
    return is_array(x) or isinstance(x, Mapping) or (isinstance(x, list) and not (x and isinstance(x[0], tuple)))


def _as_real(tensor: Tensor) -> Tensor:
    """An input as its user sees it: real values, whatever integers stand for them."""
    return tensor if tensor.quantization is None else replace(tensor, dtype=DType.FLOAT32, quantization=None)
