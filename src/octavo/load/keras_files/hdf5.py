"""Walks an HDF5 file before Keras does: all of it must lie in the file itself, and be of the size it says."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from octavo.errors import ModelFileError
from octavo.limits import limits, raised

# DEFLATE packs at most 1032 bytes into one; small blocks of headers come on top.
_MOST_PACKED, _SMALL = 1100, 1 << 16
_NUMBERS_AND_TEXT = frozenset("biufcSOV")


class Misplaced(ValueError):
    """Something in an HDF5 file that no saved model needs, in words."""


def weight_bytes(file: Any) -> int:
    """Size of all datasets of an open h5py.File, unpacked, after a look at every link, dataset and attribute.

    Raises:
        Misplaced: for soft and external links, external and virtual datasets, sizes that the file cannot hold, or too
            many objects.
    """
    total, most = 0, limits()
    for place, item in _items(file, most.objects):
        for name in item.attrs:
            _check_attribute(item, name, place, most.config_bytes)
        if hasattr(item, "shape"):
            total += _dataset_bytes(item, place)
        if total > most.weights_bytes:
            raise Misplaced(
                f"weights of more than the {most.weights_bytes} bytes that {raised('weights_bytes')} allows"
            )
    return total


def _items(file: Any, most: int) -> Iterator[tuple[str, Any]]:
    """Every group and dataset once, reached by hard links alone."""
    import h5py

    seen, pending = set(), [("/", file)]
    while pending:
        place, item = pending.pop()
        address = h5py.h5o.get_info(item.id).addr
        if address in seen:
            continue
        seen.add(address)
        if len(seen) > most:
            raise Misplaced(f"more than {most} groups and datasets; {raised('objects')} allows more")
        yield place, item
        for name in item if isinstance(item, h5py.Group) else ():
            inner = f"{place.rstrip('/')}/{name}"
            if not isinstance(item.get(name, getlink=True), h5py.HardLink):
                raise Misplaced(f"'{inner}' is a link to another place")
            if item.get(name, getclass=True) not in (h5py.Group, h5py.Dataset):
                raise Misplaced(f"'{inner}' is neither a group nor a dataset")
            pending.append((inner, item[name]))


def _dataset_bytes(dataset: Any, place: str) -> int:
    if dataset.external:
        raise Misplaced(f"'{place}' lies in another file")
    if dataset.is_virtual:
        raise Misplaced(f"'{place}' is put together from other datasets")
    if dataset.dtype.kind not in _NUMBERS_AND_TEXT or (dataset.dtype.metadata and "ref" in dataset.dtype.metadata):
        raise Misplaced(f"'{place}' holds {dataset.dtype}")
    stated = (dataset.size or 0) * dataset.dtype.itemsize
    stored = dataset.id.get_storage_size()
    if stated > _MOST_PACKED * stored + _SMALL:
        raise Misplaced(f"'{place}' of shape {dataset.shape} has {stored} bytes in the file")
    return stated


def _check_attribute(item: Any, name: str, place: str, most: int) -> None:
    import h5py

    attribute = item.attrs.get_id(name)
    size = math.prod(attribute.shape or ()) * attribute.dtype.itemsize
    if size > most:
        raise Misplaced(f"attribute '{name}' of '{place}' has {size} bytes; {raised('config_bytes')} allows more")
    if h5py.check_ref_dtype(attribute.dtype) is not None:
        raise Misplaced(f"attribute '{name}' of '{place}' points to another place")


def refused(path: Path, error: Misplaced) -> ModelFileError:
    """The error for a file that is not self-contained."""
    return ModelFileError(
        f"'{path.name}' is no HDF5 file of weights that is read.",
        got=str(error),
        expected="weights that all lie in the file itself, of the size they state",
        fix="save the model again with model.save('model.keras'); if it is yours and as large as it says, raise "
        "the bound that is named",
    )
