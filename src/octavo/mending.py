"""Mend what quantization has found wrong, by the one of several ways that helps most, measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from octavo.calibration.statistics import Statistics
from octavo.config import QuantizeConfig
from octavo.data.sources import is_spent
from octavo.errors import ConfigError, DatasetError, OctavoError
from octavo.evaluate.accuracy import compare_outputs
from octavo.evaluate.predict import predict
from octavo.ir.graph import drop_dead, operands
from octavo.ir.inputs import Inputs
from octavo.ir.notes import Note
from octavo.ir.samples import stacked
from octavo.ir.types import Graph
from octavo.ops.table import spec_of
from octavo.plan.make import own_config
from octavo.quantization.coarse import CoarseOperand
from octavo.result import QuantizedModel
from octavo.stages import Source
from octavo.write.tflite import write_tflite

Values = Mapping[str, np.ndarray]
Make = Callable[[QuantizeConfig], QuantizedModel]

# What float may gain over int16 without being worth a float island.
WORTH_AN_ISLAND_DB = 3.0


def check_mendable(source: Source, trained: bool) -> None:
    """Refuse to mend what cannot be made again.

    Raises:
        ConfigError: for a trained model, whose plan is decided.
        DatasetError: without samples that can be read again.
    """
    if trained:
        raise ConfigError(
            "which layers have which type was decided when the model was made for training.",
            got="mend=True",
            expected="no mend",
            fix="mend before: octavo.quantize(octavo.qat.strip(model), data=..., mend=True) tells which layers= to "
            "train with",
        )
    if source.data is None or isinstance(source.data, Statistics) or is_spent(source.data):
        raise DatasetError(
            "mending calibrates again and measures, for each way it tries.",
            got="no samples" if not is_spent(source.data) else "a generator, which can be read only once",
            expected="a representative dataset that can be read again",
            fix="pass data=x_train[:500], or a function that returns a new generator; or leave mend out",
        )


def mended(
    made: QuantizedModel, config: QuantizeConfig, graph: Graph, samples: Sequence[Values], make: Make
) -> QuantizedModel:
    """The model with its coarse operands mended by the best of the ways that `CoarseOperand.note` names.

    Each way is tried and measured where it must help: the SQNR of the worst such operand, as what reads it gets it.
    int16 is preferred to a float island unless that is `WORTH_AN_ISLAND_DB` better. Where nothing helps, the model
    stays as it was made.

    Args:
        made: By `config`.
        config: To be changed.
        graph: The float graph.
        samples: Real inputs by name, batch 1 each, to measure on.
        make: Quantizes by a configuration.
    """
    mendable = tuple(each for each in made.coarse if not each.beside)
    if not mendable:
        return made
    x = stacked(samples, graph.inputs)
    joined = tuple(dict.fromkeys(each.node for each in mendable))
    wanted = _values(graph, joined, x)

    def worst(result: QuantizedModel) -> float:
        found = _values(result.graph, joined, x)
        return min(_sqnr_db(found[each.node], wanted[each.node], _place(graph, each)) for each in mendable)

    before, best, way = worst(made), made, ""
    reached = before
    for name, gain, change in _ways(mendable, config):
        try:
            result = make(replace(config, **change))
        except OctavoError:  # no kernel for it, or no room for a float layer there
            continue
        if worst(result) > reached + gain:
            reached, best, way = worst(result), result, name
    if best is made:
        return made
    mended_operands = dict.fromkeys(each.operand for each in mendable)
    notes = (
        Note("mend", each, f"{way}: SQNR {before:.1f} dB before, {reached:.1f} dB now") for each in mended_operands
    )
    return replace(best, notes=(*best.notes, *notes))


def _ways(coarse: Sequence[CoarseOperand], config: QuantizeConfig) -> Iterator[tuple[str, float, dict[str, Any]]]:
    """Each way in words, the dB it must bring beyond those before, and the fields of a configuration it changes."""
    layers = tuple(dict.fromkeys(layer for each in coarse for layer in each.layers))
    wide = [replace(own_config(layer, config), pattern=layer, weights=None, activations="int16") for layer in layers]
    names = ", ".join(f"'{layer}'" for layer in layers)
    yield f"{names} on int16", 0.0, {"layers": (*wide, *config.layers)}
    yield f"{names} in float", WORTH_AN_ISLAND_DB, {"skip": (*config.skip, *layers)}


def _values(graph: Graph, names: tuple[str, ...], x: Values) -> dict[str, np.ndarray]:
    """Real values of tensors of a graph on samples."""
    return predict(write_tflite(drop_dead(replace(graph, outputs=names))), x)


def _place(graph: Graph, operand: CoarseOperand) -> np.ndarray:
    """Where in what is joined an operand lies, or all of it if that does not tell; bool of one sample's shape."""
    node = next(node for node in graph.nodes if operand.node in node.outputs)
    shapes = [each.shape for each in operands(graph, node)]
    marked = Inputs(np.full(shape, i == operand.input, np.float32) for i, shape in enumerate(shapes))
    place = spec_of(node.op).run_float(node.options, marked)[0][0] != 0
    return place if place.any() else np.ones_like(place)


def _sqnr_db(found: np.ndarray, wanted: np.ndarray, place: np.ndarray) -> float:
    """Of one operand; infinite where it is equal."""
    (accuracy,) = compare_outputs({"": found[:, place]}, {"": wanted[:, place]})
    return float("inf") if accuracy.sqnr_db is None else accuracy.sqnr_db
