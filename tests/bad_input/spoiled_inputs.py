"""Models and data that cannot be used, as files beside a model and data that can."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from keras_networks import convolutional, images
from octavo.errors import (
    ConfigError,
    DatasetError,
    InputError,
    ModelFileError,
    NonFiniteError,
    OpenShapeError,
    UnsupportedLayerError,
)

COUNT = 12


@dataclass(frozen=True)
class Case:
    """One thing that goes wrong.

    Attributes:
        error: What is raised.
        fix: A pattern of its fix.
        model, data: Make the file's content in a folder and return its path; None takes the good one.
        no_data: Whether no data is given at all.
        options: More arguments of `octavo.quantize`, each also one of the command line.
    """

    error: type[InputError]
    fix: str
    model: Callable[[Path], Path] | None = None
    data: Callable[[Path], Path] | None = None
    no_data: bool = False
    options: tuple[tuple[str, str], ...] = ()


def good_model(folder: Path, ending: str = "keras") -> Path:
    """`convolutional` in a file."""
    path = folder / f"model.{ending}"
    convolutional().save(path)
    return path


def good_data(folder: Path) -> Path:
    """Samples for it."""
    return _npz(folder, images(COUNT))


def _npz(folder: Path, x: np.ndarray) -> Path:
    np.savez(folder / "samples.npz", x=x)
    return folder / "samples.npz"


def _truncated(path: Path) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    return path


def _pickle(folder: Path) -> Path:
    (folder / "model.keras").write_bytes(pickle.dumps({"weights": [1, 2, 3]}))
    return folder / "model.keras"


def _lambda(folder: Path) -> Path:
    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Lambda(lambda x: x * 2, name="twice")])
    model.save(folder / "model.keras")
    return folder / "model.keras"


def _open_size(folder: Path) -> Path:
    model = keras.Sequential([keras.Input((None, None, 3), name="image"), keras.layers.Conv2D(2, 3, name="conv")])
    model.save(folder / "model.keras")
    return folder / "model.keras"


def _without_statistics(folder: Path) -> Path:
    keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 3)]).save(folder / "model.keras")
    return folder / "model.keras"


def _with_nan_weight(folder: Path) -> Path:
    model = convolutional()
    kernel = np.array(model.get_layer("depthwise").kernel)
    kernel[1, 2, 3, 0] = np.nan
    model.get_layer("depthwise").kernel.assign(kernel)
    model.save(folder / "model.keras")
    return folder / "model.keras"


def _spoiled_sample(value: float) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        x = images(COUNT)
        x[7, 1, 2, 0] = value
        return _npz(folder, x)

    return make


CASES: dict[str, Case] = {
    "a model that is not there": Case(ModelFileError, "check the path", model=lambda folder: folder / "absent.keras"),
    "a folder without a model": Case(InputError, "give the folder that saved_model.pb lies in", model=Path),
    "a file of unknown kind": Case(
        InputError,
        r"save the model with model.save\('model.keras'\)",
        model=lambda folder: _pickle(folder).rename(folder / "model.pkl"),
    ),
    "a truncated .keras file": Case(
        ModelFileError, "save the model again", model=lambda folder: _truncated(good_model(folder))
    ),
    "a truncated .h5 file": Case(
        ModelFileError, "save the model again", model=lambda folder: _truncated(good_model(folder, "h5"))
    ),
    "a pickle named .keras": Case(ModelFileError, "save the model again", model=_pickle),
    "stored code": Case(UnsupportedLayerError, "build the model in Python with keras.ops calls", model=_lambda),
    "an input of open size": Case(OpenShapeError, "say input_shape=", model=_open_size, no_data=True),
    "a weight that is NaN": Case(NonFiniteError, "train again with a smaller learning rate", model=_with_nan_weight),
    "no data": Case(DatasetError, r"pass data=x_train\[:500\]", model=_without_statistics, no_data=True),
    "data that is not there": Case(DatasetError, "check the path", data=lambda folder: folder / "absent.npz"),
    "a truncated .npz file": Case(
        DatasetError, "numpy.savez", data=lambda folder: _truncated(good_data(folder))
    ),
    "an .npz file without samples": Case(
        DatasetError, "check where the data comes from", data=lambda folder: _npz(folder, images(0))
    ),
    "samples of another shape": Case(
        DatasetError, r"move the channels last", data=lambda folder: _npz(folder, images(COUNT).transpose(0, 3, 1, 2)),
    ),
    "samples of integers": Case(
        DatasetError, "integer_divisor=255", data=lambda folder: _npz(folder, np.ones((4, 8, 8, 3), np.uint8))
    ),
    "a sample that holds NaN": Case(NonFiniteError, "repair sample 7, or leave it out", data=_spoiled_sample(np.nan)),
    "a sample that holds infinity": Case(NonFiniteError, "sample 7", data=_spoiled_sample(-np.inf)),
    "an unknown scheme": Case(ConfigError, r"did you mean 'int8'\?", options=(("scheme", "int9"),)),
    "an unknown layer to skip": Case(ConfigError, r"did you mean 'scores'\?", options=(("skip", "score"),)),
    "an unknown estimator": Case(ConfigError, r"did you mean 'minmax'\?", options=(("estimator", "maxmin"),)),
    "integer inputs of a float layer": Case(
        ConfigError, "do not skip the layer there", options=(("skip", "conv"), ("input_type", "uint8"))
    ),
}  # fmt: skip
