"""Representative data: every accepted form gives the same chunks, and every other is refused with what to do."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from octavo.data.dataset import UNCOUNTED_SAMPLES, Dataset, rescales_images
from octavo.data.labelled import labelled_samples
from octavo.data.sources import is_spent
from octavo.dtypes import DType
from octavo.errors import ConfigError, DatasetError, MissingDependencyError
from octavo.ir.types import Graph, Node, Tensor

IMAGE = Tensor("image", (1, 4, 3, 2))
TOKENS = Tensor("tokens", (1, 5), DType.INT32)
X = np.random.default_rng(0).normal(size=(7, 4, 3, 2)).astype(np.float32)
IDS = np.arange(35, dtype=np.int64).reshape(7, 5)


def read(data: Any, *inputs: Tensor, size: int = 3, **options: Any) -> tuple[np.ndarray, ...]:
    """All samples of `data`, one array for each input."""
    chunks = list(Dataset(data, inputs or (IMAGE,), **options).chunks(size))
    assert [chunk.start for chunk in chunks] == list(range(0, size * len(chunks), size))
    columns = zip(*(chunk.arrays for chunk in chunks), strict=True)
    return tuple(np.concatenate(column) for column in columns)


class MapStyle:
    """A data set with a length and items, and nothing to iterate over."""

    def __len__(self) -> int:
        return 7

    def __getitem__(self, index: int) -> tuple[np.ndarray, int]:
        return X[index], index


def batches(size: int) -> Iterator[np.ndarray]:
    for start in range(0, 7, size):
        yield X[start : start + size]


LABELS = np.arange(7)
ONE_INPUT: dict[str, Callable[[], Any]] = {
    "array": lambda: X,
    "float64 array": lambda: X.astype(np.float64),
    "array that is not contiguous": lambda: np.asfortranarray(X),
    "x and y": lambda: (X, LABELS),
    "x, y and weights": lambda: (X, LABELS, LABELS),
    "list of one array": lambda: [X],
    "list of samples": lambda: list(X),
    "nested lists of numbers": X.tolist,
    "nested lists and labels": lambda: (X.tolist(), LABELS.tolist()),
    "list of batches": lambda: [X[:5], X[5:]],
    "dict by name": lambda: {"image": X, "label": LABELS},
    "generator of samples": lambda: iter(X),
    "generator of batches of 2": lambda: batches(2),
    "generator of batches of 5": lambda: batches(5),
    "function that returns a generator": lambda: lambda: batches(4),
    "representative dataset of TensorFlow Lite": lambda: lambda: ([x[np.newaxis]] for x in X),
    "pairs": lambda: [(x[np.newaxis], y) for x, y in zip(X, LABELS, strict=True)],
    "pairs in lists": lambda: ([X[i : i + 2], LABELS[i : i + 2]] for i in range(0, 7, 2)),
    "dicts": lambda: [{"image": x, "label": y} for x, y in zip(X, LABELS, strict=True)],
    "items by index": MapStyle,
}


@pytest.mark.parametrize("form", ONE_INPUT)
def test_every_form_of_one_input_gives_the_same_samples(form: str) -> None:
    (samples,) = read(ONE_INPUT[form]())
    assert samples.dtype == np.float32
    assert np.array_equal(samples, X)


def test_nested_lists_of_vectors_are_samples_with_labels_or_without() -> None:
    vector, rows = Tensor("vector", (1, 5)), X.reshape(7, -1)[:, :5]
    (samples,) = read(rows.tolist(), vector)
    assert np.array_equal(samples, rows)
    for test in ([rows.tolist(), LABELS.tolist()], {"x": rows.tolist(), "y": LABELS.tolist()}, (rows, LABELS)):
        found = labelled_samples(test, [vector])
        assert np.array_equal(found.x["vector"], rows)
        assert np.array_equal(found.y, LABELS)
    alone = labelled_samples(rows.tolist(), [vector])
    assert np.array_equal(alone.x["vector"], rows)
    assert alone.y is None


def test_lists_whose_parts_are_not_of_one_shape_are_refused() -> None:
    with pytest.raises(DatasetError, match=r"fix: +"):
        read([[1.0, 2.0], [3.0]], Tensor("vector", (1, 2)))


TWO_INPUTS: dict[str, Callable[[], Any]] = {
    "list": lambda: [X, IDS],
    "tuple": lambda: (X, IDS),
    "dict": lambda: {"tokens": IDS, "image": X},
    "inputs and labels": lambda: ((X, IDS), LABELS),
    "dict and labels": lambda: ({"image": X, "tokens": IDS}, LABELS),
    "generator of samples": lambda: zip(X, IDS, strict=True),
    "generator of inputs and labels": lambda: (((X[i], IDS[i]), 1) for i in range(7)),
    "generator of dicts": lambda: ({"image": X[i], "tokens": IDS[i]} for i in range(7)),
}


@pytest.mark.parametrize("form", TWO_INPUTS)
def test_every_form_of_two_inputs_gives_the_same_samples(form: str) -> None:
    images, tokens = read(TWO_INPUTS[form](), IMAGE, TOKENS)
    assert (images.dtype, tokens.dtype) == (np.float32, np.int32)
    assert np.array_equal(images, X)
    assert np.array_equal(tokens, IDS)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8])
def test_chunks_are_full_but_for_the_last(size: int) -> None:
    chunks = list(Dataset(X, [IMAGE]).chunks(size))
    assert [chunk.count for chunk in chunks[:-1]] == [size] * (len(chunks) - 1)
    assert sum(chunk.count for chunk in chunks) == 7
    assert all(chunk.count == len(chunk.arrays[0]) for chunk in chunks)


def test_samples_limits_what_is_read_and_not_one_element_more_is_taken() -> None:
    source = batches(2)
    (samples,) = read(source, samples=3)
    assert np.array_equal(samples, X[:3])
    assert np.array_equal(next(source), X[4:6])


def test_a_reused_buffer_is_copied_before_it_changes() -> None:
    def reuse() -> Iterator[np.ndarray]:
        buffer = np.empty((1, 4, 3, 2), np.float32)
        for x in X:
            buffer[...] = x
            yield buffer

    assert np.array_equal(read(reuse)[0], X)


@pytest.mark.parametrize("divisor", [0, -255, float("nan"), float("inf")])
def test_a_divisor_that_is_not_positive_is_refused(divisor: float) -> None:
    with pytest.raises(ConfigError, match="integer_divisor is out of range"):
        Dataset(X, [IMAGE], integer_divisor=divisor)


@pytest.mark.parametrize(
    ("data", "samples", "total"),
    [(X, None, 7), (X, 5, 5), (X, 9, 7), ((X, LABELS), None, 7), (list(X), None, None), (iter(X), 4, 4)],
)
def test_the_total_is_known_where_it_can_be(data: Any, samples: int | None, total: int | None) -> None:
    assert Dataset(data, [IMAGE], samples=samples).total == total


# Integers -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.bool_])
def test_integers_for_a_float_input_are_refused_until_told_what_they_mean(dtype: type) -> None:
    with pytest.raises(DatasetError, match=r"fix: .*integer_divisor=1 or integer_divisor=255"):
        read(np.ones((2, 4, 3, 2), dtype))


@pytest.mark.parametrize("dtype", [np.uint8, np.int64])
def test_integers_are_divided_as_told(dtype: type) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (5, 4, 3, 2)).astype(dtype)
    assert np.array_equal(read(pixels, integer_divisor=1)[0], pixels.astype(np.float32))
    assert np.array_equal(read(pixels, integer_divisor=255)[0], (pixels / 255).astype(np.float32))


def test_floats_are_never_divided() -> None:
    assert np.array_equal(read(X, integer_divisor=255)[0], X)


def rescaling_model(factor: float, op: str = "MUL", size: int = 1) -> Graph:
    constant = Tensor("factor", (size,), data=np.full(size, factor, np.float32))
    tensors = {"image": IMAGE, "factor": constant, "y": Tensor("y", IMAGE.shape)}
    return Graph("g", tensors, (Node(op, ("image", "factor"), ("y",)),), ("image",), ("y",))


@pytest.mark.parametrize("factor", [1 / 255, 1 / 127.5, 1 / 256])
def test_a_first_product_with_about_one_255th_says_that_the_model_expects_images(factor: float) -> None:
    assert rescales_images(rescaling_model(factor))


@pytest.mark.parametrize(
    "graph", [rescaling_model(0.5), rescaling_model(1 / 255, op="ADD"), rescaling_model(1 / 255, size=2)], ids=str
)
def test_any_other_first_operator_says_nothing(graph: Graph) -> None:
    assert not rescales_images(graph)


# Refusals -------------------------------------------------------------------------------------------------------------

WRONG: dict[str, tuple[Any, str]] = {
    "no channels": (X[..., 0], "prepare the samples exactly as for training"),
    "channels first": (np.zeros((7, 2, 4, 3), np.float32), r"data\.transpose\(0, 2, 3, 1\)"),
    "flat": (X.reshape(7, -1), r"data\.reshape\(-1, 4, 3, 2\)"),
    "a number": (np.float32(3), "prepare the samples exactly as for training"),
    "text": (np.array([["a"] * 2] * 7), r"np\.asarray\(data, 'float32'\)"),
    "objects": (np.array([None] * 7), r"np\.asarray\(data, 'float32'\)"),
    "complex numbers": (X.astype(np.complex64), r"np\.asarray\(data, 'float32'\)"),
    "dict of other names": ({"x": X}, "name the array 'image'"),
    "a number that is no array": (3, "give a numpy array"),
    "a list of numbers": ([1.0, 2.0], "give one array for each input"),
    "an empty tuple": ((), "give one array for each input"),
    "no samples in an array": (X[:0], "check where the data comes from"),
    "an empty list": ([], "check where the data comes from"),
    "a generator read before": (iter(()), "give a function that returns a new generator"),
    "a path that is not there": ("nowhere.npz", "check the path"),
    "a file of another kind": (__file__, "check the path"),
}


@pytest.mark.parametrize("case", WRONG)
def test_data_of_the_wrong_form_is_refused_with_what_to_do(case: str) -> None:
    data, fix = WRONG[case]
    with pytest.raises(DatasetError, match=f"fix: .*{fix}"):
        read(data)


def test_a_missing_channel_dimension_is_told_apart() -> None:
    with pytest.raises(DatasetError, match=r"fix: +add the channel dimension: data\[\.\.\., np\.newaxis\]"):
        read(np.zeros((5, 28, 28), np.float32), Tensor("image", (1, 28, 28, 1)))


@pytest.mark.parametrize("data", [X, (X, IDS, LABELS), {"image": X}])
def test_data_for_one_input_does_not_serve_two(data: Any) -> None:
    with pytest.raises(DatasetError, match=r"fix: .*(one array for each input|name the arrays image, tokens)"):
        read(data, IMAGE, TOKENS)


def test_inputs_of_different_lengths_are_refused() -> None:
    with pytest.raises(DatasetError, match=r"fix: +cut the arrays to the same samples"):
        read([X, IDS[:4]], IMAGE, TOKENS)


@pytest.mark.parametrize("ids", [IDS + 0.5, IDS + np.float32(2**31), IDS * np.nan, IDS + 2**31])
def test_numbers_an_integer_input_cannot_hold_are_refused(ids: np.ndarray) -> None:
    with pytest.raises(DatasetError, match=r"fix: +give whole numbers that fit int32"):
        read([X, ids], IMAGE, TOKENS)


def test_samples_must_be_positive() -> None:
    with pytest.raises(ConfigError, match=r"fix: +use some hundred"):
        read(X, samples=0)


# Files ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("names", [("image", "other"), ("x", "y"), ("x_train", "y_train"), ("arr_0",)])
def test_an_npz_file_is_read_by_its_usual_keys(tmp_path: Path, names: tuple[str, ...]) -> None:
    np.savez(tmp_path / "data.npz", **dict(zip(names, (X, LABELS), strict=False)))
    assert np.array_equal(read(str(tmp_path / "data.npz"))[0], X)
    assert np.array_equal(read(tmp_path / "data.npz")[0], X)


def test_an_npz_file_for_two_inputs_is_read_by_their_names(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", tokens=IDS, image=X, y=LABELS)
    images, tokens = read(tmp_path / "data.npz", IMAGE, TOKENS)
    assert np.array_equal(images, X)
    assert np.array_equal(tokens, IDS)


def test_an_npz_file_of_unknown_names_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", a=X, b=LABELS)
    with pytest.raises(DatasetError, match=r"got: +a, b\n.*\n.*fix: +name the array 'image'"):
        read(tmp_path / "data.npz")


def test_a_damaged_npz_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data.npz").write_bytes(b"PK\x03\x04")
    with pytest.raises(DatasetError, match=r"fix: +write the file again with numpy\.savez"):
        read(tmp_path / "data.npz")


@pytest.fixture
def images(tmp_path: Path) -> tuple[Path, np.ndarray]:
    """A folder of png files in two subfolders, and their pixels in the order of their paths."""
    pillow = pytest.importorskip("PIL.Image")
    pixels = np.random.default_rng(4).integers(0, 256, (4, 6, 5, 3)).astype(np.uint8)
    for i, array in enumerate(pixels):
        path = tmp_path / "images" / f"class_{i // 2}" / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pillow.fromarray(array).save(path)
    (tmp_path / "images" / "notes.txt").write_text("no image")
    return tmp_path / "images", pixels


def test_a_folder_of_images_is_read_in_the_order_of_its_paths(images: tuple[Path, np.ndarray]) -> None:
    folder, pixels = images
    (samples,) = read(folder, Tensor("image", (1, 6, 5, 3)), integer_divisor=255)
    assert np.array_equal(samples, (pixels / 255).astype(np.float32))


def test_images_become_grey_for_a_model_of_one_channel(images: tuple[Path, np.ndarray]) -> None:
    folder, pixels = images
    (samples,) = read(folder, Tensor("image", (1, 6, 5, 1)), integer_divisor=1)
    luma = pixels @ np.array([0.299, 0.587, 0.114])
    assert np.abs(samples[..., 0] - luma).max() <= 1.0


def test_images_are_not_resized(images: tuple[Path, np.ndarray]) -> None:
    with pytest.raises(DatasetError, match=r"expected: shape \(samples, 8, 8, 3\)\n +fix: .*resized"):
        read(images[0], Tensor("image", (1, 8, 8, 3)), integer_divisor=1)


def test_a_damaged_image_is_named(images: tuple[Path, np.ndarray]) -> None:
    path = images[0] / "class_1" / "3.png"
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(DatasetError, match=r"fix: +repair or remove '3\.png'"):
        read(images[0], Tensor("image", (1, 6, 5, 3)), integer_divisor=1)


def test_without_pillow_a_folder_of_images_says_what_to_install(
    images: tuple[Path, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(MissingDependencyError, match=r"fix: +pip install pillow"):
        read(images[0], Tensor("image", (1, 6, 5, 3)), integer_divisor=1)


class Flow:
    """As Keras's image flows: a length, pieces by number, and an iteration that starts over for ever."""

    def __init__(self) -> None:
        self.taken = 0

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        return X[2 * index : 2 * index + 2], LABELS[2 * index : 2 * index + 2]

    def __iter__(self) -> Flow:
        return self

    def __next__(self) -> tuple[np.ndarray, np.ndarray]:
        self.taken += 1
        return self[(self.taken - 1) % len(self)]


