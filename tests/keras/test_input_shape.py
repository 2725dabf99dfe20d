"""What a model leaves open of its inputs is fixed by `input_shape=`, and a batch in it is the file's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import octavo
from command_line import runner
from octavo.errors import ConfigError, OpenShapeError
from octavo.load import load
from octavo.load.input_shape import FixedShapes, InputShape, fixed_shapes
from octavo.load.tflite import read_tflite
from octavo.run import reference

X = np.random.default_rng(0).random((10, 8, 6, 3)).astype(np.float32)
KNOWN = {"image": (None, None, None, 3), "extra": (None, 5)}


def segmenting() -> keras.Model:
    """An hour-glass of any height and width."""
    x = image = keras.Input((None, None, 3), name="image")
    wide = layers.Conv2D(4, 3, padding="same", activation="relu")(x)
    deep = layers.Conv2D(6, 3, padding="same", activation="relu")(layers.MaxPooling2D()(wide))
    both = layers.Concatenate()([layers.UpSampling2D()(deep), wide])
    return keras.Model(image, layers.Conv2D(2, 1)(both))


def remembering() -> keras.Model:
    """A network of any time."""
    x = keras.Input((None, 3), name="series")
    return keras.Model(x, layers.GlobalAveragePooling1D()(layers.GRU(4, return_sequences=True)(x)))


@pytest.mark.every_backend
@pytest.mark.parametrize(
    ("make", "shape", "x"), [(segmenting, (8, 6, 3), X), (remembering, (8, 3), X[:, :, 0])], ids=["sizes", "time"]
)
@pytest.mark.parametrize("batch", [None, 4])
def test_open_sizes_and_the_batch_are_fixed(
    make: Any, shape: tuple[int, ...], x: np.ndarray, batch: int | None
) -> None:
    keras.utils.set_random_seed(1)
    model = make()
    with pytest.raises(OpenShapeError, match=r"fix: +say input_shape="):
        load(model)
    made = octavo.quantize(model, "int8", x, input_shape=shape if batch is None else (batch, *shape))
    assert made.verification is not None
    assert made.verification.ok
    assert made.graph.tensors[made.graph.inputs[0]].shape == (batch or 1, *shape)
    assert made.islands == ()
    expected = np.asarray(keras.ops.convert_to_numpy(model(x)))
    found = np.asarray(made.predict(x))
    assert found.shape == expected.shape
    error = np.square(found - expected).mean() / np.square(expected).mean()
    assert error < 1e-3
    assert made.fidelity is not None
    assert all(each.max_error is not None and each.max_error < 1e-5 for each in made.fidelity.loading)


@pytest.mark.parametrize("whole", [True, False], ids=["an array", "single samples"])
def test_samples_tell_sizes_that_are_not_said(whole: bool) -> None:
    model = segmenting()
    made = octavo.quantize(model, "int8", X if whole else list(X))
    assert made.graph.tensors[made.graph.inputs[0]].shape == (1, 8, 6, 3)
    (note,) = (note.text for note in made.notes if "leaves sizes" in note.text)
    assert "'image' (8, 6, 3); say others by input_shape=" in note


@pytest.mark.parametrize("data", [X[..., :2], iter([X])], ids=["other channels", "read once"])
def test_samples_that_do_not_tell_sizes_leave_them_to_be_said(data: Any) -> None:
    with pytest.raises(OpenShapeError, match=r"fix: +say input_shape=\(96, 96, 3\)"):
        octavo.quantize(segmenting(), "int8", data)


def test_a_batch_computes_what_its_samples_do_alone() -> None:
    model = segmenting()
    together, alone = (load(model, input_shape=(*batch, 8, 6, 3)).graph for batch in ((5,), ()))
    name, other = together.outputs[0], alone.outputs[0]
    expected = [reference.run(alone, {"image": X[i : i + 1]})[other] for i in range(5)]
    # Sums of at most 90 products in another order.
    np.testing.assert_allclose(
        reference.run(together, {"image": X[:5]})[name], np.concatenate(expected), rtol=0, atol=90 * 2.0**-23 * 8
    )


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, FixedShapes(KNOWN, None)),
        ({"image": (8, 6, 3)}, FixedShapes({"image": (None, 8, 6, 3), "extra": (None, 5)}, None)),
        ([(2, 8, 6, 3), (2, 5)], FixedShapes({"image": (2, 8, 6, 3), "extra": (2, 5)}, 2)),
        ([(8, None, 3), (5,)], FixedShapes({"image": (None, 8, None, 3), "extra": (None, 5)}, None)),
    ],
)
def test_shapes_are_said_by_name_or_in_order_with_the_batch_or_without(
    given: InputShape, expected: FixedShapes
) -> None:
    assert fixed_shapes(given, KNOWN) == expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"picture": (8, 6, 3)}, "unknown input 'picture'"),
        ((8, 6, 3), "does not say the shape of each of 2 inputs"),
        ({"image": (8, 3)}, "another number of dimensions than input 'image'"),
        ({"image": (8, 6, 4)}, "has fixed the shape of input 'image'"),
        ({"image": (8, 0, 3)}, "holds what is no size"),
        ([(2, 8, 6, 3), (3, 5)], "the inputs have one batch"),
    ],
)
def test_what_does_not_fit_is_refused(given: InputShape, message: str) -> None:
    with pytest.raises(ConfigError, match=rf"(?s){message}.*fix: +\w"):
        fixed_shapes(given, KNOWN)


def test_the_command_line_takes_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = runner(capsys)
    segmenting().save(tmp_path / "model.keras")
    np.save(tmp_path / "x.npy", X)
    options = ["--data", str(tmp_path / "x.npy"), "--out", str(tmp_path / "out.tflite"), "--json"]
    found = run("quantize", str(tmp_path / "model.keras"), *options, "--input-shape", "image=2,8,6,3")
    assert found.code == 0, found.err
    graph = read_tflite((tmp_path / "out.tflite").read_bytes())
    assert graph.tensors["image"].shape == (2, 8, 6, 3)
    refused = run("quantize", str(tmp_path / "model.keras"), *options, "--input-shape", "8x6", "--force")
    assert refused.code == 2
    assert "--input-shape is no shape" in refused.out + refused.err
