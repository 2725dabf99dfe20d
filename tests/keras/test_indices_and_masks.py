"""Indices, truth values and masks through the whole pipeline: what is written is proven, and what a mask hides costs
no accuracy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops

import octavo
from octavo import qat
from octavo.dtypes import DType

RNG = np.random.default_rng(0)
IDS = RNG.integers(0, 1000, (32, 6)).astype(np.int32)
SEQUENCES = RNG.normal(size=(32, 6, 8)).astype(np.float32)


def of_ids() -> keras.Model:
    keras.utils.set_random_seed(0)
    x = keras.Input((6,), dtype="int32", name="ids")
    return keras.Model(x, layers.Dense(3)(layers.GRU(4)(layers.Embedding(1000, 8)(x))))


def of_sequences(causal: bool) -> keras.Model:
    keras.utils.set_random_seed(0)
    x = keras.Input((6, 8))
    return keras.Model(x, layers.MultiHeadAttention(2, 4)(x, x, use_causal_mask=causal))


def test_indices_stay_integers_and_the_words_behind_them_are_found() -> None:
    quantized = octavo.quantize(of_ids(), data=IDS, verify="full")
    assert quantized.graph.tensors["ids"].dtype is DType.INT32
    assert not quantized.islands
    assert quantized.verification is not None
    assert quantized.verification.ok
    assert quantized.fidelity is not None
    assert all(output.sqnr_db is not None and output.sqnr_db > 20 for output in quantized.fidelity.rounding)


def of_padded_words(ids: Any) -> Any:
    mask = ops.cast(ops.not_equal(ids, 0), "float32")
    return ops.sum(layers.Embedding(1000, 8)(ids) * ops.expand_dims(mask, -1), axis=1)


def of_moved_words(ids: Any) -> Any:
    first, second = ops.split(ids[:, :4], 2, axis=1)
    return layers.Flatten()(layers.Embedding(1000, 8)(first) + layers.Embedding(1000, 8)(ops.reshape(second, (-1, 2))))


def of_words_within(ids: Any) -> Any:
    known = ops.relu(ops.clip(ops.cast(ids, "int32"), -1, 900))
    return layers.Flatten()(layers.Embedding(1000, 8)(ops.clip(known, 0, 6)) + layers.Embedding(1000, 8)(known))


READERS: dict[str, Callable[[Any], Any]] = {
    "a layer's mask": lambda ids: layers.LSTM(4)(layers.Embedding(1000, 8, mask_zero=True)(ids)),
    "a mask by hand": of_padded_words,
    "indices moved before": of_moved_words,
    "indices held within limits": of_words_within,
}


@pytest.mark.parametrize("dtype", ["int32", "float32"])
@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_what_else_reads_indices_leaves_them_integers(read: Callable[[Any], Any], dtype: str) -> None:
    keras.utils.set_random_seed(0)
    ids = keras.Input((6,), dtype=dtype, name="ids")
    model = keras.Model(ids, layers.Dense(3)(read(ids)))
    quantized = octavo.quantize(model, data=(IDS * (IDS % 3 > 0)).astype(dtype))
    assert quantized.graph.tensors["ids"].dtype is DType.INT32
    assert not quantized.islands
    assert quantized.verification is not None
    assert all(check.ok for check in quantized.verification.runtimes if not check.reason.startswith("SUM of"))


def test_integers_that_stand_for_numbers_are_given_as_such() -> None:
    x = keras.Input((6,), dtype="int32")
    model = keras.Model(x, layers.Dense(2)(ops.cast(x, "float32") / 1000.0))
    quantized = octavo.quantize(model, data=IDS, verify="off")
    assert quantized.graph.tensors[quantized.graph.inputs[0]].dtype is DType.INT8


def of_scores(kind: type[keras.Layer]) -> keras.Model:
    keras.utils.set_random_seed(0)
    x = keras.Input((6, 8))
    return keras.Model(x, kind()([x, layers.Dense(8)(x)], use_causal_mask=True))


@pytest.mark.parametrize(
    "make", [lambda: of_sequences(False), lambda: of_sequences(True), lambda: of_scores(layers.Attention)]
)
def test_a_mask_costs_attention_no_accuracy(make: Callable[[], keras.Model]) -> None:
    quantized = octavo.quantize(make(), data=SEQUENCES, verify="full")
    assert not [note for note in quantized.notes if "shares the scale" in note.text]
    assert not quantized.islands
    assert quantized.verification is not None
    assert quantized.verification.ok
    assert quantized.fidelity is not None
    assert all(output.sqnr_db is not None and output.sqnr_db > 25 for output in quantized.fidelity.rounding)


def test_the_place_of_the_largest_score_is_an_output_of_an_integer_model() -> None:
    keras.utils.set_random_seed(0)
    x = keras.Input((6, 8))
    model = keras.Model(x, ops.argmax(layers.Dense(5)(x), axis=-1))
    quantized = octavo.quantize(model, data=SEQUENCES, verify="full")
    assert not quantized.islands
    (name,) = quantized.graph.outputs
    assert quantized.graph.tensors[name].dtype is DType.INT32
    agreed = np.mean(quantized.predict(SEQUENCES) == model.predict(SEQUENCES, verbose=0))
    assert agreed > 0.9


def test_counts_are_whole_in_integers_too() -> None:
    x = keras.Input((6, 8))
    model = keras.Model(x, layers.Discretization([-1.5, -0.5, 0.5, 1.5])(x))
    quantized = octavo.quantize(model, data=SEQUENCES, verify="full")
    assert not quantized.islands
    assert np.mean(quantized.predict(SEQUENCES) == model.predict(SEQUENCES, verbose=0)) > 0.97


def test_enlarging_by_thirds_is_proven() -> None:
    keras.utils.set_random_seed(0)
    x = keras.Input((12, 14, 3))
    model = keras.Model(x, layers.UpSampling2D((2, 3), interpolation="bilinear")(layers.Conv2D(4, 3)(x)))
    quantized = octavo.quantize(model, data=RNG.normal(size=(8, 12, 14, 3)).astype(np.float32))
    assert quantized.verification is not None
    assert quantized.verification.ok


def test_a_comparison_and_the_choice_by_it_are_integer() -> None:
    keras.utils.set_random_seed(0)
    x = keras.Input((6, 8))
    model = keras.Model(x, ops.where(x > 0.0, layers.Dense(8)(x), 0.1 * x))
    quantized = octavo.quantize(model, data=SEQUENCES, verify="full")
    assert not quantized.islands
    assert "GREATER" in [node.op for node in quantized.graph.nodes]


def test_the_table_of_an_embedding_trains_for_int8() -> None:
    keras.utils.set_random_seed(0)
    x = keras.Input((6,), dtype="int32", name="ids")
    model = qat.quantize_model(keras.Model(x, layers.Dense(1)(layers.Flatten()(layers.Embedding(40, 4)(x)))))
    ids = IDS % 40
    model.compile(keras.optimizers.Adam(0.1), "mse")
    model.fit(ids, (ids[:, :1] > 20).astype(np.float32), epochs=1, verbose=0)
    quantized = octavo.quantize(model)
    assert not quantized.islands
    wanted, found = model.predict(ids, verbose=0), np.asarray(quantized.predict(ids))
    steps = np.abs(found - wanted) / quantized.graph.tensors[quantized.graph.outputs[0]].scale
    assert np.mean(steps) < 1


def test_indices_are_moved_joined_counted_with_and_chosen_among_as_integers() -> None:
    keras.utils.set_random_seed(0)
    x = keras.Input((6, 2), dtype="int32", name="ids")
    words = layers.Embedding(1000, 8)
    ways = [
        ops.swapaxes(x, 1, 2),
        ops.flip(x, axis=1),
        ops.concatenate([x, ops.take(x, [4, 2], axis=1)], axis=1),
        ops.stack([x[..., 0], x[..., 1]], axis=1),
        ops.pad(ops.tile(x, (1, 1, 2)), ((0, 0), (1, 1), (0, 0))),
        ops.clip(x, 3, 900),
        ops.where(x > 100, x, 7),
        ops.max(x, axis=1),
        ops.mod(3 * x + 1, 1000) // 2,
        500 + ops.minimum(x, 400) - ops.flip(x, axis=1) // 2,
    ]
    model = keras.Model(x, [layers.Dense(3)(layers.Flatten()(words(ids))) for ids in ways])
    data = RNG.integers(0, 1000, (32, 6, 2)).astype(np.int32)
    made = octavo.quantize(model, "int8", data, effort="fast")
    assert made.graph.tensors["ids"].dtype is DType.INT32
    assert not made.islands
    for found, wanted in zip(made.predict(data).values(), model.predict(data, verbose=0), strict=True):
        assert 10 * np.log10(np.square(wanted).sum() / np.square(found - wanted).sum()) > 30


def test_whole_numbers_and_truth_values_become_reals_where_keras_has_reals() -> None:
    x = keras.Input((6,))
    whole, true = ops.cast(x, "int32"), x > 0.5
    ways = [
        layers.Rescaling(0.3)(whole),
        whole / 3 + ops.sqrt(ops.abs(whole)),
        whole / (ops.abs(whole) + 1),
        ops.clip(whole, -1.5, 2.5),
        ops.clip(whole, -2, 2) * 3 + 4 - 1,
        layers.Dense(3)(whole),
        ops.concatenate([whole, x, true], axis=1),
        ops.stack([true, x > 1, ops.flip(true, axis=1)], axis=1),
        ops.mean(whole, axis=1, keepdims=True) + ops.sum(true, axis=1, keepdims=True),
        ops.where(ops.max(true, axis=1, keepdims=True), 0.25, whole),
    ]
    model = keras.Model(x, [ops.cast(way, "float32") for way in ways])
    data = RNG.normal(0, 4, (32, 6)).astype(np.float32)
    wanted = model.predict(data, verbose=0)
    for scheme, floor_db in (("float32", 100), ("int8", 20)):
        made = octavo.quantize(model, scheme, None if scheme == "float32" else data, effort="fast")
        for found, want in zip(made.predict(data).values(), wanted, strict=True):
            assert 10 * np.log10(np.square(want).sum() / max(np.square(found - want).sum(), 1e-10)) > floor_db
