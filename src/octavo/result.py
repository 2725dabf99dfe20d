"""What a quantization hands over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from octavo.arguments import NAME, PATH, check_kinds
from octavo.config import Scheme
from octavo.data.labelled import as_pair, labelled_samples
from octavo.data.sources import is_array
from octavo.dtypes import DType
from octavo.evaluate.evaluation import Evaluation, evaluate
from octavo.evaluate.fidelity import Fidelity
from octavo.evaluate.predict import Samples, by_name, predict
from octavo.evaluate.verification import Verification
from octavo.files import write_whole
from octavo.ir.notes import Note
from octavo.ir.types import Graph, Tensor
from octavo.notebook import pairs_as_html
from octavo.plan.types import Island
from octavo.quantization.coarse import CoarseOperand
from octavo.write.array import c_array, form_of


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
        integer_divisor: What integer samples of a real input are divided by, as in calibration; None takes none.
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
    integer_divisor: float | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)

    def __repr__(self) -> str:
        proof = "not verified" if self.verification is None else "verified" if self.verification.ok else "WRONG"
        islands = f"{len(self.islands)} float islands"
        return f"QuantizedModel({self.scheme.name}, {len(self.model):,} bytes, {proof}, {islands})"

    @property
    def title(self) -> str:
        """The scheme, and the types of what goes in and comes out, in words."""
        inputs, outputs = (
            " and ".join(dict.fromkeys(self.graph.tensors[name].dtype.value for name in names))
            for names in (self.graph.inputs, self.graph.outputs)
        )
        return f"{self.scheme.title}; {inputs} in, {outputs} out"

    def _repr_html_(self) -> str:
        """For notebooks."""
        proof = self.verification.notes if self.verification else ("not verified",)
        lost = self.fidelity.sentences if self.fidelity else ()
        rows = [("scheme", self.title), ("file", f"{len(self.model):,} bytes")]
        rows += [("proof", line) for line in proof] + [("lost", line) for line in lost]
        rows += [("left in float", f"{each.layer} ({each.op}): {each.reason}") for each in self.islands]
        return pairs_as_html(f"Quantized model, {self.scheme.name}", rows)

    def save(self, path: str | Path, to: str | None = None) -> Path:
        """Write the .tflite file, or its bytes as an array in C or C++, whole or not at all.

        Args:
            path: Ends in .tflite; or in .h, .hpp, .c, .cc or .cpp, for an array by the file's name and its length.
            to: "tflite" or "array", whatever the ending.

        Returns:
            The path written.

        Raises:
            ConfigError: for another ending.
            OutputError: if the file cannot be written.
        """
        check_kinds({"path": PATH, "to": NAME.such_as("'array'")}, {"path": path, "to": to}, needed=["path"])
        place = Path(path)
        array = form_of(place, to) == "array"
        return write_whole(place, c_array(self.model, place).encode("ascii") if array else self.model)

    def predict(self, x: Samples) -> np.ndarray | dict[str, np.ndarray]:
        """Run samples in LiteRT, real values in and out.

        Args:
            x: Samples along the first axis; several inputs by name or in the model's order. Integers are taken where
                calibration took them, and divided as there.

        Returns:
            Real values, float32, one row a sample; by name if the model has several outputs.

        Raises:
            DatasetError: if the samples do not fit the model.
            NonFiniteError: for NaN or infinity in the samples.
        """
        outputs = predict(self.model, self.as_real(x))
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
        inputs = [as_real(self.graph.tensors[name]) for name in self.graph.inputs]
        if y is None and not _are_samples(as_pair(x, inputs)):
            test = labelled_samples(x, inputs, self.integer_divisor)
            x, y, note = test.x, test.y, test.note
        found = evaluate(
            self.model,
            self.as_real(x),
            y,
            metric=metric,
            float_outputs=float_outputs,
            scheme=self.scheme.name,
            time_it=time_it,
        )
        return replace(found, notes=(*found.notes, note)) if note else found

    def as_real(self, x: Samples) -> Samples:
        """Samples with integers of real inputs divided as in calibration; as they are where it took none."""
        if self.integer_divisor is None:
            return x
        names = self.graph.inputs
        arrays = by_name(x, names, "samples")
        real = {name for name in names if as_real(self.graph.tensors[name]).dtype.is_float}
        return {name: self._divided(array) if name in real else array for name, array in arrays.items()}

    def _divided(self, values: np.ndarray) -> np.ndarray:
        return (
            values if values.dtype.kind not in "iu" else (values / np.float32(self.integer_divisor)).astype(np.float32)
        )


def _are_samples(x: Any) -> bool:
    """Whether this is samples alone, and not what yields them with their labels."""
    return is_array(x) or isinstance(x, Mapping) or (isinstance(x, list) and not (x and isinstance(x[0], tuple)))


def as_real(tensor: Tensor) -> Tensor:
    """An input as its user sees it: real values, whatever integers stand for them."""
    return tensor if tensor.quantization is None else replace(tensor, dtype=DType.FLOAT32, quantization=None)
