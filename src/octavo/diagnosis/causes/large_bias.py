"""A bias too large for 32 bits at the scale of the products: weights lose steps to make room for it, or it is cut."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from octavo.diagnosis.causes.cause import Case, Cause, Suspicion, again, of_layers
from octavo.quantization.weights import largest_magnitude

# A scale so many times as large as the weights need was raised for the bias.
RAISED = 1.5
# A bias so many of its steps from what it stands for was cut.
CUT_STEPS = 1.0


def look(case: Case) -> Iterator[Suspicion]:
    """Weights whose scale was raised, and biases that do not fit."""
    biases = {place.node: place for place in case.places if place.kind == "bias"}
    for place, error in case.weights():
        bias = biases.get(place.node)
        if bias is None or bias.rounded is None or not case.matters(error.weights_effect):
            continue
        wanted = case.pair.floats.tensors[bias.tensor].values
        off = np.abs(bias.rounded - wanted) / bias.parameters.scale
        limit = largest_magnitude(case.pair.floats.tensors[place.tensor].values, place.parameters.granularity)
        needed = np.maximum(limit / place.dtype.integer_range[1], np.finfo(np.float32).tiny)
        raised = float((place.parameters.scale / needed)[limit > 0].max(initial=1.0))
        steps = float(np.abs(wanted / bias.parameters.scale).max())
        cut = float(off.max()) > CUT_STEPS and steps >= 2.0**31
        if not cut and (raised < RAISED or steps < 2.0**28):
            continue
        told = (
            f"a bias of {steps:.3g} steps is cut to what 32 bits hold"
            if cut
            else f"for a bias of up to {np.abs(wanted).max():.3g} its weights have steps {raised:.3g} times as wide as "
            "they need"
        )
        yield Suspicion(
            error.layer,
            told,
            {"raised": raised, "bias_steps": steps, "cut": float(cut)},
            error.weights_effect,
            (*(() if case.own else (again(),)), of_layers([error.layer], "float for", activations="float32")),
        )


CAUSE = Cause("large_bias", "a bias too large for its scale", look)
