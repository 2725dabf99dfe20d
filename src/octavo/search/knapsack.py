"""One choice for each layer: the least noise within a number of bytes, by mixed-integer linear programming."""

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
    """

    name: str
    file_bytes: int
    noise: float


def least_noise(layers: Mapping[str, Sequence[Option]], most_bytes: float) -> dict[str, str] | None:
    """The name of an option for each layer; None where even the smallest ones take more.

        minimize sum noise   subject to   sum bytes <= most_bytes, one option a layer

    Of equal noise, the fewer bytes. Source: multiple-choice knapsack problem, solved by HiGHS through scipy.

    Args:
        layers: Options of each, at least one.
        most_bytes: Of all layers together.
    """
    options = [(layer, option) for layer, each in layers.items() for option in each]
    sizes, noises = (np.array([getattr(o, name) for _, o in options], float) for name in ("file_bytes", "noise"))
    if sum(min(option.file_bytes for option in each) for each in layers.values()) > most_bytes:
        return None
    owners = np.array([[layer == own for own, _ in options] for layer in layers], float)
    cost = noises / max(noises.max(), np.finfo(float).tiny) + BYTES_SHARE * sizes / max(1.0, sizes.sum())
    found = milp(
        cost,
        options={"mip_rel_gap": 0},
        integrality=np.ones(len(options)),
        bounds=Bounds(0, 1),
        constraints=[LinearConstraint(owners, 1, 1), LinearConstraint(sizes[np.newaxis], -np.inf, most_bytes)],
    )
    return {layer: option.name for (layer, option), taken in zip(options, found.x, strict=True) if taken > 0.5}
