"""The file's weights are not the float model's, rounded: another model, another training, or a damaged file."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from octavo.diagnosis.causes.cause import Case, Cause, Suspicion, again
from octavo.diagnosis.pair import real_constant
from octavo.numerics.affine import along_axis

# Weights further than so many steps from the float ones were not made by rounding them; nor were so many of them.
STEPS, SHARE = 1.5, 0.002
# Constants of more steps are cut by the type they are stored in, which is another cause's.
FITTING = 2.0**31 - 1


def look(case: Case) -> Iterator[Suspicion]:
    """Weights and biases further from the float ones than rounding goes; cut ones apart."""
    if case.own:
        return
    for place in case.places:
        error = case.errors[place.layer]
        if place.rounded is None or not case.matters(error.weights_effect):
            continue
        wanted = case.pair.floats.tensors[place.tensor].values
        stored = case.pair.integers.tensors[str(case.pair.nodes[place.node].inputs[place.index])]
        real = real_constant(stored)
        if real is None:
            continue
        scale, _ = along_axis(place.parameters, wanted.ndim)
        fits = np.abs(wanted / scale) < FITTING
        # A bias is added to sums of rounded data and weights, and some tools correct it by what they are off.
        slack = 0.05 * np.abs(wanted).max(initial=0) if place.kind == "bias" else 0.0
        share = float(((np.abs(real.reshape(wanted.shape) - wanted) > slack + STEPS * scale) & fits).mean())
        if share > SHARE:
            yield Suspicion(
                error.layer,
                f"{100 * share:.2g} % of its {place.kind} are further from the float model's than rounding goes",
                {"share": share},
                error.weights_effect,
                (again(),),
            )


CAUSE = Cause("other_weights", "constants that are not the float model's", look)
