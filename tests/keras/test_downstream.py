"""What depends on a change of a float network is computed alone, and comes out as with all of the network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
import planted
import pytest

import octavo
from keras_networks import draw_weights
from octavo.diagnosis import downstream
from octavo.diagnosis.downstream import Downstream
from octavo.diagnosis.noise import mean_share, noise_share
from octavo.diagnosis.pair import own_pair
from octavo.diagnosis.places import places_of, with_rounding
from octavo.evaluate.predict import predict
from octavo.stages import prepare
from octavo.write.tflite import write_tflite

layers = keras.layers
# Sums of some dozen products, each rounded to 24 bits, in power.
FLOAT32 = (64 * 2.0**-24) ** 2


def two_ends() -> Any:
    """A memory, and two outputs of which one reads what the other does not: 12x4 -> 3, 4."""
    inputs = layers.Input((12, 4), name="series")
    x = layers.LSTM(6, name="memory")(inputs)
    y = layers.Conv1D(4, 3, activation="relu", name="window")(inputs)
    y = layers.Dense(4, name="second")(layers.GlobalAveragePooling1D(name="mean")(y))
    return draw_weights(keras.Model(inputs, [layers.Dense(3, name="one")(x), y], name="two_ends"), seed=5)


@pytest.mark.parametrize(("build", "shape"), [(planted.branches, (8, 8, 3)), (two_ends, (12, 4))])
@pytest.mark.parametrize("held_bytes", [1 << 29, 0], ids=["held", "too large to hold"])
def test_what_depends_on_a_change_is_computed_as_with_all_of_the_network(
    build: Callable[[], Any], shape: tuple[int, ...], held_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downstream, "HELD_BYTES", held_bytes)
    model, x = build(), planted.samples(5, 7, shape)
    graph = prepare(model).graph
    places = places_of(own_pair(graph, octavo.quantize(model, "int8", x, verify="off").graph))
    given = {graph.inputs[0]: x}
    network = Downstream(graph, given)
    whole = predict(write_tflite(graph), given)
    wanted = network.outputs()
    assert noise(wanted, whole) < FLOAT32
    for layer in {place.layer for place in places}:
        rounded = [place for place in places if place.layer == layer]
        changed = with_rounding(graph, rounded)
        of_all = predict(write_tflite(changed), given)
        expected = {name: of_all[own] for name, own in zip(graph.outputs, changed.outputs, strict=True)}
        found = network.outputs(rounded)
        assert list(found) == list(graph.outputs)
        # Where a value lies between two steps, another order of sums may round it to the other one.
        assert noise(found, expected) < max(FLOAT32, 0.1 * noise(expected, whole))


def noise(found: Mapping[str, np.ndarray], wanted: Mapping[str, np.ndarray]) -> float:
    return mean_share(noise_share(found, wanted))
