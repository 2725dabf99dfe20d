"""The demo from beginning to end: data, training, every scheme, the picture, the folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from octavo.comparison.comparison import Comparison, compare
from octavo.comparison.rows import FLOAT, PTQ
from octavo.config import unknown_name
from octavo.demo.data import Data, digits, mnist_file, mnist_of_keras
from octavo.demo.folder import check_replaceable, whole_folder
from octavo.demo.networks import train, train_further
from octavo.demo.overview import next_steps, opening, overview_page
from octavo.demo.toured import PAGE, Toured
from octavo.diagnosis.diagnose import diagnose
from octavo.export import export
from octavo.pages.report import SHOWN, shown_of_test, write_report
from octavo.progress import Progress
from octavo.report.mapping import LayerMapping, in_words, map_layer
from octavo.report.plots import mapping_picture
from octavo.stages import prepare

CALIBRATION_SAMPLES = 500
KEPT_TEST_SAMPLES = 1000
TRAINED_SCHEMES = ("int8", "int8x4")


@dataclass(frozen=True, slots=True)
class Tour:
    """What to do.

    Attributes:
        data: Path of an mnist.npz, or None.
        dataset: "digits" or "mnist"; `data` wins.
        out: Folder to write.
        epochs: Passes over the training data; None takes the network's own.
        seed: Of every random choice.
    """

    data: Path | None = None
    dataset: str = "digits"
    out: Path = Path("octavo-demo")
    epochs: int | None = None
    seed: int = 0


def run_tour(tour: Tour, progress: Progress) -> Toured:
    """Train, quantize by every scheme and by training for two of them, measure, verify, write it all into a folder.

    Raises:
        DatasetError: if the data cannot be read.
        OutputError: if the folder cannot be written; nothing is left behind then.
    """
    check_replaceable(tour.out)
    data = load_data(tour)
    model = train(data, epochs=tour.epochs, seed=tour.seed, progress=progress)
    comparison = compare(
        model,
        data.x_train[:CALIBRATION_SAMPLES],
        (data.x_test, data.y_test),
        seed=tour.seed,
        train=lambda aware: train_further(aware, data, seed=tour.seed, progress=progress),
        train_schemes=TRAINED_SCHEMES,
        progress=progress,
    )
    toured = Toured(data, model, comparison, map_last_layer(comparison, data), tour.out)
    with whole_folder(tour.out) as folder:
        write_files(folder, toured)
    return toured


def load_data(tour: Tour) -> Data:
    """The data set asked for.

    Raises:
        ConfigError: for an unknown name.
    """
    if tour.data is not None:
        return mnist_file(tour.data)
    sources = {"digits": digits, "mnist": mnist_of_keras}
    if tour.dataset not in sources:
        raise unknown_name("dataset", tour.dataset, tuple(sources))
    return sources[tour.dataset]()


def map_last_layer(comparison: Comparison, data: Data) -> LayerMapping:
    """The last layer's float values on the calibration samples, through the parameters that int8 got from them.

    Raises:
        VerificationError, ModelFileError: if the int8 file failed.
    """
    for failure in comparison.failures:
        if failure.name == "int8":
            raise failure.error
    models = {row.name: row.quantized for row in comparison.rows if row.technique in (FLOAT, PTQ)}
    graph = models["int8"].graph
    output = graph.tensors[graph.outputs[0]]
    values = np.asarray(models["float32"].predict(data.x_train[:CALIBRATION_SAMPLES]))
    return map_layer(output.layer, values, output.parameters, output.dtype)


def write_files(folder: Path, toured: Toured) -> None:
    """Fill the folder: the network, its quantized files, samples to try them with, the overview and its picture."""
    data = toured.data
    toured.model.save(folder / f"{data.name}.keras")
    for row in toured.comparison.rows:
        row.quantized.save(folder / toured.file_name(row.name))
    export(folder / toured.file_name("int8"), folder / "c", name=data.name)
    np.savez_compressed(folder / "samples.npz", x=data.x_train[:CALIBRATION_SAMPLES])
    np.savez_compressed(folder / "test.npz", x=data.x_test[:KEPT_TEST_SAMPLES], y=data.y_test[:KEPT_TEST_SAMPLES])
    (folder / "mapping.png").write_bytes(mapping_picture(toured.mapping))
    prepared = prepare(toured.model)
    shown = (data.x_test[:SHOWN], data.y_test[:SHOWN])
    write_report(
        folder / PAGE,
        prepared,
        shown_of_test(prepared, shown),
        comparison=toured.comparison,
        diagnosis=diagnose(toured.model, data.x_train[:CALIBRATION_SAMPLES], shown),
        commands=list(next_steps(toured)),
        opening=[opening(toured), in_words(toured.mapping)],
    )
    (folder / "overview.md").write_text(overview_page(toured), encoding="utf-8")
