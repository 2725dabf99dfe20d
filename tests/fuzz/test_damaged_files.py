"""A slice of `make fuzz`: damaged files end in errors made on purpose, and nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fuzz.mutations import READERS, problem, seeds

CASES = {
    "tflite": 120,
    "keras": 12,
    "h5": 12,
    "npz": 60,
    "statistics.npz": 20,
    "png": 30,
    "gif": 30,
    "tiff": 30,
    "jpg": 30,
}


def test_the_slice_covers_every_kind_of_file() -> None:
    assert CASES.keys() == READERS.keys()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", READERS)
def test_damaged_files_are_read_or_refused(kind: str, tmp_path: Path) -> None:
    seed = seeds(tmp_path, (kind,))[kind]
    assert problem(kind, seed, tmp_path) is None
    found = {}
    for case in range(CASES[kind]):
        content = READERS[kind][1](seed, np.random.default_rng((case, len(kind))))
        if (told := problem(kind, content, tmp_path)) is not None:
            found[case] = told
    assert not found
