"""Conditioning: methods change constants of a planned graph and nothing else; bias correction keeps channels' means."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

import octavo
from keras_networks import branching, convolutional, images
from octavo.condition import GPTQ, BiasCorrection, Conditioned, Reconstruct, Samples, condition, gptq, segments
from octavo.condition.rounding import with_rounded_weights
from octavo.config import QuantizeConfig
from octavo.dtypes import DType
from octavo.errors import ConfigError, DatasetError, GraphError
from octavo.ir.graph import with_tensors
from octavo.ir.types import Graph
from octavo.numerics.affine import dequantize
from octavo.ops.text import parse_graph
from octavo.pipeline import quantize_prepared
from octavo.plan.make import make_plan
from octavo.plan.types import Plan
from octavo.quantization.weights import largest_magnitude
from octavo.run import reference
from octavo.stages import Prepared, Source, prepare

DATA = images(24)
CHAIN = """
input x: float32[1,6,6,3]
const k1: float32[4,3,3,3] = normal(1) @first
const b1: float32[4] = normal(2) @first
const k2: float32[1,3,3,4] = normal(3) @depthwise
const b2: float32[4] = normal(4) @depthwise
const k3: float32[5,1,1,4] = normal(5) @last
const b3: float32[5] = normal(6) @last
const shape: int32[2] = -1 180
const k4: float32[3,180] = normal(7) @dense
first = CONV_2D(x, k1, b1) {fused_activation_function=RELU} @first
depthwise = DEPTHWISE_CONV_2D(first, k2, b2) @depthwise
sum = ADD(first, depthwise) @sum
last = CONV_2D(sum, k3, b3) @last
flat = RESHAPE(last, shape) @flat
dense = FULLY_CONNECTED(flat, k4, _) @dense
output dense
"""


@dataclass(frozen=True)
class Own:
    """A method made of a function."""

    change: Callable[[Conditioned, Plan, Samples], Conditioned]
    name: str = "own"

    def apply(self, before: Conditioned, plan: Plan, samples: Samples) -> Conditioned:
        return self.change(before, plan, samples)


def chain() -> tuple[Graph, Samples]:
    graph = parse_graph(CHAIN)
    x = np.random.default_rng(9).uniform(-1, 2, (6, 6, 6, 3)).astype(np.float32)
    return graph, Samples(x, (graph.tensors["x"],))


def channel_means(graph: Graph, sample: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    values = reference.run(graph, sample, keep=[name])[name]
    return values.reshape(-1, values.shape[-1]).mean(axis=0, dtype=np.float64)


@pytest.mark.parametrize("scheme", ["int8", "int8x4", "float16"])
def test_each_corrected_layer_has_the_mean_that_it_has_in_float(scheme: str) -> None:
    graph, samples = chain()
    plan = make_plan(graph, QuantizeConfig(scheme))
    seen = replace(samples, limit=2)
    corrected = condition(graph, plan, seen, [BiasCorrection()])
    rounded = with_rounded_weights(corrected, plan)
    for name in ("depthwise", "last"):
        means = [
            np.mean([channel_means(each, s, name) for s in seen], axis=0) for each in (graph, rounded, corrected.graph)
        ]
        # A float32 sum of some tens of products.
        bound = 64 * np.finfo(np.float32).eps * max(1.0, np.abs(means[0]).max())
        assert np.abs(means[0] - means[1]).max() <= bound
        assert np.abs(means[0] - means[2]).max() > bound
    texts = [note.text for note in corrected.notes]
    assert texts[0] == "FULLY_CONNECTED has no constant bias of a single weight to correct"
    assert texts[1].startswith("corrected the biases of 3 of 4 layers on 2 samples")
    assert "on the same samples" in texts[2]


@pytest.mark.parametrize("scheme", ["int8", "int8x4", "dynamic"])
@pytest.mark.parametrize("per_axis", [True, False])
def test_chosen_integers_are_those_of_the_file(scheme: str, per_axis: bool) -> None:
    graph, samples = chain()
    config = QuantizeConfig(scheme, per_axis=per_axis, verify="off")
    plan = make_plan(graph, config)
    chosen = condition(graph, plan, samples, [GPTQ()])
    file = quantize_prepared(Prepared(graph, (), {}, False), config, Source(samples.data), methods=[GPTQ()]).graph
    for rule in plan.weights:
        stored, wanted = file.tensors[rule.tensor], chosen.graph.tensors[rule.tensor]
        assert np.array_equal(dequantize(stored.values, stored.parameters), wanted.values)
    assert chosen.deployed == {}


@pytest.mark.parametrize("granularity", ["per axis", "per tensor"])
def test_outputs_of_layers_rounded_by_them_are_closer_on_other_samples(granularity: str) -> None:
    graph, samples = chain()
    plan = make_plan(graph, QuantizeConfig("int8x4", per_axis=granularity == "per axis"))
    rng = np.random.default_rng(9)
    # Neighbours are alike, as in images.
    x = (rng.uniform(-1, 2, (40, 1, 1, 3)) + rng.normal(0, 0.3, (40, 6, 6, 3))).astype(np.float32)
    chosen = condition(graph, plan, replace(samples, data=x[:30]), [GPTQ()])
    plain = with_rounded_weights(Conditioned(graph), plan)
    for name in ("first", "depthwise", "last"):
        results = [
            np.stack([reference.run(each, {"x": sample[None]}, keep=[name])[name] for sample in x[30:]])
            for each in (graph, plain, chosen.graph)
        ]
        errors = [float(np.mean((found - results[0]) ** 2)) for found in results[1:]]
        assert errors[1] < errors[0]


def test_layers_that_are_no_single_product_are_named_and_rounded_to_nearest() -> None:
    graph = parse_graph(
        CHAIN.replace("CONV_2D(sum, k3, b3) @last", "CONV_2D(sum, k3, b3) @last\nagain = CONV_2D(sum, k3, b3) @again")
    )
    graph = replace(graph, outputs=("dense", "again"))
    after = condition(graph, make_plan(graph, QuantizeConfig("int8x4")), chain()[1], [GPTQ()])
    assert after.graph.tensors["k3"] is graph.tensors["k3"]
    assert [(note.subject, note.text) for note in after.notes[:2]] == [
        (layer, "weight 'k3' is read elsewhere too, and is rounded to nearest") for layer in ("last", "again")
    ]


@pytest.mark.parametrize(("inputs", "outputs"), [(128, 16), (96, 96), (32, 512)])
def test_rounding_a_layer_takes_no_more_memory_than_is_stated(inputs: int, outputs: int) -> None:
    graph = parse_graph(
        f"""
        input x: float32[1,{inputs}]
        const k: float32[{outputs},{inputs}] = normal(1) @dense
        const b: float32[{outputs}] = normal(2) @dense
        y = FULLY_CONNECTED(x, k, b) @dense
        output y
        """
    )
    x = np.random.default_rng(0).normal(size=(64, inputs)).astype(np.float32)
    samples, plan = Samples(x, (graph.tensors["x"],)), make_plan(graph, QuantizeConfig("int8x4"))
    tracemalloc.start()
    condition(graph, plan, samples, [GPTQ()])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # Activations of both networks, of variations too, and what is not arrays.
    held = 4 * (1 + GPTQ().variations) * x.nbytes
    assert peak <= gptq.layer_bytes(1, inputs, outputs) + held + (1 << 18)


def test_a_layer_beyond_the_memory_is_rounded_to_nearest_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    graph, samples = chain()
    # That of the first layer, of 27 inputs and 4 outputs, and a byte less.
    monkeypatch.setattr(gptq, "LAYER_BYTES", gptq.layer_bytes(1, 27, 4) - 1)
    after = condition(graph, make_plan(graph, QuantizeConfig("int8x4")), samples, [GPTQ()])
    assert after.graph.tensors["k1"] is graph.tensors["k1"]
    assert after.graph.tensors["k2"] is not graph.tensors["k2"]
    assert ("first", "its 27 inputs and 4 outputs are too many to round together, and is rounded to nearest") in {
        (note.subject, note.text) for note in after.notes
    }


def test_late_layers_look_at_more_samples_where_activations_before_them_are_large(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = convolutional()
    graph = prepare(model).graph
    plan = make_plan(graph, QuantizeConfig("int8x4"))
    samples = Samples(images(24), tuple(graph.tensors[name] for name in graph.inputs))
    alike = replace(samples, data=np.repeat(images(1), 24, axis=0))
    wanted = condition(graph, plan, alike, [GPTQ(variations=0)])
    cuts = segments.segments(graph, {node.outputs[0] for node in graph.nodes})
    monkeypatch.setattr(segments, "FRONTIER_BYTES", 10 * segments.live_bytes(graph, cuts))
    found = condition(graph, plan, alike, [GPTQ(variations=0)])
    # The same sample again and again tells the same, but for rounding sums to float32, however many a layer looks at.
    for rule in plan.weights:
        pair = (each.graph.tensors[rule.tensor].values for each in (found, wanted))
        np.testing.assert_allclose(*pair, rtol=1e-5)
    few, more = (condition(graph, plan, samples, [GPTQ(count, variations=0)]) for count in (10, 12))
    assert " on 10 samples" in few.notes[-1].text
    assert " on 10 to 12 samples" in more.notes[-1].text
    first, last = plan.weights[0].tensor, plan.weights[-1].tensor
    same = [np.array_equal(few.graph.tensors[each].values, more.graph.tensors[each].values) for each in (first, last)]
    assert same == [True, False]


def test_variations_of_samples_are_looked_at_too() -> None:
    graph = prepare(convolutional()).graph
    plan = make_plan(graph, QuantizeConfig("int8x4"))
    samples = Samples(images(24), tuple(graph.tensors[name] for name in graph.inputs))
    methods = GPTQ(variations=0), GPTQ(), GPTQ(), GPTQ(seed=1)
    plain, varied, same, other = (condition(graph, plan, samples, [each]) for each in methods)
    assert " on 24 samples;" in plain.notes[-1].text
    assert " on 24 samples and variations of them;" in varied.notes[-1].text
    weight = plan.weights[0].tensor
    found = [each.graph.tensors[weight].values for each in (plain, varied, same, other)]
    assert [np.array_equal(found[1], each) for each in found] == [False, True, True, False]


def test_dead_inputs_and_a_dead_layer_are_rounded_all_the_same() -> None:
    graph, samples = chain()
    dead = replace(samples, data=np.zeros_like(samples.data))
    after = condition(graph, make_plan(graph, QuantizeConfig("int8x4")), dead, [GPTQ(), BiasCorrection()])
    assert all(np.isfinite(tensor.values).all() for tensor in after.graph.tensors.values() if tensor.is_constant)


def test_the_gain_is_measured_on_samples_held_out() -> None:
    graph, samples = chain()
    notes = condition(graph, make_plan(graph, QuantizeConfig("int8x4")), samples, [BiasCorrection()]).notes
    assert "on 4 samples" in notes[1].text
    assert notes[2].subject == "dense"
    assert notes[2].text.endswith("on 2 samples held out")


def test_a_bias_that_two_layers_read_stays_as_it_is() -> None:
    graph = parse_graph(CHAIN.replace("DEPTHWISE_CONV_2D(first, k2, b2)", "DEPTHWISE_CONV_2D(first, k2, b1)"))
    samples = Samples(DATA[:, :6, :6], (graph.tensors["x"],))
    after = condition(graph, make_plan(graph, QuantizeConfig("int8x4")), samples, [BiasCorrection(samples=3)])
    assert after.graph.tensors["b1"] is graph.tensors["b1"]
    assert [note.subject for note in after.notes if "read elsewhere" in note.text] == ["first", "depthwise"]


def test_nothing_to_round_is_nothing_to_correct() -> None:
    graph, samples = chain()
    assert condition(graph, make_plan(graph, QuantizeConfig("float32")), samples, [BiasCorrection()]).graph is graph


@pytest.mark.parametrize("scheme", ["int8", "int16x8", "int8x4", "dynamic", "float16"])
def test_a_conditioned_file_is_proven_repeatable_and_another(scheme: str) -> None:
    model = convolutional()
    plain = octavo.quantize(model, scheme, DATA, verify="off", effort="fast")
    first, second = (octavo.quantize(model, scheme, DATA, methods=[BiasCorrection()]) for _ in range(2))
    assert octavo.quantize(model, scheme, DATA, methods=(), verify="off", effort="fast").model == plain.model
    assert first.model == second.model != plain.model
    assert first.verification is not None
    assert first.verification.ok
    assert first.fidelity is not None
    assert all(output.sqnr_db is None or output.sqnr_db > 60 for output in first.fidelity.loading)
    assert "bias_correction" in {note.stage for note in first.notes}


def test_models_of_several_inputs_and_shared_layers_are_conditioned() -> None:
    rng = np.random.default_rng(3)
    data = {name: rng.normal(size=(20, 6)).astype(np.float32) for name in ("first", "second")}
    result = octavo.quantize(branching(), "int8x4", data, methods=[BiasCorrection(samples=8)])
    assert result.verification is not None
    assert result.verification.ok


def test_a_comparison_conditions_for_every_scheme() -> None:
    compared = octavo.compare(
        convolutional(), DATA, (DATA, None), schemes=("float32", "int8", "dynamic"), methods=[BiasCorrection()],
        time_it=False,
    )  # fmt: skip
    assert [any(n.stage == "bias_correction" for n in row.quantized.notes) for row in compared.rows] == [
        False,
        True,
        True,
    ]


@pytest.mark.parametrize("scheme", ["int8", "dynamic"])
def test_limits_of_a_method_are_the_weights_limits(scheme: str) -> None:
    def halve(before: Conditioned, plan: Plan, samples: Samples) -> Conditioned:
        limits = {}
        for rule in plan.weights:
            data = before.graph.tensors[rule.tensor].data
            assert data is not None
            limits[rule.tensor] = largest_magnitude(data, rule.granularity) / np.float32(2)
        return Conditioned(before.graph, limits)

    # Enough elements to be worth an int8 form under "dynamic".
    graph = parse_graph(
        """
        input x: float32[1,24]
        const k: float32[60,24] = normal(1) @dense
        const b: float32[60] = 0 @dense
        y = FULLY_CONNECTED(x, k, b) @dense
        output y
        """
    )
    prepared = Prepared(graph, (), {}, False)
    x = np.random.default_rng(9).uniform(-1, 1, (3, 24)).astype(np.float32)
    config = QuantizeConfig(scheme, verify="off")
    plain = quantize_prepared(prepared, config, Source(x))
    half = quantize_prepared(prepared, config, Source(x), methods=[Own(halve)])
    one, other = (each.graph.tensors["k"].quantization for each in (plain, half))
    assert one is not None
    assert other is not None
    assert np.array_equal(other.scale * 2, one.scale)


def renamed(before: Conditioned, plan: Plan, samples: Samples) -> Conditioned:
    return Conditioned(replace(before.graph, nodes=before.graph.nodes[:-1], outputs=("flat",)))


def with_data(name: str, change: Callable[[np.ndarray], np.ndarray]) -> Callable[..., Conditioned]:
    def apply(before: Conditioned, plan: Plan, samples: Samples) -> Conditioned:
        data = before.graph.tensors[name].data
        assert data is not None
        return Conditioned(with_tensors(before.graph, [replace(before.graph.tensors[name], data=change(data))]))

    return apply


def added(before: Conditioned, plan: Plan, samples: Samples) -> Conditioned:
    extra = replace(before.graph.tensors["k1"], name="k5")
    return Conditioned(with_tensors(before.graph, [extra]))


def retyped(before: Conditioned, plan: Plan, samples: Samples) -> Conditioned:
    half = before.graph.tensors["b1"]
    assert half.data is not None
    changed = replace(half, data=half.data.astype(np.float16), dtype=DType.FLOAT16)
    return Conditioned(with_tensors(before.graph, [changed]))


BROKEN: dict[str, tuple[Callable[..., Conditioned], str]] = {
    "another structure": (renamed, "other operators"),
    "another tensor": (added, "tensors k5 come or gone"),
    "another type": (retyped, "tensor 'b1': another shape"),
    "other indices": (with_data("shape", lambda data: data[::-1]), "tensor 'shape': other indices"),
    "NaN": (with_data("b1", lambda data: data * np.float32("nan")), "tensor 'b1': NaN"),
    "another precision": (with_data("b1", lambda data: data.astype(np.float64)), "tensor 'b1': data of float64"),
    "no constant deployed": (
        lambda before, plan, samples: Conditioned(before.graph, deployed={"first": np.ones(1, np.float32)}),
        "'first' deployed",
    ),
    "another shape deployed": (
        lambda before, plan, samples: Conditioned(before.graph, deployed={"b1": np.ones(3, np.float32)}),
        "tensor 'b1': data of float32[3]",
    ),
    "a limit of nothing": (
        lambda before, plan, samples: Conditioned(before.graph, {"b1": np.ones(1, np.float32)}),
        "a limit of 'b1'",
    ),
    "a limit of another shape": (
        lambda before, plan, samples: Conditioned(before.graph, {"k1": np.ones(3, np.float32)}),
        "a limit of 'k1' that is not [4]",
    ),
}


@pytest.mark.parametrize(("change", "got"), BROKEN.values(), ids=BROKEN)
def test_a_method_that_changes_more_than_constants_is_named(change: Callable[..., Conditioned], got: str) -> None:
    graph, samples = chain()
    with pytest.raises(GraphError, match=r"fix: +let own replace constants") as error:
        condition(graph, make_plan(graph, QuantizeConfig("int8")), samples, [Own(change)])
    assert "method 'own'" in error.value.what
    assert error.value.got.startswith(got)


@pytest.mark.parametrize(
    ("data", "fix"),
    [
        (lambda model: octavo.calibrate(model, DATA), r"fix: +pass the samples: data=x_train\[:500\]"),
        (lambda model: (x for x in DATA), r"fix: +pass the function itself: data=samples instead of data=samples\(\)"),
    ],
    ids=["statistics", "a generator"],
)
def test_data_that_cannot_be_read_again_is_refused(data: Callable[[Any], Any], fix: str) -> None:
    model = convolutional()
    with pytest.raises(DatasetError, match=fix):
        octavo.quantize(model, "int8", data(model), methods=[BiasCorrection()])


def test_a_function_that_makes_generators_is_read_again() -> None:
    model = convolutional()
    made = octavo.quantize(model, "int8", lambda: iter(DATA), methods=[BiasCorrection()], verify="off")
    assert made.model == octavo.quantize(model, "int8", DATA, methods=[BiasCorrection()], verify="off").model


@pytest.mark.parametrize("method", [BiasCorrection, GPTQ, Reconstruct])
def test_a_method_on_no_sample_is_refused(method: Callable[..., Any]) -> None:
    with pytest.raises(ConfigError, match=rf"fix: +use some tens, for example {method.__name__}\(samples="):  # type: ignore[attr-defined]
        method(samples=0)
