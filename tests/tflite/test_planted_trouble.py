"""Trouble planted in a network that is sound otherwise: each method mends what it is for, and nothing else moves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

import octavo
from octavo.condition import GPTQ, AbsorbBiases, BiasCorrection, Conditioned, Method, Samples, ScaleChannels, condition
from octavo.condition.trial import Trial
from octavo.config import QuantizeConfig
from octavo.ir.graph import with_tensors
from octavo.ir.types import Graph
from octavo.numerics.estimators import MinMax
from octavo.ops.text import parse_graph
from octavo.pipeline import quantize_prepared
from octavo.plan.make import make_plan
from octavo.stages import Prepared, Source
from octavo.write.tflite import write_tflite

# What squashes lets no factor through, so that the third layer has nothing to do with trouble between the others.
NETWORK = """
input x: float32[1,8,8,3]
const k1: float32[8,3,3,3] = normal(1) @first
const b1: float32[8] = normal(2) @first
const k2: float32[8,1,1,8] = normal(3) @second
const b2: float32[8] = normal(4) @second
const k3: float32[6,3,3,8] = normal(5) @third
const b3: float32[6] = normal(6) @third
first = CONV_2D(x, k1, b1) {fused_activation_function=RELU} @first
second = CONV_2D(first, k2, b2) @second
squashed = LOGISTIC(second) @squash
third = CONV_2D(squashed, k3, b3) @third
output third
"""
DATA = np.random.default_rng(9).uniform(-1, 2, (40, 8, 8, 3)).astype(np.float32)
HELD_OUT = 12
CHANNEL = 3


def sound(activation: str = "RELU") -> Graph:
    """The network with weights on the grid of int8, and results of the first two layers within a few units of 0."""
    graph = parse_graph(NETWORK.replace("=RELU", f"={activation}"))
    for name, step in (("k1", 2.0**-10), ("k2", 2.0**-9), ("k3", 2.0**-7)):
        values = graph.tensors[name].values
        largest = np.abs(values).max(axis=(1, 2, 3), keepdims=True)
        # The largest of each channel stands for 127.
        graph = changed(graph, name, lambda old, a=largest, s=step: np.rint(old / a * 127) * s)
    return changed(graph, "b1", lambda old: np.abs(old) / 8 + 1)


def changed(graph: Graph, name: str, change: Callable[[np.ndarray], np.ndarray]) -> Graph:
    tensor = graph.tensors[name]
    return with_tensors(graph, [replace(tensor, data=change(tensor.values.copy()).astype(np.float32))])


def scaled(graph: Graph, factors: np.ndarray) -> Graph:
    """The same function, with the channels between the first two layers scaled."""
    graph = changed(graph, "k1", lambda old: old * factors[:, None, None, None])
    return changed(changed(graph, "b1", lambda old: old * factors), "k2", lambda old: old / factors)


def large_channel(graph: Graph) -> Graph:
    return scaled(graph, np.where(np.arange(8) == CHANNEL, 1000.0, 1.0))


def small_channels(graph: Graph) -> Graph:
    return scaled(graph, np.where(np.arange(8) == CHANNEL, 1.0, 1 / 256))


def lifted(graph: Graph) -> Graph:
    """Channels between the first two layers that lie a hundred apart, all above what the first layer's ReLU cuts."""
    places = np.linspace(100, 800, 8)
    graph = changed(graph, "b1", lambda old: old + places)
    return changed(graph, "b2", lambda old: old - graph.tensors["k2"].values[:, 0, 0] @ places)


def leaning(graph: Graph) -> Graph:
    """Weights of the second layer that all round down by nearly half a step, but for the largest of each channel."""

    def lean(kernel: np.ndarray) -> np.ndarray:
        largest = np.abs(kernel) == np.abs(kernel).max(axis=3, keepdims=True)
        return np.where(largest, kernel, 0.45 * 2.0**-9)

    return changed(graph, "k2", lean)


@dataclass(frozen=True)
class Trouble:
    """What is planted, which method mends it, and which constants it may change for that."""

    plant: Callable[[Graph], Graph]
    method: Method
    moves: frozenset[str]
    activation: str = "RELU"


TROUBLES: Mapping[str, Trouble] = {
    "a channel a thousand times the others": Trouble(large_channel, ScaleChannels(), frozenset({"k1", "b1", "k2"})),
    "small channels below a ReLU6's bound": Trouble(
        small_channels, ScaleChannels(), frozenset({"k1", "b1", "k2"}), "RELU6"
    ),
    "channels that lie far apart": Trouble(lifted, AbsorbBiases(), frozenset({"b1", "b2"})),
    # A later bias makes up for what of the earlier layers' error is a mean.
    "rounding that leans to one side": Trouble(leaning, BiasCorrection(measure=False), frozenset({"b2", "b3"})),
}


