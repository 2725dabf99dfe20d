"""What fixes tell people to write can be written: arguments and functions that exist."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import pytest

import octavo
from errors_made import error_places
from octavo import condition, export, load, qat
from octavo.cli import COMMANDS
from octavo.evaluate.metrics import Metric

# What a fix may mean by a name without an argument list: what people call with arguments by name.
CALLED = (
    octavo.quantize, octavo.calibrate, octavo.compare, octavo.parity, octavo.lowering, octavo.Statistics.save,
    octavo.QuantizeConfig, octavo.LayerConfig, octavo.QuantizedModel.evaluate, octavo.QuantizedModel.save,
    octavo.Comparison.best, qat.quantize_model, qat.apply, qat.TrainingConfig, qat.LayerTraining, qat.FreezeBatchNorm,
    export.export, load.load, condition.BiasCorrection, Metric, keras.Input, keras.layers.Layer, keras.Model.fit,
    keras.Model.save, *COMMANDS,
)  # fmt: skip
# Arguments of Keras layers, of TensorFlow's converter and of decorators.
ELSEWHERE = {
    "signatures",
    "signature_keys",
    "keeps_values",
    "axis",
    "mask_zero",
    "go_backwards",
    "stateful",
    "return_state",
    "num_bits",
    "data_format",
    "name",
}
KNOWN = {name for function in CALLED for name in inspect.signature(function).parameters} | ELSEWHERE


def fixes() -> Iterator[tuple[str, str]]:
    """(place, text) of each fix in the source; a `{}` stands for what is filled in."""
    for place, call in error_places().items():
        for keyword in call.keywords:
            if keyword.arg == "fix":
                yield place, text_of(keyword.value)


def text_of(node: ast.AST) -> str:
    """The words of an expression that makes a text."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.FormattedValue):
        return "{}"
    return "".join(map(text_of, ast.iter_child_nodes(node)))


FIXES = dict(fixes())


@pytest.mark.parametrize("place", sorted(FIXES))
def test_a_fix_names_only_arguments_that_something_public_takes(place: str) -> None:
    named = set(re.findall(r"(?<![\w.'\"-])([a-z_]\w*)=(?!=)", FIXES[place]))
    written = {
        name for name in named if not re.search(rf"np\.savez\([^)]*{name}=|numpy\.savez\([^)]*{name}=", FIXES[place])
    }
    assert written <= KNOWN, FIXES[place]


SPOKEN = {"octavo": octavo, "qat": qat, "keras": keras, "np": np, "numpy": np}


@pytest.mark.parametrize(
    "place", sorted(place for place, text in FIXES.items() if re.search(r"\b(octavo|qat|keras|np|numpy)\.", text))
)
def test_a_fix_names_only_functions_that_exist(place: str) -> None:
    for root, path in re.findall(r"(?<![\w/.])(octavo|qat|keras|np|numpy)((?:\.[A-Za-z_]\w*)+)", FIXES[place]):
        found: Any = SPOKEN[root]
        for name in path.removeprefix(".").split("."):
            assert hasattr(found, name), f"{root}{path} in: {FIXES[place]}"
            found = getattr(found, name)
