"""The knapsack finds what trying everything finds."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from octavo.search.knapsack import BYTES_SHARE, Option, least_noise


@pytest.mark.parametrize("seed", range(6))
def test_it_is_the_best_of_all_choices_that_fit(seed: int) -> None:
    rng = np.random.default_rng(seed)
    layers = {
        f"layer{i}": [Option(name, int(rng.integers(10, 100)), float(rng.uniform(0, 1))) for name in ("a", "b", "c")]
        for i in range(5)
    }
    most = 250.0
    every = [dict(zip(layers, each, strict=True)) for each in itertools.product(*layers.values())]
    fitting = [each for each in every if sum(option.file_bytes for option in each.values()) <= most]
    found = least_noise(layers, most)
    if not fitting:
        assert found is None
        return
    assert found is not None
    taken = {layer: next(option for option in layers[layer] if option.name == name) for layer, name in found.items()}
    assert sum(option.file_bytes for option in taken.values()) <= most
    best = min(sum(option.noise for option in each.values()) for each in fitting)
    # Noises are below 1, and bytes count for so much beside them.
    assert sum(option.noise for option in taken.values()) <= best + BYTES_SHARE


def test_of_equal_noise_the_fewer_bytes_win() -> None:
    options = {"layer": [Option("large", 100, 0.0), Option("small", 50, 0.0)]}
    assert least_noise(options, 1000) == {"layer": "small"}


def test_nothing_fits_where_the_smallest_do_not() -> None:
    assert least_noise({"layer": [Option("small", 50, 0.0)]}, 49) is None
