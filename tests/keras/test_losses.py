"""Which operator a loss applies to each output, in every form that Keras has of losses."""

from __future__ import annotations

from typing import Any

import keras
import pytest

from octavo.load.keras_graph.losses import applied_by_loss, training_of

BINARY = keras.losses.BinaryCrossentropy(from_logits=True)
SPARSE = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def own_loss(y: Any, outputs: Any) -> Any:
    return keras.ops.mean(y - outputs)


@pytest.mark.parametrize(
    ("loss", "applied"),
    [
        (SPARSE, ("SOFTMAX", "SOFTMAX")),
        ([SPARSE, "mse"], ("SOFTMAX", "")),
        ({"a": "mse", "b": BINARY}, ("", "LOGISTIC")),
        ({"b": BINARY}, ("", "LOGISTIC")),
        (keras.losses.CategoricalCrossentropy(), ("", "")),
        ("sparse_categorical_crossentropy", ("", "")),
        (own_loss, ("", "")),
        (None, ("", "")),
    ],
)
def test_a_loss_that_takes_logits_says_what_it_makes_of_them(loss: Any, applied: tuple[str, ...]) -> None:
    inputs = keras.Input((4,))
    model = keras.Model(inputs, [keras.layers.Dense(3, name=name)(inputs) for name in "ab"])
    if loss is not None:
        model.compile(loss=loss)
    assert applied_by_loss(model, training_of(model)) == applied
    for broken in ("", [], {"loss": 3}, {"loss": {"class_name": [], "config": {"from_logits": True}}}):
        assert applied_by_loss(model, broken) == ("", "")
