"""Make a model that trains with the rounding of its deployment, and take the float model back out of one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

import keras
import numpy as np

from octavo.arguments import NAMES, YES_OR_NO, Kind, check_kinds
from octavo.calibration.statistics import Statistics
from octavo.condition import Method
from octavo.config import SCHEMES, LayerConfig, QuantizeConfig, configured, scheme_named
from octavo.errors import ConfigError, InputError
from octavo.evaluate.evidence import samples_wanted
from octavo.ir.graph import consumers, producers
from octavo.ir.notes import Note
from octavo.ir.types import Graph, Node
from octavo.load.keras_files import read_keras
from octavo.load.keras_graph import as_graph, load_keras
from octavo.load.keras_graph.losses import applied_by_loss, training_of
from octavo.numerics.affine import Range
from octavo.ops.operands import data_inputs
from octavo.plan.make import check_skip, make_plan
from octavo.plan.types import tensor_name
from octavo.qat.layers.annotated import Annotated
from octavo.qat.layers.model import QuantizationAwareModel
from octavo.qat.prepare import prepare_as_named
from octavo.qat.settings import TrainingConfig
from octavo.qat.surgery.blueprint import Blueprint, moves_values
from octavo.qat.surgery.flatten import Flat, annotated_layers, flatten
from octavo.qat.surgery.insert import insert_fake_quantization, remove_fake_quantization
from octavo.qat.surgery.origins import Origins, nudged_values, numbered_elements
from octavo.qat.surgery.weights import weight_quantizers
from octavo.qat.surgery.write_back import write_back
from octavo.stages import METHODS, Prepared, Source, calibrated_ranges, condition_prepared, doubts

TRAINING = Kind(lambda value: isinstance(value, TrainingConfig), "a TrainingConfig", "octavo.qat.TrainingConfig()")


def quantize_model(
    model: keras.Model | str | PathLike[str],
    scheme: str | None = None,
    training: TrainingConfig | None = None,
    *,
    config: QuantizeConfig | None = None,
    data: Any = None,
    skip: Sequence[str] = (),
    layers: Sequence[LayerConfig] = (),
    per_axis: bool = True,
    methods: Sequence[Method] = (),
    samples: int | None = None,
    integer_divisor: float | None = None,
    distill: bool = False,
    allow: Sequence[str] = (),
) -> QuantizationAwareModel:
    """Make a model that trains with the rounding of its deployment.

    Args:
        model: Built: Sequential, Functional, nested or with a `call` of its own; it is not touched. Or the path of a
            .keras or .h5 file.
        scheme: "int8", "int16x8" or "int8x4"; None takes int8.
        training: Observers of ranges.
        config: Scheme, `skip`, `layers` and `per_axis` in one object, instead of them.
        data: Representative dataset to start the ranges from, in any form `octavo.quantize` takes. Without it they
            start at the first training batch.
        skip: Layer names or shell patterns kept in float.
        layers: What is different for some layers: the type of their weights, or its granularity.
        per_axis: One weight scale per output channel (True), or one per tensor.
        methods: What changes weights and biases before training, as for `octavo.quantize`; it starts from them.
        samples, integer_divisor: As for `octavo.quantize`.
        distill: Train against `model`'s outputs and not against labels: the compiled loss, such as "mse" or
            "kl_divergence", compares with them, and `fit(x)` is enough. Metrics still compare with labels. After
            loading, `model.distill(float_model)` goes on with it.
        allow: As for `octavo.quantize`; a model in memory needs none.

    Returns:
        An ordinary model on copies of the weights: compile, fit, evaluate, save and load it. `octavo.quantize`
        makes the file of it.

    Raises:
        InputError: for a model that is not built, or quantized already.
        ModelFileError: for a file that cannot be read.
        UnsupportedLayerError: for a layer without a form.
        ConfigError: for an unknown scheme or option; for learned ranges without data.
    """
    check_kinds(
        {"training": TRAINING, "methods": METHODS, "allow": NAMES, "distill": YES_OR_NO},
        {"training": training, "methods": methods, "allow": allow, "distill": distill},
    )
    training, model = training or TrainingConfig(), as_graph(read_if_path(model, allow))
    options = configured(config, scheme=scheme, skip=skip, layers=layers, per_axis=per_axis)
    check_trainable(model, options.scheme, training, data)
    check_allowed(model, allow)
    copied, source = flatten(model), Source(data, samples, integer_divisor)
    applied = applied_by_loss(model, training_of(model))
    blueprint, prepared = _blueprint(copied, options, applied)
    notes: tuple[Note, ...] = ()
    if methods:
        conditioned = condition_prepared(prepared, blueprint.plan, source, methods)
        notes = (*conditioned.notes, *write_back(blueprint, copied.paths, conditioned.graph))
        notes += tuple(_limits_left(prepared.graph, conditioned.limits))
        blueprint, prepared = _blueprint(copied, options, applied)
    check_skip(prepared.graph, [layer.pattern for layer in training.layers])
    result = insert_fake_quantization(blueprint, weight_quantizers(blueprint, training), training)
    result.trained_for(options)
    result.notes = notes
    result.paths = {name: path for name, path in copied.paths.items() if name != path}
    result.distill(model if distill else None)
    for variable in copied.held:
        variable.trainable = False
    if data is not None:
        source, seen = source.peek(prepared, samples_wanted(prepared.graph))
        start_ranges(result, calibrated_ranges(prepared, blueprint.plan, options, source))
        result.notes = (*doubts(prepared, seen), *result.notes)
    return result


def _blueprint(copied: Flat, options: QuantizeConfig, applied: tuple[str, ...]) -> tuple[Blueprint, Prepared]:
    """What is known of a flat model as its variables are, and its graph after the passes.

    Args:
        copied: The flat model.
        options: What the plan is made by.
        applied: Operator that the loss of the model it was made of applies to each output.
    """
    flat = copied.model
    loaded = load_keras(flat, values=nudged_values(flat))
    prepared = prepare_as_named(replace(loaded, applied=applied), copied.paths)
    plan = make_plan(prepared.graph, options)
    origins = Origins(flat, loaded.graph, load_keras(flat, values=numbered_elements(flat)).graph)
    return Blueprint(flat, loaded.graph, loaded.names, prepared.graph, plan, origins, copied.paths), prepared


def _limits_left(graph: Graph, limits: Mapping[str, np.ndarray]) -> Iterator[Note]:
    """A note for each weight whose limit training finds by itself."""
    for name in limits:
        text = "limits of its weights are what the observer of training makes of them"
        yield Note("condition", graph.tensors[name].layer, text)


def annotate(layer: keras.layers.Layer) -> Annotated:
    """Mark a layer for `apply`, in the place of the layer in a Sequential, or called in its stead."""
    return Annotated(layer)


def apply(
    model: keras.Model,
    scheme: str | None = None,
    training: TrainingConfig | None = None,
    *,
    data: Any = None,
    layers: Sequence[LayerConfig] = (),
    allow: Sequence[str] = (),
) -> QuantizationAwareModel:
    """Quantize the annotated layers of a model; the others stay in float, but for what only moves values between them.

    Args:
        model: With some layers marked by `annotate`.
        scheme, training, data, layers, allow: As for `quantize_model`.

    Raises:
        InputError: if no layer is marked; else as `quantize_model`.
    """
    check_trainable(model, scheme or "int8", training or TrainingConfig(), data)
    model = as_graph(model)
    chosen = {path for path, _ in annotated_layers(model)}
    if not chosen:
        raise InputError(
            f"no layer of model '{model.name}' is marked for quantization.",
            got="a model without annotations",
            expected="at least one layer wrapped by annotate",
            fix="wrap the layers: octavo.qat.annotate(keras.layers.Dense(10)); or call quantize_model for all of them",
        )
    copied = flatten(model)
    loaded = load_keras(copied.model, values=nudged_values(copied.model))
    graph = prepare_as_named(loaded, copied.paths).graph
    integer = chosen | _carriers(graph, chosen)
    others = list(dict.fromkeys(node.layer for node in graph.nodes if node.layer not in integer))
    return quantize_model(model, scheme, training, data=data, skip=others, layers=layers, allow=allow)


def _carriers(graph: Graph, chosen: set[str]) -> set[str]:
    """The layers that only move values from chosen layers to chosen layers, such as a Flatten between two.

    Integers are moved as they are, where reals would be converted before and behind.
    """
    makers, readers = producers(graph), consumers(graph)
    own: dict[str, list[Node]] = {}
    for node in graph.nodes:
        own.setdefault(node.layer, []).append(node)
    carriers = {layer for layer, nodes in own.items() if all(map(moves_values, nodes))} - chosen
    while True:
        integer = chosen | carriers
        left = {
            layer
            for layer in carriers
            for node in own[layer]
            if not all(name in makers and makers[name].layer in integer for _, name in data_inputs(graph, node))
            or not all(reader.layer in integer for name in node.outputs for reader in readers[name])
            or set(node.outputs) & set(graph.outputs)
        }
        if not left:
            return carriers
        carriers -= left


def strip(model: QuantizationAwareModel) -> keras.Model:
    """The float model with the trained weights, copied, and no fake quantization.

    Nested models stay opened, and an activation that was an argument of its layer is a layer after it.
    """
    float_model, _ = remove_fake_quantization(model)
    copy = keras.models.clone_model(float_model)
    copy.set_weights(float_model.get_weights())
    return copy


def read_if_path(model: Any, allow: Sequence[str]) -> Any:
    """The model in a Keras file; anything else as it is.

    Raises:
        ModelFileError, UnsupportedLayerError: as `octavo.quantize`.
    """
    if not isinstance(model, (str, PathLike)):
        return model
    stored = read_keras(Path(model), allow)[0]
    if not isinstance(stored, QuantizationAwareModel):
        load_keras(stored, allow=allow, stored=True)
    return stored


def check_allowed(model: keras.Model, allow: Sequence[str]) -> None:
    """Refuse names of layers that a model does not have.

    Raises:
        ConfigError: naming the closest layer.
    """
    if allow:
        load_keras(model, allow=allow)


def float_of(model: keras.Model) -> keras.Model:
    """The float model of a quantization-aware one; any other is its own."""
    return strip(model) if isinstance(model, QuantizationAwareModel) else model


def check_trainable(model: Any, scheme: str, training: TrainingConfig, data: Any) -> None:
    """Refuse what cannot be trained with fake quantization.

    Raises:
        InputError, ConfigError: as `quantize_model`.
    """
    if isinstance(model, QuantizationAwareModel):
        raise InputError(
            f"model '{model.name}' is quantized already.",
            got="a model made by quantize_model",
            expected="a float model",
            fix="train it as it is, or take its float model with octavo.qat.strip(model)",
        )
    if not scheme_named(scheme).needs_data:
        raise ConfigError(
            f"scheme '{scheme}' has nothing to train for.",
            got=repr(scheme),
            expected="a scheme with integer activations: " + ", ".join(n for n, s in SCHEMES.items() if s.needs_data),
            fix="use scheme='int8'",
        )
    if isinstance(data, Statistics):
        raise ConfigError(
            "training cannot start from statistics.",
            got="octavo.Statistics, of the model whose weights are not trained yet",
            expected="a representative dataset",
            fix="pass the samples: data=x_train[:500]",
        )
    if training.learns_activations and data is None:
        raise ConfigError(
            "learned activation ranges need a calibration to start from.",
            got="TrainingConfig(activations='learned') without data",
            expected="a representative dataset",
            fix="pass data=x_train[:500]",
        )


def start_ranges(model: QuantizationAwareModel, ranges: Mapping[str, Range]) -> None:
    """Set the observed ranges of a model from a calibration, by graph tensor."""
    for quantizer in model.fake_quantizers:
        if quantizer.fixed is None and quantizer.tensors:
            lows, highs = zip(*(ranges[tensor_name(name)] for name in quantizer.tensors), strict=True)
            quantizer.set_range(lows, highs)
