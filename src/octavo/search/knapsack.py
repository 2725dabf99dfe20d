"""One choice for each layer: the least noise within budgets, by mixed-integer linear programming."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

# What all bytes together count for, beside the largest noise: they decide between choices that are as good as equal.
BYTES_SHARE = 1e-4


@dataclass(frozen=True, slots=True)
class Option:
    """What a layer may be.

    Attributes:
        name: Of the choice.
        file_bytes: What it takes.
        noise: What it adds.
        live_bytes: What it adds to the memory in use while each operator runs; empty for nothing.
    """

    name: str
    file_bytes: int
    noise: float
    live_bytes: tuple[int, ...] = ()


def least_noise(
    layers: Mapping[str, Sequence[Option]], most_bytes: float, most_live: Sequence[float] = ()
) -> dict[str, str] | None:
    """The name of an option for each layer; None where no choice keeps the budgets.

        minimize sum noise   subject to   sum bytes <= most_bytes, sum live bytes <= most_live at each operator,
        one option a layer

    Of equal noise, the fewer bytes. Source: multiple-choice knapsack problem, solved by HiGHS through scipy.

    Args:
        layers: Options of each, at least one.
        most_bytes: Of all layers together.
        most_live: What they may add together while each operator runs; empty for no bound.
    """
    options = [(layer, option) for layer, each in layers.items() for option in each]
    sizes, noises = (np.array([getattr(o, name) for _, o in options], float) for name in ("file_bytes", "noise"))
    owners = np.array([[layer == own for own, _ in options] for layer in layers], float)
    budgets = [LinearConstraint(owners, 1, 1), LinearConstraint(sizes[np.newaxis], -np.inf, most_bytes)]
    if len(most_live):
        live = np.array([option.live_bytes or (0,) * len(most_live) for _, option in options], float)
        budgets.append(LinearConstraint(live.T, -np.inf, np.asarray(most_live, float)))
    finite = np.where(np.isfinite(noises), noises, 0.0)
    found = milp(
        finite / max(finite.max(), np.finfo(float).tiny) + BYTES_SHARE * sizes / max(1.0, sizes.sum()),
        options={"mip_rel_gap": 0},
        integrality=np.ones(len(options)),
        # What nobody computes is not chosen.
        bounds=Bounds(0, np.isfinite(noises).astype(float)),
        constraints=budgets,
    )
    if found.x is None:
        return None
    return {layer: option.name for (layer, option), taken in zip(options, found.x, strict=True) if taken > 0.5}
