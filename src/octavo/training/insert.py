"""Put fake quantization where the plan says, and nowhere else; and take it away again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
from keras import tree
from octavo.config import QuantizeConfig
from octavo.ir.types import Graph
from octavo.plan.types import Plan
from octavo.training.functional import rebuild
from octavo.training.model import QuantizationAwareModel
from octavo.training.observer import FakeQuantize
from octavo.training.quantized_layer import QuantizedLayer, WeightQuantizer
from octavo.training.settings import TrainingConfig


@dataclass(frozen=True, slots=True)
class Site:
    """Where a tensor is fake-quantized: its group's layer, and its number in it (-1: not observed)."""

    layer: FakeQuantize
    index: int


def insert_fake_quantization(
    flat: keras.Model,
    graph: Graph,
    plan: Plan,
    names: Mapping[int, str],
    weights: Mapping[int, Sequence[WeightQuantizer]],
    config: QuantizeConfig,
    training: TrainingConfig,
) -> QuantizationAwareModel:
    """Rebuild a flat model with fake quantization.

    Args:
        flat: Made by `octavo.training.flatten`; its layers are used, not copied.
        graph: Loaded from it, and passed through the passes.
        plan: Of that graph.
        names: Graph tensor by `id` of each of its Keras tensors.
        weights: What to quantize of a layer, by the layer's `id`.
        config: What the plan was made by; the model remembers it.
        training: Observers.
    """
    sites = make_sites(graph, plan, training)
    wrapped: dict[int, QuantizedLayer] = {}

    def quantized(original: Any, tensor: Any) -> Any:
        site = sites.get(names.get(id(original), ""))
        return tensor if site is None else site.layer(tensor, site=site.index)

    def call(node: Any, *args: Any, **kwargs: Any) -> Any:
        operation = node.operation
        if id(operation) in weights:
            operation = wrapped.setdefault(id(operation), QuantizedLayer(operation, weights[id(operation)]))
        results = operation(*args, **kwargs)
        pairs = zip(node.outputs, tree.flatten(results), strict=True)
        return tree.pack_sequence_as(results, [quantized(original, tensor) for original, tensor in pairs])

    model = rebuild(flat, call, kind=QuantizationAwareModel, on_input=quantized)
    model.quantization = config
    return model


def make_sites(graph: Graph, plan: Plan, training: TrainingConfig) -> dict[str, Site]:
    """One fake-quantization layer a group of the plan, and the site of each of its activations in it."""
    assert plan.scheme.activations is not None
    sites: dict[str, Site] = {}
    for number, group in enumerate(plan.groups):
        observed = [name for name in group.observed if not graph.tensors[name].is_constant]
        if group.fixed is None and not observed:
            continue
        fixed = None if group.fixed is None else (float(group.fixed.scale[0]), int(group.fixed.zero_point[0]))
        layer = FakeQuantize(
            observed,
            plan.scheme.activations.value,
            training.activations,
            training.momentum,
            fixed,
            name=f"fake_quantize_{number}",
        )
        for name in group.rounded:
            sites[name] = Site(layer, observed.index(name) if name in observed else -1)
    return sites


def remove_fake_quantization(model: QuantizationAwareModel) -> keras.Model:
    """The float model on the same layers and variables, without fake quantization."""

    def call(node: Any, *args: Any, **kwargs: Any) -> Any:
        operation = node.operation
        if isinstance(operation, FakeQuantize):
            return args[0]
        if not isinstance(operation, QuantizedLayer):
            return operation(*args, **kwargs)
        result = operation.layer(*args, **kwargs)
        return result if operation.batch_norm is None else operation.batch_norm(result)

    return rebuild(model, call)
