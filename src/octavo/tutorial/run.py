"""The table from beginning to end: train, quantize, train for it, measure, network by network."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from octavo.comparison.comparison import compare
from octavo.config import unknown_name
from octavo.demo.data import Data
from octavo.demo.networks import fit
from octavo.load.keras_files import read_keras
from octavo.progress import Progress
from octavo.report.tables import TextTable, number, percent
from octavo.tutorial.images import read_images
from octavo.tutorial.kept import Kept
from octavo.tutorial.networks import NETWORKS
from octavo.version import VERSION

CALIBRATION_SAMPLES = 500
BATCH = 128
# Of Adam, falling to zero along a cosine: from scratch, and for what float and quantization-aware training get alike.
RATE, FURTHER_RATE = 2e-3, 1e-3
SCHEME = "int8"
ROWS = ("float32", SCHEME, "float32 trained on", f"{SCHEME} trained on", f"{SCHEME} QAT")


@dataclass(frozen=True, slots=True)
class Tutorial:
    """What to do.

    Attributes:
        data: As `read_images` takes it.
        networks: Names in `NETWORKS`.
        epochs: Passes over the training images from scratch.
        further: Passes that float and quantization-aware training get on top, alike.
        samples: Images to train on at most, and to test with; None for all.
        size: Height and width of the images of a folder.
        seed: Of every random choice.
    """

    data: Path | None = None
    networks: tuple[str, ...] = tuple(NETWORKS)
    epochs: int = 4
    further: int = 2
    samples: int | None = None
    size: int = 32
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Table:
    """What came of it.

    Attributes:
        data: Name of the images.
        train, test: How many there were.
        networks: What `Comparison.to_dict` tells of each, and its number of parameters.
        out: The folder of all files.
    """

    data: str
    train: int
    test: int
    networks: Mapping[str, Mapping[str, Any]]
    out: Path

    @property
    def failures(self) -> tuple[str, ...]:
        """Rows that could not be made."""
        return tuple(f"{name}: {each['name']}" for name, result in self.networks.items() for each in result["failures"])

    @property
    def table(self) -> TextTable:
        """Accuracy of each file, one row a network."""
        cells = tuple(
            (name, number(result["parameters"]), *(percent(accuracies(result).get(row)) for row in ROWS))
            for name, result in self.networks.items()
        )
        title = f"Accuracy on {number(self.test)} images of {self.data}, trained on {number(self.train)} others"
        note = "trained on: the float model after as much further training as QAT got, quantized after it."
        header = ("network", "parameters", *ROWS)
        return TextTable(title, header, cells, frozenset(range(1, len(header))), note)

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return {**asdict(self), "networks": dict(self.networks), "out": str(self.out)}


def accuracies(result: Mapping[str, Any]) -> dict[str, float]:
    """The share of right answers by row of what was measured of a network."""
    return {row["name"]: row["evaluation"]["outputs"][0]["top1"] for row in result["rows"]}


def run_tutorial(wanted: Tutorial, out: Path, progress: Progress, *, force: bool = False) -> Table:
    """Train and measure every network; what the folder keeps of the same run is not done again.

    Args:
        wanted: What to do.
        out: Folder for each network's .keras, .tflite and .json files.
        progress: Told of every batch.
        force: Whether results of another run may be replaced.

    Raises:
        ConfigError: for an unknown network.
        DatasetError: if the images cannot be read.
        OutputError: if the folder holds something else, or cannot be written to.
    """
    for name in wanted.networks:
        if name not in NETWORKS:
            raise unknown_name("network", name, tuple(NETWORKS))
    progress("read images", 0, None)
    data = read_images(wanted.data, wanted.size, wanted.samples, wanted.seed)
    kept = Kept(out, key_of(wanted, data))
    kept.open(force)
    results = {}
    for place, name in enumerate(wanted.networks):
        of_all = f"{place + 1} of {len(wanted.networks)}, "
        results[name] = kept.result(name) or _measured(name, wanted, data, kept, _below(of_all, progress))
    return Table(data.name, len(data.x_train), len(data.x_test), results, out)


def key_of(wanted: Tutorial, data: Data) -> dict[str, object]:
    """What the results depend on; networks may be added to a run."""
    import keras

    digest = hashlib.sha256()
    for array in (data.x_train, data.y_train, data.x_test, data.y_test):
        digest.update(np.ascontiguousarray(array).data)
    options = {"epochs": wanted.epochs, "further epochs": wanted.further, "seed": wanted.seed}
    made_by = {"version": VERSION, "backend": keras.backend.backend()}
    return {"images": digest.hexdigest(), **options, **made_by}


def _measured(name: str, wanted: Tutorial, data: Data, kept: Kept, progress: Progress) -> dict[str, Any]:
    """Train a network, or take it as it was kept, and measure all rows."""
    path = kept.model(name)
    model = _trained(name, wanted, data, kept, progress) if path is None else read_keras(path)[0]

    def further(copy: Any) -> None:
        aware = hasattr(copy, "quantization")
        stage = f"{name}: train for {SCHEME}" if aware else f"{name}: train float alike"
        _train(copy, data, wanted.further, FURTHER_RATE, wanted.seed, stage, progress)

    table = compare(
        model, data.x_train[:CALIBRATION_SAMPLES], (data.x_test, data.y_test), schemes=("float32", SCHEME),
        train=further, train_schemes=(SCHEME,), seed=wanted.seed, ram=None, flash=None, time_it=False,
        progress=_below(f"{name}: ", progress),
    )  # fmt: skip
    for row in table.rows:
        row.quantized.save(kept.folder / f"{name}_{row.name.replace(' ', '_').lower()}.tflite")
    result = {"parameters": model.count_params(), **table.to_dict()}
    kept.keep_result(name, result)
    return kept.result(name) or result


def _below(title: str, progress: Progress) -> Progress:
    """Progress of a part, told with what it is a part of."""
    return lambda stage, done, total: progress(f"{title}{stage}", done, total)


def _trained(name: str, wanted: Tutorial, data: Data, kept: Kept, progress: Progress) -> Any:
    import keras

    keras.utils.set_random_seed(wanted.seed)
    classes = int(max(data.y_train.max(), data.y_test.max())) + 1
    model = NETWORKS[name](data.x_train.shape[1:], classes)
    _train(model, data, wanted.epochs, RATE, wanted.seed, f"{name}: train", progress)
    kept.keep_model(name, model)
    return model


def _train(model: Any, data: Data, epochs: int, rate: float, seed: int, stage: str, progress: Progress) -> None:
    import keras

    keras.utils.set_random_seed(seed)
    steps = epochs * -(-len(data.x_train) // BATCH)
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(rate, steps))
    fit(model, data, epochs=epochs, stage=stage, progress=progress, batch_size=BATCH, optimizer=optimizer)
