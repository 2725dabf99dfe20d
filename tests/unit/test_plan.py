"""The plan: which tensors share parameters, which are fixed, which stay float and why."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from octavo.config import SCHEMES, LayerConfig, QuantizeConfig, Scheme
from octavo.dtypes import DType
from octavo.errors import ConfigError
from octavo.ir.types import Graph, PerAxis, PerTensor, Quantization
from octavo.ops.text import parse_graph
from octavo.plan.make import MINIMUM_HYBRID_ELEMENTS, make_plan
from octavo.plan.remarks import remarks, what_helps
from octavo.plan.types import Edge, WeightRule
from plan_graphs import GRAPHS, graph_of, group_of, planned

SIGMOID = Quantization(np.array(1 / 256), np.array(-128))
TANH = Quantization(np.array(1 / 128), np.array(0))


def test_operators_that_move_values_share_their_inputs_parameters_and_range() -> None:
    _, plan = planned("a chain that only moves values")
    group = group_of(plan, "y")
    assert set(group.tensors) == {"y", "pool", "line"}
    assert group.observed == ("y",)
    assert group.rounded == ("y",)
    assert plan.observed == ("x", "y", "z")


def test_free_tensors_that_meet_in_a_concatenation_share_the_union_of_their_ranges() -> None:
    _, plan = planned("free tensors concatenated")
    group = group_of(plan, "joined")
    assert set(group.tensors) == {"small", "large", "joined"}
    assert set(group.observed) == {"small", "large"}
    assert plan.requantized == ()


def test_an_input_that_is_concatenated_shares_parameters_with_the_result() -> None:
    _, plan = planned("an input that is joined directly")
    assert set(group_of(plan, "x").tensors) == {"x", "y", "joined"}


def test_fixed_tensors_that_meet_others_in_a_concatenation_are_requantized() -> None:
    _, plan = planned("fixed tensors of two kinds and a free one concatenated")
    assert plan.requantized == ((Edge("joined", 0), "joined"), (Edge("joined", 1), "joined"))
    assert group_of(plan, "sigmoid").fixed == SIGMOID
    assert group_of(plan, "tanh").fixed == TANH
    joined = group_of(plan, "joined")
    assert (set(joined.tensors), joined.fixed) == ({"free", "joined"}, None)
    # Values requantized into the group may exceed those of its other member.
    assert set(joined.observed) == {"free", "joined"}
    assert "joined" in joined.rounded


def test_a_range_ends_where_all_readers_are_flat() -> None:
    _, plan = planned("readers that are flat far from zero")
    assert group_of(plan, "wide").tensors == ("wide", "line")
    assert group_of(plan, "wide").widest == 12.0
    assert [group_of(plan, name).widest for name in ("x", "shared", "gated", "sigmoid")] == [None] * 4


def test_fixed_tensors_alike_are_concatenated_as_they_are() -> None:
    _, plan = planned("fixed tensors alike concatenated")
    group = group_of(plan, "joined")
    assert set(group.tensors) == {"left", "right", "joined"}
    assert (group.fixed, group.observed, plan.requantized) == (SIGMOID, (), ())


def test_what_follows_a_fixed_tensor_without_computing_is_fixed_too() -> None:
    _, plan = planned("a softmax that is reshaped")
    group = group_of(plan, "soft")
    assert set(group.tensors) == {"soft", "pairs"}
    assert group.fixed == SIGMOID


def test_constants_are_quantized_like_the_activations_they_meet() -> None:
    _, plan = planned("constants added and concatenated")
    assert group_of(plan, "offset").tensors == ("offset",)
    assert set(group_of(plan, "prefix").tensors) == {"prefix", "sum", "joined"}
    assert set(group_of(plan, "prefix").observed) == {"prefix", "sum"}


def test_an_operator_that_clips_makes_its_operands_excess_irrelevant() -> None:
    _, plan = planned("a clip far beyond the values")
    group = group_of(plan, "x")
    assert group.tensors == ("x", "above", "between")
    assert group.observed == ("between",)


def test_a_clipped_tensor_that_is_also_shown_keeps_its_whole_range() -> None:
    graph = parse_graph("""
        input x: float32[1,8]
        const w: float32[8,8] = normal(1) @dense
        y = FULLY_CONNECTED(x, w) @dense
        clipped = RELU6(y) @clip
        other = RELU(y) @other
        output clipped, other
    """)
    assert set(group_of(make_plan(graph, QuantizeConfig()), "y").observed) == {"y", "clipped"}
    alone = replace(graph, outputs=("clipped",), nodes=graph.nodes[:2])
    assert group_of(make_plan(alone, QuantizeConfig()), "y").observed == ("clipped",)
    shown = replace(alone, outputs=("clipped", "y"))
    assert set(group_of(make_plan(shown, QuantizeConfig()), "y").observed) == {"y", "clipped"}


def test_constants_that_clip_tensors_of_two_groups_keep_the_groups_apart() -> None:
    _, plan = planned("a clip shared by tensors of different ranges")
    assert group_of(plan, "near") != group_of(plan, "far")
    assert "low" not in plan.observed


def test_a_fixed_tensor_is_requantized_where_a_constant_clips_it() -> None:
    _, plan = planned("a clip beyond what a fixed tensor can hold")
    assert plan.requantized == ((Edge("above", 0), "above"), (Edge("above", 1), "above"))
    assert group_of(plan, "above").fixed is None


def test_each_use_of_a_shared_bias_has_a_rule_of_its_own() -> None:
    _, plan = planned("a layer shared by inputs of different ranges")
    assert [(rule.node, rule.data) for rule in plan.biases] == [("near", "x"), ("far", "far_x")]
    assert [rule.tensor for rule in plan.weights] == ["w", "w"]


def test_an_operator_without_integer_kernels_is_an_island_with_its_reason() -> None:
    _, plan = planned("an operator without integer kernels between others")
    assert [(island.op, island.layer, island.reason) for island in plan.islands] == [
        ("CUMSUM", "running", "CUMSUM has no int8 kernel"),
        ("CUMSUM", "again", "CUMSUM has no int8 kernel"),
    ]
    assert set(plan.types) == {"before", "after", "other"}


def test_an_operator_without_int16_kernels_is_an_island_of_int16x8_alone() -> None:
    name = "operators without int16 kernels"
    assert planned(name)[1].islands == ()
    _, plan = planned(name, "int16x8")
    assert [island.reason for island in plan.islands] == [
        "PRELU has no int16 kernel",
        "HARD_SWISH has no int16 kernel",
    ]


@pytest.mark.parametrize("pattern", ["pool", "p*l", "po?l"])
def test_a_layer_is_skipped_by_name_and_by_pattern(pattern: str) -> None:
    _, plan = planned("a chain that only moves values", skip=[pattern])
    assert [(island.layer, island.reason) for island in plan.islands] == [("pool", "named in skip")]


def test_a_skipped_model_skips_the_layers_in_it() -> None:
    text = (
        GRAPHS["a chain that only moves values"].replace("@conv", "@features/conv").replace("@pool", "@features/pool")
    )
    plan = make_plan(parse_graph(text), QuantizeConfig(skip=("features",)))
    assert [island.layer for island in plan.islands] == ["features/conv", "features/pool"]


def test_a_skip_pattern_that_matches_nothing_is_refused_with_the_closest_layer() -> None:
    with pytest.raises(ConfigError, match=r"fix: +did you mean 'flatten'\?"):
        planned("a chain that only moves values", skip=["flaten"])


@pytest.mark.parametrize("scheme", ["float32", "float16", "dynamic"])
def test_a_skip_pattern_is_checked_whatever_the_scheme(scheme: str) -> None:
    with pytest.raises(ConfigError, match=r"fix: +did you mean 'dense'\?"):
        planned("a chain that only moves values", scheme, skip=["dens"])


def test_weights_are_int8_per_output_channel_unless_asked_otherwise() -> None:
    _, plan = planned("a chain that only moves values")
    assert plan.weights == (
        WeightRule("y", 1, "k", DType.INT8, PerAxis(0)),
        WeightRule("z", 1, "w", DType.INT8, PerAxis(0)),
    )
    _, plan = planned("a chain that only moves values", per_axis=False)
    assert {rule.granularity for rule in plan.weights} == {PerTensor()}


def test_int4_weights_have_the_granularity_every_runtime_accepts() -> None:
    _, plan = planned("a chain that only moves values", "int8x4")
    assert [(rule.dtype, rule.granularity) for rule in plan.weights] == [
        (DType.INT4, PerAxis(0)),
        (DType.INT4, PerTensor()),
    ]


def test_dynamic_quantizes_the_large_weights_of_hybrid_kernels() -> None:
    graph, plan = planned("a layer large enough for hybrid kernels and one that is not", "dynamic")
    assert plan.weights == (WeightRule("large", 1, "w1", DType.INT8, PerAxis(0)),)
    assert graph.tensors["w2"].size < MINIMUM_HYBRID_ELEMENTS <= graph.tensors["w1"].size
    assert (plan.groups, plan.types, plan.islands) == ((), {}, ())


def test_float16_halves_every_weight() -> None:
    _, plan = planned("a layer large enough for hybrid kernels and one that is not", "float16")
    assert [(rule.tensor, rule.dtype) for rule in plan.weights] == [("w1", DType.FLOAT16), ("w2", DType.FLOAT16)]


def test_weights_left_wider_than_the_scheme_says_are_told_with_the_reason() -> None:
    def told(name: str, scheme: str, **options: object) -> list[tuple[str, str]]:
        graph, plan = planned(name, scheme, **options)
        config = QuantizeConfig.from_mapping({"scheme": scheme, **options})
        return [(note.subject, note.text) for note in remarks(graph, plan, config)]

    hybrid = "a layer large enough for hybrid kernels and one that is not"
    assert told(hybrid, "dynamic") == [("small", "FULLY_CONNECTED has float32 weights: they are fewer than 1024")]
    assert told(hybrid, "float16", skip=["large"]) == [("large", "FULLY_CONNECTED has float32 weights: named in skip")]
    assert told(hybrid, "float16") == told(hybrid, "float32") == told(hybrid, "int8") == told(hybrid, "int8x4") == []
    assert told(hybrid, "int8", skip=["large"]) == [("large", "FULLY_CONNECTED stays in float: named in skip")]
    upward = "a transposed convolution"
    assert told(upward, "int8x4") == [
        ("up", "TRANSPOSE_CONV has int8 weights: not every runtime has an int4 kernel for it")
    ]
    assert told(upward, "dynamic") == [
        ("up", "TRANSPOSE_CONV has float32 weights: it has no kernel for float activations and int8 weights")
    ]


def test_a_layer_may_have_weights_of_its_own() -> None:
    layers = (LayerConfig("dense", weights="int4"), LayerConfig("*", per_axis=False))
    _, plan = planned("a chain that only moves values", layers=layers)
    assert [(rule.dtype, rule.granularity) for rule in plan.weights] == [
        (DType.INT8, PerTensor()),
        (DType.INT4, PerTensor()),
    ]
    _, plan = planned("a chain that only moves values", "int8x4", layers=[{"pattern": "conv", "weights": "int8"}])
    assert [rule.dtype for rule in plan.weights] == [DType.INT8, DType.INT4]


def test_a_pattern_of_a_layers_own_that_matches_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"unknown layer 'densse'(.|\n)*fix: +did you mean 'dense'\?"):
        planned("a chain that only moves values", layers=(LayerConfig("densse", weights="int4"),))


def test_float32_changes_nothing() -> None:
    _, plan = planned("a layer large enough for hybrid kernels and one that is not", "float32")
    assert plan.weights == ()


@pytest.mark.parametrize("scheme", ["dynamic", "float16"])
def test_skipped_layers_keep_their_float_weights(scheme: str) -> None:
    _, plan = planned("a layer large enough for hybrid kernels and one that is not", scheme, skip=["large"])
    assert "w1" not in [rule.tensor for rule in plan.weights]


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize("scheme", ["int8", "int16x8", "int8x4"])
def test_every_tensor_of_an_integer_operator_is_in_one_group_or_under_one_rule(name: str, scheme: str) -> None:
    graph, config = graph_of(name), QuantizeConfig(scheme=scheme)
    plan = make_plan(graph, config)
    members = [member for group in plan.groups for member in group.tensors]
    assert len(members) == len(set(members))
    ruled = {rule.tensor for rule in (*plan.weights, *plan.biases)}
    for node in graph.nodes:
        if node.outputs[0] in plan.types:
            floats = {n for n in (*node.inputs, *node.outputs) if n and graph.tensors[n].dtype.is_float}
            entering = {node.inputs[e.input] for e, _ in plan.requantized if e.node == node.outputs[0]}
            assert floats <= {*members, *ruled, *entering}
    assert all(group.fixed or group.observed for group in plan.groups)


def calls_made(function: Callable[[], object]) -> int:
    """How many Python functions a function calls, itself and theirs included."""
    calls = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    try:
        function()
    finally:
        sys.setprofile(None)
    return calls


def test_planning_takes_work_in_proportion_to_the_graph() -> None:
    def chain(length: int) -> Graph:
        lines = [f"x{i + 1} = {'RELU' if i % 3 else 'ABS'}(x{i}) @layer_{i}" for i in range(length)]
        return parse_graph("\n".join(["input x0: float32[1,4]", *lines, f"output x{length}"]))

    short, long = (calls_made(partial(make_plan, chain(length), QuantizeConfig())) for length in (100, 800))
    assert long < 9 * short


def test_weights_that_no_kernel_has_are_refused_and_not_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    schemes = {**SCHEMES, "int8x16": Scheme("int8x16", DType.INT8, DType.INT16, "wider weights than kernels take")}
    monkeypatch.setattr("octavo.config.SCHEMES", schemes)
    with pytest.raises(ConfigError, match=r"int16 weights beside int8.*\n.*int4, int8\n +fix: +use a scheme that"):
        make_plan(graph_of("a transposed convolution"), QuantizeConfig("int8x16"))


@pytest.mark.parametrize("effort", ["fast", "best"])
def test_no_effort_helps_a_plan_that_rounds_no_weights(effort: str) -> None:
    _, plan = planned("two inputs")
    assert "effort" not in what_helps(plan, QuantizeConfig(effort=effort))
