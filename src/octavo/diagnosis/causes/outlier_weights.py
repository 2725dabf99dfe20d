"""A few weights reach far beyond the others under one scale, and leave them few steps."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from octavo.diagnosis.causes.cause import Case, Cause, Suspicion, of_layers
from octavo.ops.roles import Weight
from octavo.ops.table import spec_of

# Largest magnitude under a scale by the root of the mean square of the others under it.
FAR = 16.0
LEAST_WEIGHTS = 8


def look(case: Case) -> Iterator[Suspicion]:
    """Weights that matter, with a scale that one of them sets alone."""
    nodes = {node.outputs[0]: node for node in case.pair.floats.nodes}
    for place, error in case.weights():
        role = spec_of(nodes[place.node].op).role(place.index)
        if place.dtype.bits < 8 or not isinstance(role, Weight) or not case.matters(error.weights_effect):
            continue
        values = np.abs(case.pair.floats.tensors[place.tensor].values).astype(np.float64)
        lines = np.moveaxis(values, role.axis, 0).reshape(values.shape[role.axis], -1)
        lines = lines if place.per_axis else lines.reshape(1, -1)
        if lines.shape[1] < LEAST_WEIGHTS:
            continue
        largest = lines.max(axis=1)
        others = np.sqrt(((lines**2).sum(axis=1) - largest**2).clip(0) / (lines.shape[1] - 1))
        ratios = np.divide(largest, others, out=np.ones_like(largest), where=others > 0)
        far = np.flatnonzero(ratios > FAR)
        if not far.size:
            continue
        where = f"in {far.size} of {len(lines)} channels" if place.per_axis else "in it"
        yield Suspicion(
            error.layer,
            f"one weight {where} is up to {ratios.max():.3g} times as large as the others are on the whole: they are "
            f"left {127 / ratios.max():.2g} of 127 steps",
            {"ratio": float(ratios.max()), "channels": float(far.size)},
            error.weights_effect,
            (of_layers([error.layer], "float for", activations="float32"),),
        )


CAUSE = Cause("outlier_weights", "a few weights far larger than the others", look)
