"""What is in a Keras model: its layers, their shapes and parameters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from octavo.report.tables import TextTable, number


@dataclass(frozen=True, slots=True)
class LayerLine:
    """One layer of a model.

    Attributes:
        name: Its path, as errors, `skip` and `layers` name it.
        kind: Its class.
        shape: Of its result, the batch left out; "" where it has several calls or results.
        parameters: How many numbers it holds.
    """

    name: str
    kind: str
    shape: str
    parameters: int


@dataclass(frozen=True, slots=True)
class ModelInspection:
    """What is in a Keras model.

    Attributes:
        name: Of the model.
        kind: Its class.
        scheme: What it was trained for, "" for a float model.
        parameters: How many numbers it holds.
        layers: Those of nested models instead of these.
    """

    name: str
    kind: str
    scheme: str
    parameters: int
    layers: tuple[LayerLine, ...]

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return asdict(self)


def inspect_model(model: Any) -> ModelInspection:
    """Look into a Keras model."""
    scheme = model.quantization.scheme if hasattr(model, "quantization") else ""
    return ModelInspection(model.name, type(model).__name__, scheme, model.count_params(), tuple(_lines(model)))


def layer_table(inspection: ModelInspection) -> TextTable:
    """One row a layer."""
    rows = tuple(
        (line.name, line.kind, line.shape, number(line.parameters) if line.parameters else "")
        for line in inspection.layers
    )
    return TextTable("Layers", ("layer", "class", "output", "parameters"), rows, frozenset({3}))


def model_summary(inspection: ModelInspection) -> list[str]:
    """A sentence on the whole model, and what to do with it."""
    what = f"a Keras model trained for {inspection.scheme}" if inspection.scheme else "a float Keras model"
    return [
        f"'{inspection.name}': {what} ({inspection.kind}), {number(inspection.parameters)} parameters in "
        f"{len(inspection.layers)} layers"
    ]


def _lines(model: Any, prefix: str = "") -> Iterator[LayerLine]:
    for layer in model.layers:
        if getattr(layer, "layers", None):
            yield from _lines(layer, f"{prefix}{layer.name}/")
        else:
            yield LayerLine(f"{prefix}{layer.name}", type(layer).__name__, _shape(layer), layer.count_params())


def _shape(layer: Any) -> str:
    """Of the result of a layer that is called once, as text."""
    try:
        shape = layer.output.shape
    except (AttributeError, ValueError):  # several calls, several results
        return ""
    return "x".join("?" if size is None else str(size) for size in shape[1:]) or "scalar"
