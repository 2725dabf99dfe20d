"""Does the deployed file predict what the trained model predicts?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from html import escape
from os import PathLike
from pathlib import Path
from typing import Any

import keras
import numpy as np

from octavo.config import unknown_name
from octavo.data.labelled import labelled_samples
from octavo.data.sources import is_array
from octavo.errors import InputError
from octavo.evaluate.predict import Samples, by_name, predict
from octavo.ir.graph import drop_dead, producers
from octavo.ir.types import Graph, Tensor
from octavo.load.paths import model_bytes
from octavo.load.tflite import read_tflite
from octavo.ops.roles import Fixed
from octavo.ops.table import spec_of
from octavo.qat.deploy import deployed_tensors
from octavo.qat.layers.model import QuantizationAwareModel
from octavo.report.tables import listed
from octavo.result import QuantizedModel, as_real
from octavo.write.tflite import write_tflite

BATCH = 256
LARGEST_COUNTED = 4


@dataclass(frozen=True, slots=True, repr=False)
class Parity:
    """How a trained model and its file differ on the same samples.

    Attributes:
        tensor: What is compared: the model's output, or what enters its softmax, where one step is the same
            everywhere.
        samples: How many.
        argmax_mismatches: Samples whose largest output is another one.
        ties: Of these, samples where the file has the trained model's choice among several equally large ones.
        steps: Share of output values by their difference in steps of the file's output: steps[k] is the share
            that differs by k steps, the last entry by that or more.
        largest_steps: The largest difference.
        output: The model's output that this is about.
        others: Of the model's other outputs, where all were asked for.
    """

    tensor: str
    samples: int
    argmax_mismatches: int
    ties: int
    steps: tuple[float, ...]
    largest_steps: int
    output: str = ""
    others: tuple[Parity, ...] = ()

    @property
    def within_one_step(self) -> float:
        """Share of output values that differ by at most one step."""
        return self.steps[0] + self.steps[1]

    def __str__(self) -> str:
        tied = f", {self.ties} of them a tie that rounding made" if self.ties else ""
        return (
            f"On {self.samples:,} samples the file's largest output is another than the trained model's in "
            f"{self.argmax_mismatches:,}{tied}.\n"
            f"Of the values of '{self.tensor}' {self.steps[0]:.2%} are equal, {self.within_one_step:.2%} lie within "
            f"a step of its integers, and all within {self.largest_steps}."
        )

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """For notebooks."""
        return "".join(f"<p>{escape(line)}</p>" for line in str(self).splitlines())

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        others = [each.to_dict() for each in self.others]
        return {**asdict(self), "within_one_step": self.within_one_step, "others": others}


def parity(
    model: QuantizationAwareModel,
    quantized: QuantizedModel | bytes | str | PathLike[str],
    data: Any,
    output: int | str | None = None,
) -> Parity:
    """Compare a trained model in inference with the file made of it, in LiteRT on its default kernels.

    Args:
        model: Trained.
        quantized: Made by `octavo.quantize(model)`; or the bytes or path of its .tflite file.
        data: Samples as in training, in any form that `octavo.quantize` takes, with or without labels; arrays of
            several inputs by name or in the model's order.
        output: Which of the model's outputs to look at, by place or name; None looks at all, the first of them in the
            result itself and the rest in its `others`.

    Raises:
        ConfigError: for an output that the model does not have.
        DatasetError: for samples that cannot be read, or do not fit.
        InputError: for a model that was not trained for quantization, and for a file that was not made of it.
        ModelFileError: for a file that cannot be read.
    """
    if not isinstance(model, QuantizationAwareModel):
        raise InputError(
            "parity is between a model trained for quantization and its file.",
            got=f"an object of {type(model).__module__}.{type(model).__qualname__}",
            expected="a model of octavo.qat.quantize_model",
            fix="of a float model, ask quantized.evaluate(x, y, float_outputs=model.predict(x))",
        )
    graph, shown = _graph_of(quantized), deployed_tensors(model)
    samples = _arrays(data, graph)
    first, *others = (_of_output(model, graph, shown, samples, each) for each in _places(graph, output))
    return replace(first, others=tuple(others))


def _arrays(data: Any, graph: Graph) -> Samples:
    """Arrays as they are; what yields samples, with labels or without, as an array for each input."""
    listed = isinstance(data, (list, tuple)) and len(graph.inputs) > 1
    if is_array(data) or isinstance(data, Mapping) or listed:
        return data
    x = labelled_samples(data, [as_real(graph.tensors[name]) for name in graph.inputs]).x
    return x if len(x) > 1 else next(iter(x.values()))


def _real(graph: Graph, data: Samples) -> Samples:
    """Integers as the numbers they are where the file takes real ones, as Keras takes them."""
    real = {name for name in graph.inputs if as_real(graph.tensors[name]).dtype.is_float}
    arrays = by_name(data, graph.inputs, "samples")
    return {name: array.astype(np.float32) if name in real else array for name, array in arrays.items()}


def _places(graph: Graph, output: int | str | None) -> Sequence[int]:
    """Which outputs are meant.

    Raises:
        ConfigError: for one that is not there.
    """
    if output is None:
        return range(len(graph.outputs))
    if isinstance(output, int) and -len(graph.outputs) <= output < len(graph.outputs):
        return (output,)
    if output not in graph.outputs:
        raise unknown_name("output", str(output), graph.outputs)
    return (graph.outputs.index(output),)


def _of_output(
    model: QuantizationAwareModel, graph: Graph, shown: Mapping[str, Any], data: Samples, output: int
) -> Parity:
    """Of one output.

    Raises:
        InputError: for a file that was not made of the model.
    """
    compared = [name for name in towards_inputs(graph, output) if name in shown]
    if not compared:
        raise InputError(
            f"this file was not made of model '{model.name}'.",
            got=f"an output '{graph.outputs[output]}'",
            expected=f"one of {listed(list(shown)[::-1])}",
            fix="give what octavo.quantize(model) returns, or the file that its save wrote",
        )
    name = compared[-1]
    trained = keras.Model(model.input, shown[name]).predict(data, batch_size=BATCH, verbose=0)
    deployed = predict(write_tflite(drop_dead(replace(graph, outputs=(name,)))), _real(graph, data))[name]
    trained, deployed = trained.reshape(len(trained), -1), deployed.reshape(len(deployed), -1)
    steps = np.round(np.abs(trained - deployed) / step_of(graph.tensors[name], trained)).astype(np.int64)
    counts = np.bincount(np.minimum(steps.ravel(), LARGEST_COUNTED), minlength=LARGEST_COUNTED + 1)
    choice = trained.argmax(axis=1)
    mismatched = choice != deployed.argmax(axis=1)
    tied = deployed[np.arange(len(choice)), choice] == deployed.max(axis=1)
    return Parity(
        tensor=name,
        samples=len(trained),
        argmax_mismatches=int(mismatched.sum()),
        ties=int((mismatched & tied).sum()),
        steps=tuple(float(share) for share in counts / steps.size),
        largest_steps=int(steps.max()),
        output=graph.outputs[output],
    )


def _graph_of(quantized: QuantizedModel | bytes | str | PathLike[str]) -> Graph:
    if isinstance(quantized, QuantizedModel):
        return quantized.graph
    return read_tflite(quantized if isinstance(quantized, bytes) else model_bytes(Path(quantized)))


def towards_inputs(graph: Graph, output: int) -> Iterator[str]:
    """An output, then what enters it where it only converts or has fixed parameters (softmax) and a step means less."""
    made_by = producers(graph)
    name: str | None = graph.outputs[output]
    while name is not None:
        yield name
        node = made_by.get(name)
        passed = node is not None and (spec_of(node.op).converts or isinstance(spec_of(node.op).rule(), Fixed))
        name = node.inputs[0] if node is not None and passed else None


def step_of(tensor: Tensor, values: np.ndarray) -> float:
    """The real size of one step of a tensor; one of 255 between the extremes of its values where it is float."""
    if tensor.quantization is not None:
        return float(tensor.quantization.scale[0])
    return max(float(np.ptp(values)) / 255, float(np.finfo(np.float32).tiny))
