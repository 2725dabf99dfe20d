"""Quantization-aware training on Keras 3.

    qat_model = octavo.qat.quantize_model(model)          # an ordinary keras.Model
    qat_model.compile(...); qat_model.fit(...)
    q = octavo.quantize(qat_model)                        # its own ranges; no data needed

Fake quantization stands exactly where the plan of `octavo.plan` puts integers, so what is trained is what is deployed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np

from octavo.calibration.statistics import Statistics
from octavo.config import SCHEMES, LayerConfig, QuantizeConfig, scheme_named
from octavo.errors import ConfigError, InputError, NonFiniteError
from octavo.load.keras import load_keras
from octavo.load.loaded import Loaded
from octavo.passes import PASSES_WITHOUT_NEW_ACTIVATIONS
from octavo.plan.make import check_skip, make_plan
from octavo.plan.types import Plan
from octavo.quantization.assign import Range, assign
from octavo.quantization.weights import largest_magnitude
from octavo.stages import Prepared, Source, calibrated_ranges, prepare_loaded
from octavo.training.annotate import Annotated
from octavo.training.batch_norm import FreezeBatchNorm
from octavo.training.blueprint import Blueprint
from octavo.training.flatten import annotated_layers, flatten, in_terms_of_user
from octavo.training.insert import insert_fake_quantization, remove_fake_quantization
from octavo.training.kernel_rounding import kernel_roundings
from octavo.training.model import QuantizationAwareModel
from octavo.training.origins import Origins, nudged_values, numbered_elements
from octavo.training.settings import LayerTraining, TrainingConfig
from octavo.training.weights import limits_as_weights, rounded_weights, weight_quantizers

__all__ = [
    "Annotated",
    "FreezeBatchNorm",
    "LayerTraining",
    "QuantizationAwareModel",
    "TrainingConfig",
    "annotate",
    "apply",
    "quantize_model",
    "strip",
]


def quantize_model(
    model: keras.Model,
    scheme: str = "int8",
    config: TrainingConfig | None = None,
    *,
    data: Any = None,
    skip: Sequence[str] = (),
    layers: Sequence[LayerConfig] = (),
    per_axis: bool = True,
    samples: int | None = None,
    integer_divisor: float | None = None,
    distill: bool = False,
) -> QuantizationAwareModel:
    """Make a model that trains with the rounding of its deployment.

    Args:
        model: Built, Sequential or Functional, nested or not; it is not touched.
        scheme: "int8", "int16x8" or "int8x4".
        config: Observers of ranges.
        data: Representative dataset to start the ranges from, in any form `octavo.quantize` takes. Without it they
            start at the first training batch.
        skip: Layer names or shell patterns kept in float.
        layers: What is different for some layers: the type of their weights, or its granularity.
        per_axis: One weight scale per output channel (True), or one per tensor.
        samples, integer_divisor: As for `octavo.quantize`.
        distill: Train against `model`'s outputs and not against labels: the compiled loss, such as "mse" or
            "kl_divergence", compares with them, and `fit(x)` is enough. Metrics still compare with labels. After
            loading, `model.distill(float_model)` goes on with it.

    Returns:
        An ordinary model on copies of the weights: compile, fit, evaluate, save and load it. `octavo.quantize`
        makes the file of it.

    Raises:
        InputError: for a model that is not built, is subclassed, or quantized already.
        UnsupportedLayerError: for a layer without a form.
        ConfigError: for an unknown scheme or option; for learned ranges without data.
    """
    training = config or TrainingConfig()
    check_trainable(model, scheme, training, data)
    options = QuantizeConfig(scheme=scheme, skip=skip, layers=tuple(layers), per_axis=per_axis)
    copied = flatten(model)
    flat, paths = copied.model, copied.paths
    loaded = load_keras(flat, values=nudged_values(flat))
    prepared = prepare_as_named(loaded, paths)
    plan = make_plan(prepared.graph, options)
    check_skip(prepared.graph, [layer.pattern for layer in training.layers])
    origins = Origins(flat, loaded.graph, load_keras(flat, values=numbered_elements(flat)).graph)
    blueprint = Blueprint(flat, loaded.graph, loaded.names, prepared.graph, plan, origins)
    result = insert_fake_quantization(blueprint, weight_quantizers(blueprint, training), training)
    result.quantization, result.paths = options, {name: path for name, path in paths.items() if name != path}
    result.distill(model if distill else None)
    for variable in copied.held:
        variable.trainable = False
    if data is not None:
        source = Source(data, samples, integer_divisor)
        start_ranges(result, calibrated_ranges(prepared, plan, options, source))
    return result


def annotate(layer: keras.layers.Layer) -> Annotated:
    """Mark a layer for `apply`, in the place of the layer in a Sequential, or called in its stead."""
    return Annotated(layer)


def apply(
    model: keras.Model,
    scheme: str = "int8",
    config: TrainingConfig | None = None,
    *,
    data: Any = None,
    layers: Sequence[LayerConfig] = (),
) -> QuantizationAwareModel:
    """Quantize the annotated layers of a model; the others stay in float.

    Args:
        model: With some layers marked by `annotate`.
        scheme, config, data, layers: As for `quantize_model`.

    Raises:
        InputError: if no layer is marked; else as `quantize_model`.
    """
    check_trainable(model, scheme, config or TrainingConfig(), data)
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
    others = list(dict.fromkeys(node.layer for node in graph.nodes if node.layer not in chosen))
    return quantize_model(model, scheme, config, data=data, skip=others, layers=layers)


def strip(model: QuantizationAwareModel) -> keras.Model:
    """The float model with the trained weights, copied, and no fake quantization.

    Nested models stay opened, and an activation that was an argument of its layer is a layer after it.
    """
    float_model, _ = remove_fake_quantization(model)
    copy = keras.models.clone_model(float_model)
    copy.set_weights(float_model.get_weights())
    return copy


@dataclass(frozen=True, slots=True)
class Trained:
    """What a trained model is deployed by.

    Attributes:
        prepared: Its float graph, weights rounded as in training.
        plan: Of that graph; the one it was trained by.
        config: What the plan is made by.
        ranges: Learned (low, high) of each observed tensor.
        limits: Learned magnitudes of weights by graph tensor, where they were learned.
    """

    prepared: Prepared
    plan: Plan
    config: QuantizeConfig
    ranges: dict[str, Range]
    limits: dict[str, np.ndarray]


def trained(model: QuantizationAwareModel) -> Trained:
    """Read the graph, ranges and limits of a trained model.

    Raises:
        InputError: if a range was neither calibrated nor trained.
        NonFiniteError: if training diverged.
    """
    float_model, _ = remove_fake_quantization(model)
    _, prepared, plan = load_trained(model, float_model)
    ranges = learned_ranges(model)
    limits = {}
    spread = limits_as_weights(model)
    if spread:
        folded = prepare_as_named(load_keras(float_model, values=spread), model.paths).graph
        learned = {
            q.tensor for layer in model.quantized_layers for q in layer.weight_quantizers if q.observer == "learned"
        }
        for rule in plan.weights:
            data = folded.tensors[rule.tensor].data
            if rule.tensor in learned and data is not None:
                limits[rule.tensor] = largest_magnitude(data, rule.granularity)
    result = Trained(prepared, plan, model.quantization, ranges, limits)
    round_as_kernels(model, result)
    return result


def load_trained(model: QuantizationAwareModel, float_model: keras.Model) -> tuple[Loaded, Prepared, Plan]:
    """The float graph of a model, its weights rounded as in training, and the plan that it is trained by.

    Where training leaves nothing but zeros or ones in a variable, as in an offset that another normalization takes
    away again, passes drop what the plan counts on; the variables are then nudged as they were when it was made.

    Args:
        model: The trained model.
        float_model: The same without fake quantization.
    """
    known = {name for quantizer in model.fake_quantizers if quantizer.fixed is None for name in quantizer.tensors}
    rounded = rounded_weights(model)
    for values in (rounded, {**nudged_values(float_model), **rounded}):
        loaded = load_keras(float_model, values=values)
        prepared = prepare_as_named(loaded, model.paths)
        plan = make_plan(prepared.graph, model.quantization)
        if known == {name for name in plan.observed if not prepared.graph.tensors[name].is_constant}:
            break
    return loaded, prepared, plan


def round_as_kernels(model: QuantizationAwareModel, trained: Trained) -> None:
    """Leave in a model how its file's kernels round, so that in inference it predicts what the file predicts."""
    integer = assign(trained.prepared.graph, trained.plan, trained.ranges, trained.limits)
    roundings = kernel_roundings(trained.prepared.graph, integer)
    for layer in model.kernel_roundings:
        layer.set_rounding(roundings[layer.tensor])