def judged(graph: Graph, method: Method, scheme: str = "int8") -> tuple[Conditioned, float, float]:
    """What a method makes of a graph, and the SQNR without and with it on samples held out."""
    plan, inputs = make_plan(graph, QuantizeConfig(scheme)), (graph.tensors["x"],)
    seen, held = (Samples(part, inputs) for part in (DATA[HELD_OUT:], DATA[:HELD_OUT]))
    trial = Trial.of(graph, plan, MinMax(), tuple(seen), tuple(held))
    after = condition(graph, plan, seen, [method])
    assert make_plan(after.graph, QuantizeConfig(scheme)) == plan
    return after, trial.sqnr_db(Conditioned(graph)), trial.sqnr_db(after)


def moved(before: Graph, after: Graph) -> set[str]:
    """The constants that are not the same, bit for bit."""
    return {
        name
        for name, tensor in before.tensors.items()
        if tensor.is_constant and not np.array_equal(tensor.values, after.tensors[name].values)
    }


@pytest.mark.parametrize("name", TROUBLES)
def test_trouble_is_mended_by_its_method_and_nothing_else_moves(name: str) -> None:
    trouble = TROUBLES[name]
    healthy = sound(trouble.activation)
    _, well, _ = judged(healthy, trouble.method)
    graph = trouble.plant(healthy)
    after, before, mended = judged(graph, trouble.method)
    assert before < well
    # More than half of what the trouble takes is won back.
    assert mended > (before + well) / 2
    assert moved(graph, after.graph) <= trouble.moves
    assert moved(graph, after.graph)
    assert set(after.limits) <= trouble.moves


@pytest.mark.parametrize("name", TROUBLES)
def test_layers_apart_from_the_trouble_are_the_same_in_the_file(name: str) -> None:
    trouble = TROUBLES[name]
    graph = trouble.plant(sound(trouble.activation))
    config = QuantizeConfig("int8", effort="fast", verify="off")
    files = [
        quantize_prepared(Prepared(graph, (), {}, False), config, Source(DATA), methods=methods).graph
        for methods in ((), (trouble.method,))
    ]
    apart = [
        tensor.name for tensor in files[0].tensors.values() if tensor.is_constant and tensor.name not in trouble.moves
    ]
    assert "k3" in apart
    for own in apart:
        one, other = (each.tensors[own] for each in files)
        # A bias is stored in steps of what it is added to.
        if own.startswith("k"):
            assert np.array_equal(one.values, other.values)
            assert one.parameters == other.parameters


def dead_channel(graph: Graph) -> Graph:
    """A channel of zeros; what reads it has larger weights there than anywhere else."""
    dead = np.arange(8) == CHANNEL
    graph = changed(graph, "k1", lambda old: np.where(dead[:, None, None, None], 0, old))
    graph = changed(graph, "b1", lambda old: np.where(dead, -1, old))
    return changed(graph, "k2", lambda old: np.where(dead, 1.25 * np.abs(old).max(), old))


@pytest.mark.parametrize("method", [GPTQ(), BiasCorrection(measure=False)], ids=lambda each: each.name)
def test_rounding_is_mended_beside_a_dead_channel_which_stays_dead(method: Method) -> None:
    graph = dead_channel(sound())
    after, before, mended = judged(graph, method, "int8x4")
    assert mended > before
    for name in ("k1", "b1"):
        assert np.array_equal(after.graph.tensors[name].values[CHANNEL], graph.tensors[name].values[CHANNEL])


def test_a_dead_channel_is_not_scaled_with_the_others() -> None:
    graph = scaled(dead_channel(sound()), np.where(np.arange(8) == CHANNEL + 1, 1000.0, 1.0))
    after, before, mended = judged(graph, ScaleChannels())
    assert mended > before
    for name, own in (("k1", (CHANNEL,)), ("b1", (CHANNEL,)), ("k2", (..., CHANNEL))):
        assert np.array_equal(after.graph.tensors[name].values[own], graph.tensors[name].values[own])


def test_mending_an_unscaled_branch_leaves_the_layers_before_and_behind_as_they_are(tmp_path: Path) -> None:
    graph = parse_graph(
        """
        input x: float32[1,8,8,3]
        const k1: float32[8,3,3,3] = normal(1) @left
        const b1: float32[8] = normal(2) @left
        const k2: float32[8,1,1,3] = normal(3) @right
        const b2: float32[8] = normal(4) @right
        left = CONV_2D(x, k1, b1) @left
        right = CONV_2D(x, k2, b2) @right
        joined = CONCATENATION(left, right) {axis=3} @join
        output joined
        """
    )
    for name in ("k2", "b2"):
        graph = changed(graph, name, lambda old: old / 1000)
    path = tmp_path / "branches.tflite"
    path.write_bytes(write_tflite(graph))
    plain, mended = (octavo.quantize(path, "int8", DATA, effort="fast", mend=mend) for mend in (False, True))
    assert {each.operand for each in plain.coarse} == {"right"}
    assert mended.coarse == ()
    for name in ("k1", "k2"):
        one, other = (each.graph.tensors[name] for each in (plain, mended))
        assert np.array_equal(one.values, other.values)
        assert one.parameters == other.parameters
