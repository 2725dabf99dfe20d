"""The notebook of examples/, which is the tutorial of the site, runs, and each cell shows what it ends in."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
import pytest

from source_tree import ROOT

NOTEBOOK = ROOT / "examples" / "first_hour.ipynb"


def tool() -> Any:
    """tools/notebook.py, which runs a notebook for the site as well."""
    spec = importlib.util.spec_from_file_location("notebook", ROOT / "tools" / "notebook.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.exhaustive  # the site is built of it, too
def test_the_notebook_runs_and_shows_its_results() -> None:
    pytest.importorskip("sklearn")
    names: dict[str, Any] = {}
    notebook = tool()
    ran = [notebook.run_cell(source, names) for kind, source in notebook.cells(NOTEBOOK) if kind == "code"]
    shown = [value for _, value in ran if value is not None]
    trained, rounded, diagnosed = (printed for printed, _ in ran if printed)
    quantized, evaluation, parity, table = shown
    assert quantized.verification.ok
    assert all(value._repr_html_().count("<") > 1 for value in shown)
    assert evaluation.accuracy == (quantized.predict(names["x_test"]).argmax(1) == names["y_test"]).mean()
    assert parity.within_one_step > 0.999
    assert [row.name for row in table.rows] == [
        "float32", "int8", "float32 trained on", "int8 trained on", "int8 QAT",
    ]  # fmt: skip
    # Nothing is recommended for a gain whose interval holds zero.
    gain = table.best().gain
    assert gain is None or gain.proven
    assert float(trained.split()[2].rstrip("%,")) > 90
    assert np.abs(names["values"] - (names["integers"] - names["zero_point"]) * names["scale"]).max() == 1.0  # cut
    assert "-128" in rounded
    assert "Nothing is wrong" in diagnosed
    assert "int8x4" in diagnosed
