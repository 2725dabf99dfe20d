"""Put fake quantization where the plan says, and nowhere else; and take it away again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import tree

from octavo.ir.graph import consumers
from octavo.ir.types import Graph
from octavo.ops.operands import stated_limit
from octavo.plan.types import Group, Member, Plan
from octavo.qat.layers.batch_norm import LiveBatchNorm
from octavo.qat.layers.fake_quantize import FakeQuantize
from octavo.qat.layers.kernel_rounding import KernelRounding, linear_results
from octavo.qat.layers.lowered_call import LoweredCall
from octavo.qat.layers.model import QuantizationAwareModel
from octavo.qat.layers.neighbours import parts_of
from octavo.qat.layers.quantized_layer import QuantizedLayer, WeightQuantizer
from octavo.qat.layers.quantized_weight import QuantizedWeight
from octavo.qat.settings import TrainingConfig
from octavo.qat.surgery.blueprint import Blueprint
from octavo.qat.surgery.given_weights import given_weights
from octavo.qat.surgery.lowering import Site, lower_calls
from octavo.qat.surgery.rebuild import rebuild


def insert_fake_quantization(
    blueprint: Blueprint,
    weights: Mapping[int, Sequence[WeightQuantizer]],
    training: TrainingConfig,
) -> QuantizationAwareModel:
    """Rebuild a flat model with fake quantization.

    Args:
        blueprint: Of the model; its layers are used, not copied.
        weights: What to quantize of a layer, by the layer's `id`.
        training: Observers.
    """
    members = make_sites(blueprint.graph, blueprint.plan, training)
    sites = {member.tensor: site for member, site in members.items() if is_native(blueprint.plan, member)}
    lowered = lower_calls(blueprint, sites)
    shown = shown_sites(blueprint, sites)
    entering = entering_sites(blueprint, members)
    kernels, given = rounded_results(blueprint), given_weights(blueprint)
    wrapped: dict[int, keras.layers.Layer] = {}

    def quantized(original: Any, tensor: Any) -> Any:
        if id(original) in kernels:
            tensor = kernels[id(original)](tensor)
        for site in shown.get(id(original), ()):
            tensor = site.layer(tensor, site=site.index)
        return tensor

    def converted(node: Any, arguments: Any) -> Any:
        """The arguments of a call as they enter it, rounded once more where it works on another type."""
        rounds = given.get(id(node), {})
        pairs = [*zip(_tensors(arguments), node.arguments.keras_tensors, entering[id(node)], strict=True)]
        made = {id(new): rounds[id(old)](new) for new, old, _ in pairs if id(old) in rounds}
        made |= {id(new): site.layer(new, site=site.index, converts=True) for new, _, site in pairs if site}
        if not made:
            return arguments
        return tree.map_structure(lambda leaf: made.get(id(leaf), leaf), arguments)

    def call(node: Any, *args: Any, **kwargs: Any) -> Any:
        operation = node.operation
        args, kwargs = converted(node, (args, kwargs))
        if id(node) in lowered:
            args = (_tensors((args, kwargs)),)
            operation, kwargs = lowered[id(node)].layer, {"which": lowered[id(node)].which}
        elif id(operation) in weights:
            operation = wrapped.setdefault(id(operation), QuantizedLayer(operation, weights[id(operation)]))
        elif isinstance(operation, keras.layers.BatchNormalization):
            operation = wrapped.setdefault(id(operation), LiveBatchNorm(operation))
        results = operation(*args, **kwargs)
        pairs = zip(node.outputs, tree.flatten(results), strict=True)
        return tree.pack_sequence_as(results, [quantized(original, tensor) for original, tensor in pairs])

    model = rebuild(blueprint.flat, call, kind=QuantizationAwareModel, on_input=quantized)
    for layer in model.quantized_layers:
        layer.start_limits()
    return model


def _tensors(arguments: Any) -> list[Any]:
    """The Keras tensors among a call's arguments, in order."""
    return [leaf for leaf in tree.flatten(arguments) if isinstance(leaf, keras.KerasTensor)]


def make_sites(graph: Graph, plan: Plan, training: TrainingConfig) -> dict[Member, Site]:
    """One fake-quantization layer a group of the plan, and the site of each of its activations in it."""
    sites: dict[Member, Site] = {}
    for number, group in enumerate(plan.groups):
        touched = [name for name in group.tensors if name in group.rounded or name in group.observed]
        touched = [name for name in touched if not graph.tensors[name].is_constant]
        if touched:
            layer = _fake_quantizer(f"fake_quantize_{number}", graph, plan, group, training)
            numbers = {name: index for index, name in enumerate(layer.tensors)}
            sites |= {
                Member(name, group.dtype): Site(layer, numbers.get(plan.range_name(name, group), -1))
                for name in touched
            }
    return sites


def is_native(plan: Plan, member: Member) -> bool:
    """Whether a member is its tensor as it is made, or as it comes out of a float island."""
    return plan.natives.get(member.tensor) in (None, member.dtype)


