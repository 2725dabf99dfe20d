"""Measures what a layer loses and what a file costs: all that it takes, so that it can go to another process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from octavo.board.boards import Board, board_of
from octavo.condition import GPTQ, BiasCorrection, Conditioned, Samples
from octavo.condition.trial import Trial
from octavo.config import QuantizeConfig, layer_of_type
from octavo.errors import ConfigError, ModelFileError, RuntimeEndedError
from octavo.evaluate.memory import memory
from octavo.footprint.generated import generated
from octavo.footprint.micro import in_micro
from octavo.footprint.parts import Way
from octavo.ir.types import Graph
from octavo.pipeline import quantize_prepared
from octavo.plan.make import make_plan
from octavo.plan.types import Plan
from octavo.result import QuantizedModel
from octavo.search.candidate import Candidate, Cost
from octavo.search.score import Judge
from octavo.stages import Prepared, Source


@dataclass(frozen=True, eq=False)
class Workbench:
    """A network and samples of it.

    Attributes:
        prepared: The float graph.
        config: What all files have in common.
        trial: By the plan of `config`; its samples are those that ranges and rounding see, and those held out.
        board: What files shall run on; None for budgets alone.
    """

    prepared: Prepared
    config: QuantizeConfig
    trial: Trial
    board: Board | None = None

    @property
    def graph(self) -> Graph:
        """The float graph."""
        return self.prepared.graph

    @property
    def source(self) -> Source:
        """The samples that ranges and rounding see."""
        return Source(dict(self.trial.seen), integer_divisor=1)

    @cached_property
    def eight_bits(self) -> Conditioned:
        """All weights at eight bits, rounded as the level of effort rounds them."""
        return self._rounded("int8")

    @cached_property
    def four_bits(self) -> Conditioned:
        """Likewise at four, where there are kernels."""
        return self._rounded("int8x4")

    @cached_property
    def base_noise(self) -> float:
        """The noise where every layer is int8."""
        return self.trial.noise_of(self.eight_bits)

    def plan_with(self, layer: str, name: str) -> Plan | None:
        """The plan with one layer of another type; None where a kernel is missing."""
        try:
            return make_plan(self.graph, replace(self.config, layers=(layer_of_type(layer, name), *self.config.layers)))
        except ConfigError:
            return None

    def made(self, candidate: Candidate) -> QuantizedModel:
        """The file of a candidate, made of the samples seen and not verified.

        Raises:
            ConfigError, ModelFileError, RuntimeEndedError: if there is none.
        """
        config = replace(candidate.config(self.config), verify="off")
        return quantize_prepared(self.prepared, config, self.source, may_mix=False)

    def _rounded(self, scheme: str) -> Conditioned:
        state = Conditioned(self.graph)
        if self.config.effort == "fast":
            return state
        method = BiasCorrection(measure=False) if self.config.effort == "default" else GPTQ()
        samples = Samples(self.source.data, tuple(self.graph.tensors[name] for name in self.graph.inputs), 1)
        return method.apply(state, make_plan(self.graph, replace(self.config, scheme=scheme)), samples)

    def __getstate__(self) -> dict[str, Any]:
        # What runs the model that was loaded stays with it.
        return {**self.__dict__, "prepared": replace(self.prepared, compute=None)}


def loss(bench: Workbench, layer: str, name: str) -> float:
    """What a layer of another type adds to the noise of int8 throughout; less than nothing where it takes some away."""
    plan = bench.plan_with(layer, name)
    assert plan is not None
    base, own = bench.eight_bits, ruled_constants(bench.graph, plan, layer)
    other = {"int4": bench.four_bits, "float32": Conditioned(bench.graph)}.get(name, base)
    mixed = replace(
        base,
        limits=_mixed(base.limits, other.limits, own),
        deployed=_mixed(base.deployed, other.deployed, own),
    )
    return replace(bench.trial, plan=plan).noise_of(mixed) - bench.base_noise


def cost(bench: Workbench, candidate: Candidate) -> dict[str, Any]:
    """What a candidate's file costs, as the fields of `Cost`."""
    try:
        made = bench.made(candidate)
        noise = bench.trial.noise(made.graph)
    except (ConfigError, ModelFileError, RuntimeEndedError):
        return asdict(Cost(np.inf, 0, 0, None, None))
    return asdict(_cost(noise, made, bench.board))


def score(bench: Workbench, candidate: Candidate, judge: Judge) -> dict[str, Any]:
    """What a candidate's file is worth by labels, as the fields of `Score`."""
    return asdict(judge.score(bench.made(candidate)))


def _cost(noise: float, made: QuantizedModel, board: Board | None) -> Cost:
    size = len(made.model)
    if board is None:
        used, way = memory(made.model), generated(made.graph, board_of(None)).way
        return Cost(noise, size, size, used.arena_bytes, _instructions(way))
    ways = [generated(made.graph, board).way, in_micro(made.model, made.graph, board)]
    there_are = [way for way in ways if not way.obstacle]
    if not there_are:
        return Cost(noise, size, size, None, None)
    way = min(there_are, key=lambda each: (not each.fits(board), each.flash_bytes))
    return Cost(noise, size, way.flash_bytes, way.ram_bytes, _instructions(way))


def ruled_constants(graph: Graph, plan: Plan, layer: str) -> frozenset[str]:
    """The weights and biases of a layer that a plan rounds."""
    nodes = {node.outputs[0] for node in graph.nodes if node.layer == layer}
    weights = {rule.tensor for rule in plan.weights if rule.node in nodes}
    return frozenset(weights | {rule.tensor for rule in plan.biases if rule.node in nodes})


def _mixed(
    these: Mapping[str, np.ndarray], those: Mapping[str, np.ndarray], names: frozenset[str]
) -> dict[str, np.ndarray]:
    """These, but of some names those."""
    return {name: values for name, values in these.items() if name not in names} | {
        name: values for name, values in those.items() if name in names
    }


def _instructions(way: Way) -> float | None:
    return sum(way.instructions) or None
