"""A few weights, or constants, reach far beyond the others under one scale, and leave them few steps."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from octavo.diagnosis.causes.cause import Case, Cause, Suspicion, of_layers
from octavo.diagnosis.places import Place
from octavo.ops.roles import Weight
from octavo.ops.spec import OpSpec
from octavo.ops.table import spec_of

# Largest magnitude under a scale by the root of the mean square of the others under it, but the largest quarter: what
# one of some input channels is multiplied by is not few.
FAR, FEW = 20.0, 0.25
LEAST_WEIGHTS = 8


def look(case: Case) -> Iterator[Suspicion]:
    """Weights that matter, with a scale that a few of them set alone; the tables of embeddings among them."""
    nodes = {node.outputs[0]: node for node in case.pair.floats.nodes}
    for place, error in (*case.weights(), *case.constants()):
        if place.dtype.bits < 8 or not case.matters(error.weights_effect):
            continue
        lines = _lines(case.pair.floats.tensors[place.tensor].values, place, spec_of(nodes[place.node].op))
        if lines.shape[1] < LEAST_WEIGHTS:
            continue
        ratios = far_ratios(lines)
        far = np.flatnonzero(ratios > FAR)
        if not far.size:
            continue
        where = f"in {far.size} of {len(lines)} channels" if place.per_axis else f"of {lines.size}"
        yield Suspicion(
            error.layer,
            f"a few {place.kind} {where} are up to {ratios.max():.3g} times as large as the others are on the whole: "
            f"these are left {127 / ratios.max():.2g} of 127 steps",
            {"ratio": float(ratios.max()), "channels": float(far.size)},
            error.weights_effect,
            (of_layers([error.layer], "float for", activations="float32"),),
        )


def far_ratios(lines: np.ndarray) -> np.ndarray:
    """How far the largest of each line is beyond most of it, by magnitude; 1 where these are 0."""
    rising = np.sort(np.abs(lines.astype(np.float64)), axis=1)
    most = rising[:, : rising.shape[1] - max(1, int(FEW * rising.shape[1]))]
    others = np.sqrt(np.square(most).mean(axis=1))
    return np.divide(rising[:, -1], others, out=np.ones(len(lines)), where=others > 0)


def _lines(values: np.ndarray, place: Place, spec: OpSpec) -> np.ndarray:
    """What shares a scale, a row each."""
    role = spec.role(place.index)
    if not place.per_axis or not isinstance(role, Weight):
        return values.reshape(1, -1)
    return np.moveaxis(values, role.axis, 0).reshape(values.shape[role.axis], -1)


CAUSE = Cause("outlier_weights", "a few weights far larger than the others", look)