def prepare_as_named(loaded: Loaded, paths: Mapping[str, str]) -> Prepared:
    """Run the passes on the graph of a flat model, whose layers then bear the names of the user's model.

    Where they would leave an activation that the model does not compute, those that make new ones are left out.
    """
    prepared = prepare_loaded(loaded)
    if any(name not in loaded.graph.tensors for node in prepared.graph.nodes for name in node.outputs):
        prepared = prepare_loaded(loaded, PASSES_WITHOUT_NEW_ACTIVATIONS)
    return replace(prepared, graph=in_terms_of_user(prepared.graph, paths))


def learned_ranges(model: QuantizationAwareModel) -> dict[str, Range]:
    """Real (low, high) of each observed tensor of a model.

    Raises:
        InputError: if one was never observed: the model was neither trained nor calibrated.
        NonFiniteError: if one is NaN or infinite.
    """
    ranges: dict[str, Range] = {}
    for quantizer in model.fake_quantizers:
        if quantizer.fixed is not None:
            continue
        found = quantizer.real_ranges()
        if found is None:
            raise InputError(
                f"the range of '{quantizer.tensors[0]}' is not known yet.",
                got="a model that was neither calibrated nor trained",
                expected="a range for every activation",
                fix="call fit first, or start from a calibration: quantize_model(model, data=x_train[:500])",
            )
        ranges.update(zip(quantizer.tensors, found, strict=True))
    for name, (low, high) in ranges.items():
        if not np.isfinite([low, high]).all():
            raise NonFiniteError(
                f"the range of '{name}' is not finite: training diverged.",
                got=f"({low}, {high})",
                expected="finite values",
                fix="train again with a smaller learning rate, and stop on NaN with keras.callbacks.TerminateOnNaN()",
            )
    return ranges


def deployed_tensors(model: QuantizationAwareModel) -> dict[str, Any]:
    """The Keras tensors of a model, fake-quantized where they are, by the graph tensor that each stands for."""
    float_model, stands_for = remove_fake_quantization(model)
    names = load_trained(model, float_model)[0].names
    return {name: stands_for[key] for key, name in names.items() if key in stands_for}


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
        if quantizer.fixed is None:
            lows, highs = zip(*(ranges[name] for name in quantizer.tensors), strict=True)
            quantizer.set_range(lows, highs)
