"""A planned graph as what trains its rounding sees it: what is rounded how, and what may move."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from octavo.calibration.ranges import estimate, observed_tensors
from octavo.calibration.runner import calibrate
from octavo.condition.biases import own_biases
from octavo.condition.method import Conditioned, settled
from octavo.condition.rounding import rounded
from octavo.condition.samples import Values
from octavo.condition.segments import Segment, piece
from octavo.condition.trial import compared_tensors
from octavo.dtypes import DType
from octavo.ir.graph import consumers, producers
from octavo.ir.types import Graph, Node, Quantization
from octavo.numerics.affine import along_axis, dequantize, quantize
from octavo.numerics.estimators import Estimator
from octavo.ops.table import spec_of
from octavo.plan.types import Member, Plan, WeightRule
from octavo.quantization.parameters import settle_parameters
from octavo.quantization.weights import largest_magnitude, quantize_weight

# What the activations of a batch may take, of both networks, forth and back.
MEMORY_BYTES = 2 << 30
# How often training holds an activation: in float, before rounding, rounded, and as a gradient.
HELD = 4
# And a weight whose integers train: these, how far they moved and lie beside it, whether they are settled, what they
# make, its gradient and that's moments.
WEIGHTS_HELD = 8
BATCH = 32


@dataclass(frozen=True, slots=True, eq=False)
class Learned:
    """A layer whose scales and bias train.

    Attributes:
        node: By its first output.
        weight, bias: Names of its constants; None for a bias that stays.
        integers: Of the weight; float32.
        beside: How far from them the weight lies in float, in steps, at most half; 0 where they are not the nearest but
            chosen otherwise, as by what is not known.
        largest: Integer of its type.
        scale: To start from, broadcast against them; float32.
        limit: What the largest integer stands for at that scale; shape as `largest_magnitude`.
        bias_start: To start from, real; None for one that stays.
        bias_step: What the bias is moved in.
    """

    node: str
    weight: str
    bias: str | None
    integers: np.ndarray
    beside: np.ndarray
    largest: int
    scale: np.ndarray
    limit: np.ndarray
    bias_start: np.ndarray | None
    bias_step: float


@dataclass(frozen=True, slots=True, eq=False)
class RoundedNetwork:
    """A network and what rounding makes of it.

    Attributes:
        graph: In float.
        constants: The rounded network's own constants, by name; of the others it has the float network's.
        learned: The layers that train.
        activations: Type and parameters of the activations that are rounded, by name.
        shares: What the noise of a tensor counts for in the loss, by name.
    """

    graph: Graph
    constants: Mapping[str, np.ndarray]
    learned: tuple[Learned, ...]
    activations: Mapping[str, tuple[DType, Quantization]]
    shares: Mapping[str, float]


def what_hinders(graph: Graph, plan: Plan) -> str:
    """Why rounding cannot be trained; "" if it can."""
    without = [node for node in graph.nodes if not _has_gradient(node)]
    if without:
        return f"{without[0].op} of '{without[0].layer}' has no form to train through"
    return "" if _trained(graph, plan) else "no integer weight is a matrix that integers are multiplied by"


def rounded_network(state: Conditioned, plan: Plan, samples: Values, estimator: Estimator) -> RoundedNetwork:
    """What rounding makes of a conditioned graph.

    Args:
        state: The graph, and what is deployed by now.
        plan: Of an integer scheme.
        samples: To measure ranges on, by input name.
        estimator: Of the ranges.
    """
    graph, deployed = state.graph, settled(state).graph
    parameters = _parameters(deployed, plan, samples, estimator, state.limits)
    constants = {name: deployed.tensors[name].values for name in state.deployed}
    for name, (dtype, own) in parameters.items():
        if graph.tensors[name].data is not None:
            constants[name] = dequantize(quantize(graph.tensors[name].values, own, dtype), own)
    for rule in plan.weights:
        constants[rule.tensor] = rounded(deployed.tensors[rule.tensor], rule, state.limits)
    biases = own_biases(graph, plan, "")[0]
    rules = _trained(graph, plan)
    outputs = compared_tensors(graph)
    shares = {rule.node: 1 / len(rules) for rule in rules}
    for name in outputs:
        shares[name] = shares.get(name, 0.0) + 1 / len(outputs)
    return RoundedNetwork(
        graph,
        constants,
        tuple(_learned(state, deployed, rule, biases.get(rule.node), parameters) for rule in rules),
        {name: each for name, each in parameters.items() if graph.tensors[name].data is None},
        shares,
    )


def in_block(network: RoundedNetwork, block: Segment) -> RoundedNetwork:
    """A block of a network, whose outputs count alike."""
    graph = piece(network.graph, block)
    made = {name for node in graph.nodes for name in node.outputs}
    learned = tuple(layer for layer in network.learned if layer.node in made)
    return replace(network, graph=graph, learned=learned, shares=dict.fromkeys(block.outputs, 1 / len(block.outputs)))


def _has_gradient(node: Node) -> bool:
    """Whether an operator can be computed on Keras tensors."""
    spec = spec_of(node.op)
    return len(node.outputs) == 1 and not spec.states and (spec.matrix_form is not None or spec.training is not None)


def _trained(graph: Graph, plan: Plan) -> tuple[WeightRule, ...]:
    """The integer weights of linear operators on integers, which nothing else reads."""
    readers, made_by = consumers(graph), producers(graph)
    return tuple(
        rule
        for rule in plan.weights
        if rule.node in plan.types
        and spec_of(made_by[rule.node].op).matrix_form is not None
        and len(readers[rule.tensor]) == 1
    )


def _parameters(
    graph: Graph, plan: Plan, samples: Values, estimator: Estimator, limits: Mapping[str, np.ndarray]
) -> dict[str, tuple[DType, Quantization]]:
    """Type and parameters of what is rounded, activations and constant operands, by name."""
    statistics = calibrate(
        graph, observed_tensors(graph, plan), dict(samples), needs_histogram=estimator.needs_histogram
    )
    chosen = settle_parameters(graph, plan, estimate(graph, plan, statistics, estimator), limits).activations
    return {
        name: (group.dtype, chosen[Member(name, group.dtype)])
        for group in plan.groups
        for name in group.rounded
        if plan.natives.get(name, group.dtype) is group.dtype
    }


def _learned(
    state: Conditioned,
    deployed: Graph,
    rule: WeightRule,
    bias: str | None,
    parameters: Mapping[str, tuple[DType, Quantization]],
) -> Learned:
    """A layer as it starts."""
    values = deployed.tensors[rule.tensor].values
    limit = state.limits.get(rule.tensor, largest_magnitude(values, rule.granularity))
    integers, own = quantize_weight(values, limit, rule.dtype, rule.granularity)
    scale, _ = along_axis(own, integers.ndim)
    largest = rule.dtype.integer_range[1]
    step = float(parameters[rule.node][1].scale[0]) if rule.node in parameters else float(np.mean(scale))
    start = None if bias is None else deployed.tensors[bias].values
    beside = np.zeros_like(values) if rule.tensor in state.deployed else np.clip(values / scale - integers, -0.5, 0.5)
    return Learned(
        rule.node,
        rule.tensor,
        bias,
        integers.astype(np.float32),
        beside.astype(np.float32),
        largest,
        scale,
        limit,
        start,
        step,
    )


def batch_of(graph: Graph, count: int, taken: int = 0) -> int:
    """How many samples a step looks at: `BATCH`, all, or as many as `MEMORY_BYTES` holds beside `taken`; at least 1."""
    return max(1, min(BATCH, count, (MEMORY_BYTES - taken) // max(1, _sample_bytes(graph))))


def fits(network: RoundedNetwork) -> bool:
    """Whether training a network on a sample takes no more than `MEMORY_BYTES`."""
    return weight_bytes(network) + _sample_bytes(network.graph) <= MEMORY_BYTES


def weight_bytes(network: RoundedNetwork) -> int:
    """What integers that train take."""
    return WEIGHTS_HELD * sum(layer.integers.nbytes for layer in network.learned)


def _sample_bytes(graph: Graph) -> int:
    return HELD * 4 * sum(graph.tensors[name].size for node in graph.nodes for name in node.outputs)
