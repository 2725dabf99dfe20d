"""Bias correction without a sample: expected inputs follow from what batch normalizations remember.

Source: Nagel et al. 2019, "Data-Free Quantization Through Weight Equalization and Bias Correction", section 4.2 and
appendix C.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from octavo.condition.biases import own_biases
from octavo.condition.expected_means import expected_means, product
from octavo.condition.method import Conditioned, settled
from octavo.condition.normals import Normal
from octavo.condition.rounding import rounded
from octavo.condition.samples import Samples
from octavo.condition.scaling import linear_nodes
from octavo.ir.notes import Note
from octavo.plan.types import Plan


@dataclass(frozen=True, slots=True)
class AnalyticBiasCorrection:
    """`bias[c] -= sum over i of (rounded w[c, i] - w[c, i]) E[x[i]]`, with means that no sample is needed for.

    What is known of means stands in `octavo.condition.expected_means`. A layer whose inputs' means do not follow keeps
    its bias. Borders are left out of account.

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
            shift = product(own, shape, moved, means[own.data])
            old = now.tensors[bias].values
            deployed[bias] = (old - shift.reshape(old.shape)).astype(np.float32)
        layers = len({rule.node for rule in plan.weights})
        told = f"corrected the biases of {len(deployed)} of {layers} layers by what normalizations remember"
        return Conditioned(graph, deployed=deployed, notes=(*notes, Note(self.name, graph.name, told)))
