"""A slice of `make extremes`: one model of each family, with extreme numbers, makes a proven file."""

from __future__ import annotations

import pytest

from fuzz.extremes import FAMILIES, outcome

pytest.importorskip("tflite_micro")

# Cases that once made files that end a runtime or are refused by one, or whose kernels answered wrongly.
CASES = (48, 41, 26, 27, 44, 37, 22, 23)


def test_the_slice_has_a_case_of_each_family() -> None:
    assert sorted(case % len(FAMILIES) for case in CASES) == list(range(len(FAMILIES)))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", CASES)
def test_a_model_of_extreme_numbers_makes_a_proven_file(case: int) -> None:
    family, found, more = outcome(case)
    assert found == "proven", f"{family}: {more}"
