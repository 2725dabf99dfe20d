"""Bias correction without a sample: expected inputs follow from what batch normalizations remember.

Source: Nagel et al. 2019, "Data-Free Quantization Through Weight Equalization and Bias Correction", section 4.2 and
appendix C.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from octavo.condition.biases import own_biases
from octavo.condition.method import Conditioned, settled
from octavo.condition.normals import Normal
from octavo.condition.offsets import handed_on, hands_on
from octavo.condition.rounding import rounded
from octavo.condition.samples import Samples
from octavo.condition.scaling import Linear, linear_nodes, per_input
from octavo.ir.notes import Note
from octavo.ir.types import Graph
from octavo.ops.fused import FusedActivation, activation_of
from octavo.ops.operands import data_inputs
from octavo.plan.types import Plan


@dataclass(frozen=True, slots=True)
class AnalyticBiasCorrection:
    """`bias[c] -= sum over i of (rounded w[c, i] - w[c, i]) E[x[i]]`, with means that no sample is needed for.

    What a normalized layer makes is taken for normal, with the mean and the deviation that the normalization gives it,
    clipped by the layer's activation; means pass through averages, sums and concatenations, and through layers without
    an activation. A layer whose inputs' means do not follow keeps its bias. Borders are left out of account.

    Attributes:
        normals: Of the loaded model, by tensor, as `octavo.condition.normals.normals_of` finds them; left empty, they
            are filled in when a model is quantized.
    """

    normals: Mapping[str, Normal] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The method's name."""
        return "analytic_bias_correction"

    def apply(self, before: Conditioned, plan: Plan, samples: Samples) -> Conditioned:
        """Correct every bias that can be, without a look at samples; see `octavo.condition.method.Method.apply`."""
        graph, linear = before.graph, linear_nodes(before.graph)
        places, notes = own_biases(graph, plan, self.name)
        means, rules = expected_means(graph, linear, self.normals), {rule.node: rule for rule in plan.weights}
        deployed, now = {}, settled(before).graph
        for name, bias in places.items():
            own = linear.get(name)
            if own is None or own.data not in means:
                continue
            weight, shape = now.tensors[own.weight], graph.tensors[own.data].shape
            moved = rounded(weight, rules[name], before.limits).astype(np.float64) - graph.tensors[own.weight].values
            shift = _product(own, shape, moved, means[own.data])
            old = now.tensors[bias].values
            deployed[bias] = (old - shift.reshape(old.shape)).astype(np.float32)
        layers = len({rule.node for rule in plan.weights})
        told = f"corrected the biases of {len(deployed)} of {layers} layers by what normalizations remember"
        return Conditioned(graph, deployed=deployed, notes=(*notes, Note(self.name, graph.name, told)))


def expected_means(graph: Graph, linear: Mapping[str, Linear], normals: Mapping[str, Normal]) -> dict[str, np.ndarray]:
    """Mean of each channel of the tensors whose statistics follow from normalizations; float64, by name."""
    means: dict[str, np.ndarray] = {}
    for node in graph.nodes:
        name, own = node.outputs[0], linear.get(node.outputs[0])
        if own is None:
            entering = [each for _, each in data_inputs(graph, node)]
            handed = handed_on(graph, node, means) if hands_on(graph, node) else None
            means |= {name: handed} if handed is not None and all(each in means for each in entering) else {}
        elif name in normals and len(normals[name].mean) == graph.tensors[name].shape[-1]:
            means[name] = normals[name].clipped_mean(activation_of(node.options))
        elif own.data in means and activation_of(node.options) is FusedActivation.NONE:
            weight, bias = (graph.tensors[each].values.astype(np.float64) for each in (own.weight, own.bias))
            means[name] = _product(own, graph.tensors[own.data].shape, weight, means[own.data]) + bias.ravel()
    return means


def _product(own: Linear, shape: tuple[int, ...], weight: np.ndarray, means: np.ndarray) -> np.ndarray:
    """What a layer makes of inputs that are their means everywhere, without its bias; one number a channel."""
    matrices = own.form.matrices(shape, weight)
    return (matrices * per_input(means, matrices.shape)).sum(axis=1).ravel()