class Loader:
    """A length, and an iteration without end."""

    def __len__(self) -> int:
        return 4

    def __iter__(self) -> Iterator[np.ndarray]:
        return itertools.cycle(X[i : i + 2] for i in range(0, 7, 2))


@pytest.mark.parametrize("endless", [Flow, Loader], ids=["flow", "loader"])
def test_what_starts_over_for_ever_is_read_as_often_as_it_is_long(endless: Callable[[], Any]) -> None:
    data = endless()
    for _ in range(2):
        assert np.array_equal(read(data)[0], X)
    assert not is_spent(data)


@pytest.mark.parametrize("form", ["generator", "function", "iterator"])
def test_what_does_not_say_where_it_ends_is_read_so_far(form: str) -> None:
    forms = {
        "generator": lambda: (x for x in itertools.cycle(X)),
        "function": lambda: lambda: itertools.cycle(X),
        "iterator": lambda: itertools.cycle([X[:3]]),
    }
    assert len(read(forms[form]())[0]) == UNCOUNTED_SAMPLES
    assert len(read(forms[form](), samples=UNCOUNTED_SAMPLES + 7)[0]) == UNCOUNTED_SAMPLES + 7


def test_what_says_how_long_it_is_is_read_to_its_end() -> None:
    many = np.zeros((UNCOUNTED_SAMPLES + 3, 4, 3, 2), np.float32)
    for data in (many, list(many), (many, None), lambda: many, {"image": many}):
        assert len(read(data, size=500)[0]) == len(many)
