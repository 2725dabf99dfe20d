"""Images in one folder a class, as ImageNet and Keras's own loader keep them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from octavo.data.sources import image_files, listing, read_image
from octavo.errors import DatasetError

TRAIN, HELD_OUT = "train", ("val", "validation", "test")


@dataclass(frozen=True, slots=True, eq=False)
class ClassImages:
    """Images and their classes.

    Attributes:
        x: float32 in 0..255, [n, height, width, channels], shuffled.
        y: int64 class numbers [n]; a class's number is its place in `classes`.
        classes: Names of the folders, sorted.
    """

    x: np.ndarray
    y: np.ndarray
    classes: tuple[str, ...]


def has_splits(folder: Path) -> tuple[Path, Path] | None:
    """The folders to train on and to test with, where a folder has both: train, and one of val, validation or test."""
    held_out = next((folder / name for name in HELD_OUT if (folder / name).is_dir()), None)
    return None if held_out is None or not (folder / TRAIN).is_dir() else (folder / TRAIN, held_out)


def images_by_class(
    folder: Path, *, size: int | None = None, channels: int = 3, samples: int | None = None, seed: int = 0
) -> ClassImages:
    """Read the images of all classes.

    Args:
        folder: Holds one folder a class.
        size: Height and width they are brought to; None where all have the same already.
        channels: 1, 3 or 4.
        samples: At most this many, drawn from all; None for all.
        seed: Of the order.

    Raises:
        DatasetError: if there are not two classes with images, sizes differ, or a file is no image.
        MissingDependencyError: without Pillow.
    """
    with listing(folder):
        entries = sorted(entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    found = {entry.name: image_files(entry) for entry in entries}
    classes = tuple(name for name, paths in found.items() if paths)
    if len(classes) < 2:
        raise DatasetError(
            f"'{folder}' does not hold images by class.",
            got=f"{len(found)} folders in it, {len(classes)} with images",
            expected="one folder of images for each of two classes or more",
            fix="move the images into folders that bear the names of their classes",
        )
    files = [(path, number) for number, name in enumerate(classes) for path in found[name]]
    order = np.random.default_rng(seed).permutation(len(files))[:samples]
    images = [read_image(files[index][0], channels, size) for index in order]
    shapes = {image.shape for image in images}
    if len(shapes) > 1:
        raise DatasetError(
            f"the images in '{folder}' differ in size.",
            got=" and ".join(map(str, sorted(shapes)[:2])),
            expected="one height and width, that of the model's input",
            fix="resize them, or load them yourself and give the array",
        )
    numbers = np.array([files[index][1] for index in order], np.int64)
    return ClassImages(np.stack(images).astype(np.float32), numbers, classes)
