"""The weights of all channels have one scale, made for the largest of them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from octavo.diagnosis.causes.cause import Case, Cause, Suspicion, again, of_layers
from octavo.ops.roles import Weight
from octavo.ops.table import spec_of

UNEVEN = 3.0


def look(case: Case) -> Iterator[Suspicion]:
    """Weights of one scale, whose largest channel reaches far beyond half of the others, that matter."""
    nodes = {node.outputs[0]: node for node in case.pair.floats.nodes}
    for place, error in case.weights():
        role = spec_of(nodes[place.node].op).role(place.index)
        if place.per_axis or not isinstance(role, Weight) or not case.matters(error.weights_effect):
            continue
        values = case.pair.floats.tensors[place.tensor].values
        reach = np.abs(values).max(axis=tuple(i for i in range(values.ndim) if i != role.axis))
        living = reach[reach > 0]
        ratio = float(living.max() / np.median(living)) if living.size > 1 else 1.0
        if ratio < UNEVEN:
            continue
        yield Suspicion(
            error.layer,
            f"its weights have one scale for {reach.size} channels, of which one reaches {ratio:.3g} times as far as "
            "half of the others",
            {"ratio": ratio, "channels": float(reach.size)},
            error.weights_effect,
            (of_layers([error.layer], "a scale for each channel of", per_axis=True), *(() if case.own else (again(),))),
        )


CAUSE = Cause("one_scale", "one scale for uneven channels of weights", look)