def entering_sites(blueprint: Blueprint, members: Mapping[Member, Site]) -> dict[int, list[Site | None]]:
    """Where each tensor among a call's arguments is converted to the call's own type, by `id` of the call.

    A call works on the type of the planned nodes of its layer that read the tensor.
    """
    readers = consumers(blueprint.graph)

    def site(path: str, name: str | None) -> Site | None:
        if name is None:
            return None
        types = blueprint.plan.types
        read_as = (types.get(node.outputs[0]) for node in readers.get(name, ()) if node.layer == path)
        forms = (Member(name, dtype) for dtype in read_as if dtype is not None)
        return next((members[form] for form in forms if form in members and not is_native(blueprint.plan, form)), None)

    return {
        id(call): [
            site(blueprint.paths.get(call.operation.name, call.operation.name), blueprint.names.get(id(tensor)))
            for tensor in call.arguments.keras_tensors
        ]
        for call in blueprint.calls()
    }


def _fake_quantizer(name: str, graph: Graph, plan: Plan, group: Group, training: TrainingConfig) -> FakeQuantize:
    first = next((tensor for tensor in group.tensors if not graph.tensors[tensor].is_constant), group.tensors[0])
    constants = [graph.tensors[tensor].data for tensor in group.observed if graph.tensors[tensor].is_constant]
    lowest, highest = group.dtype.integer_range
    return FakeQuantize(
        [plan.range_name(each, group) for each in group.observed if not graph.tensors[each].is_constant],
        group.dtype.value,
        training.activations_of(graph.tensors[first].layer),
        training.momentum,
        fixed=None if group.fixed is None else (float(group.fixed.scale[0]), int(group.fixed.zero_point[0])),
        least=min((float(data.min()) for data in constants if data is not None), default=0.0),
        most=max((float(data.max()) for data in constants if data is not None), default=0.0),
        narrowest=group.smallest_scale * (highest - lowest),
        widest=group.widest,
        neglected=_neglected(graph, plan, group),
        name=name,
    )


def _neglected(graph: Graph, plan: Plan, group: Group) -> dict[str, tuple[float, int]]:
    """The members of which no reader tells how small they are: depth and length of the last axis, by range name."""
    readers = consumers(graph)
    depths = {
        name: stated_limit(readers[name], name, lambda role: role.nothing_below)
        for name in group.observed
        if graph.tensors[name].shape and name not in graph.outputs and not graph.tensors[name].is_constant
    }
    return {
        plan.range_name(name, group): (depth, graph.tensors[name].shape[-1])
        for name, depth in depths.items()
        if depth is not None
    }


def rounded_results(blueprint: Blueprint) -> dict[int, KernelRounding]:
    """The layers that round biases, by `id` of the Keras tensor each follows."""
    places = linear_results(blueprint.loaded, blueprint.graph, blueprint.plan)
    first = _first_shown(blueprint)
    shown = [(first[place], result) for place, result in places.items() if place in first]
    return {key: KernelRounding(result, name=f"kernel_rounding_{i}") for i, (key, result) in enumerate(shown)}


def _first_shown(blueprint: Blueprint) -> dict[str, int]:
    """The `id` of the first Keras tensor that stands for each graph tensor."""
    tensors = [*blueprint.flat.inputs, *(tensor for call in blueprint.calls() for tensor in call.outputs)]
    return {blueprint.names[id(tensor)]: id(tensor) for tensor in reversed(tensors) if id(tensor) in blueprint.names}


def shown_sites(blueprint: Blueprint, sites: Mapping[str, Site]) -> dict[int, list[Site]]:
    """Where to quantize the results of calls, by `id` of the Keras tensor.

    A tensor inside a call whose values show after they were moved is quantized where they show. Where several Keras
    tensors stand for one of the graph, as before and after a Dropout, the first is.
    """
    at: dict[str, list[Site]] = {}
    for name, site in sites.items():
        place = blueprint.shown_at.get(name, name)
        known = at.setdefault(place, [])
        # A clipped value and what it was clipped from share a grid; the one that is observed counts.
        known[:] = [other for other in known if other.layer is not site.layer or other.index > site.index]
        if all(other.layer is not site.layer for other in known):
            known.append(site)
    first = _first_shown(blueprint)
    return {first[name]: places for name, places in at.items() if name in first}


def remove_fake_quantization(model: QuantizationAwareModel) -> tuple[keras.Model, dict[int, Any]]:
    """The float model on the same layers and variables, without fake quantization.

    Returns:
        The model, and for the `id` of each of its tensors the one of `model` it stands for, quantized if that is.
    """
    stands_for: dict[int, Any] = {}

    def call(node: Any, *args: Any, **kwargs: Any) -> Any:
        operation = node.operation
        if isinstance(operation, FakeQuantize | KernelRounding | QuantizedWeight):
            results = args[0]
        elif isinstance(operation, LoweredCall):
            results = operation.call_operation(*args, **kwargs)
        else:
            results = parts_of(operation)[0](*args, **kwargs)
        # A conversion stands for the tensor's form in another type, not for the tensor.
        if not node.arguments.kwargs.get("converts"):
            stands_for.update((id(new), old) for new, old in zip(tree.flatten(results), node.outputs, strict=True))
        return results

    def on_input(original: Any, tensor: Any) -> Any:
        stands_for[id(tensor)] = original
        return tensor

    return rebuild(model, call, on_input=on_input), stands_for
