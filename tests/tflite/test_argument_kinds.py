"""An argument of the wrong kind is one error of four parts, with a value that would serve or the closest name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import octavo
from octavo.config import SCHEMES, QuantizeConfig
from octavo.errors import ConfigError, DatasetError
from octavo.ir.types import Graph
from octavo.ops.build import GraphBuilder
from octavo.ops.dense import FullyConnectedOptions
from octavo.write.tflite import write_tflite

X = np.random.default_rng(0).normal(size=(20, 6)).astype(np.float32)


def network() -> Graph:
    b = GraphBuilder("one")
    x = b.input("x", (1, 6))
    b.layer = "first"
    return b.finish(
        [b.emit("FULLY_CONNECTED", [x, b.constant(np.eye(6, dtype=np.float32), "kernel")], FullyConnectedOptions())]
    )


MODEL = write_tflite(network())


@pytest.mark.parametrize(
    ("options", "fix"),
    [
        ({"skip": 3}, r"skip=\['dense', 'head/\*'\]"),
        ({"skip": [3]}, r"skip=\['dense', 'head/\*'\]"),
        ({"samples": 2.5}, "samples=500"),
        ({"samples": "3"}, "samples=500"),
        ({"samples": True}, "samples=500"),
        ({"samples": 0}, "samples=500"),
        ({"scheme": ""}, "use one of these names"),
        ({"scheme": 5}, "scheme='int8' for a scheme"),
        ({"scheme": "int8 "}, "did you mean 'int8'"),
        ({"per_axis": "x"}, "per_axis=True"),
        ({"per_axis": 1}, "per_axis=True"),
        ({"layers": 3}, r"layers=\[\.\.\.\]"),
        ({"layers": [3]}, r"layers=\{'name': \.\.\.\}"),
        ({"layers": [{"patern": "first"}]}, "did you mean 'pattern'"),
        ({"layers": [{"pattern": "first", "weigths": "int8"}]}, "did you mean 'weights'"),
        ({"layers": [{"weights": "int8"}]}, r"say which: \{'pattern': 'dense'"),
        ({"layers": [{"pattern": "first", "per_axis": "x"}]}, "per_axis=True"),
        ({"estimator": 3}, "estimator='mse'"),
        ({"percentile": "a"}, r"percentile=99\.9"),
        ({"seed": 2.5}, "seed=0"),
        ({"seed": -1}, "seed=0"),
        ({"input_type": 5}, "input_type='int8'"),
        ({"input_type": "unit8"}, "did you mean 'uint8'"),
        ({"integer_divisor": "a"}, "integer_divisor=255"),
        ({"methods": 3}, r"methods=\[octavo\.condition\.BiasCorrection\(\)\]"),
        ({"methods": ["bias"]}, r"methods=\[octavo\.condition\.BiasCorrection\(\)\]"),
        ({"allow": 3}, r"allow=\["),
        ({"progress": 3}, "progress=print"),
        ({"mend": "x"}, "mend=True"),
        ({"effort": 3}, "effort='good'"),
        ({"verify": 3}, "verify='full'"),
    ],
)
def test_quantize_refuses_it(options: dict[str, Any], fix: str) -> None:
    with pytest.raises(ConfigError, match=f"fix: +.*{fix}"):
        octavo.quantize(MODEL, data=X, **{"verify": "off", **options})


@pytest.mark.parametrize("options", [{"samples": 2.5}, {"skip": 3}, {"layers": [3]}, {"progress": 3}])
def test_calibrate_refuses_it(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"fix: +say, for example"):
        octavo.calibrate(MODEL, X, **options)


@pytest.mark.parametrize(
    "options",
    [
        {"schemes": 5},
        {"also": 3},
        {"train": 3},
        {"train_schemes": 3},
        {"matters": 3},
        {"board": np.zeros(0)},
        {"time_it": 3},
    ],
)
def test_compare_refuses_it(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"fix: +say, for example"):
        octavo.compare(MODEL, X, (X, None), **{"time_it": False, **options})


@pytest.mark.parametrize("options", [{"file": 3}, {"progress": 3}, {"apply": 3}])
def test_diagnose_refuses_it(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"fix: +say, for example"):
        octavo.diagnose(MODEL, X, **options)


@pytest.mark.parametrize("board", [3, b"nano"])
def test_fit_refuses_it(board: Any) -> None:
    with pytest.raises(ConfigError, match=r"fix: +say, for example, board='"):
        octavo.fit(MODEL, board)


@pytest.mark.parametrize("place", [{"path": None}, {"path": 3}, {"path": ["a"]}, {"path": "a.tflite", "to": 3}])
def test_save_refuses_it(place: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"fix: +say, for example, (path='model\.tflite'|to='array')"):
        octavo.quantize(MODEL, "dynamic", verify="off").save(**place)


def test_evaluate_refuses_it() -> None:
    with pytest.raises(ConfigError, match=r"fix: +say, for example, time_it=True"):
        octavo.quantize(MODEL, "dynamic", verify="off").evaluate(X, time_it=3)  # type: ignore[arg-type]


@pytest.mark.parametrize("test", [(), b"x", range(3), {1, 2}])
def test_a_test_set_that_is_none_is_refused(test: Any) -> None:
    with pytest.raises(DatasetError, match=r"fix: +(give the pair|check where the data)"):
        octavo.quantize(MODEL, "dynamic", verify="off").evaluate(test, time_it=False)


def test_labels_that_are_words_are_refused() -> None:
    with pytest.raises(DatasetError, match=r"fix: +give as many labels as samples, numbered from 0"):
        octavo.quantize(MODEL, data=X, verify="off").evaluate(X, ["a"] * 20, time_it=False)


def test_numbers_of_numpy_serve_as_well() -> None:
    plain = octavo.quantize(MODEL, data=X, samples=7, seed=3, verify="off")
    given = {"samples": np.int64(7), "seed": np.int32(3), "per_axis": np.True_, "percentile": np.float32(99.0)}
    assert octavo.quantize(MODEL, data=X, verify="off", **given).model == plain.model  # type: ignore[arg-type]


def test_one_scheme_may_stand_alone() -> None:
    table = octavo.compare(MODEL, X, (X, None), schemes="int8", time_it=False)  # type: ignore[arg-type]
    assert [row.name for row in table.rows] == ["int8"]


def test_schemes_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        SCHEMES["mine"] = SCHEMES["int8"]  # type: ignore[index]


def test_predict_takes_the_integers_that_calibration_took() -> None:
    integers = np.random.default_rng(1).integers(0, 256, (20, 6)).astype(np.uint8)
    q = octavo.quantize(MODEL, data=integers, integer_divisor=255)
    real = (integers / np.float32(255)).astype(np.float32)
    for given, same in ((integers, real), ({"x": integers}, {"x": real})):
        np.testing.assert_array_equal(q.predict(given), q.predict(same))
    assert q.evaluate(integers, time_it=False).outputs == q.evaluate(real, time_it=False).outputs
    with pytest.raises(DatasetError, match=r"fix: +pass x / 255"):
        octavo.quantize(MODEL, data=real).predict(integers)


def test_a_config_of_a_table_is_looked_at_alike() -> None:
    with pytest.raises(ConfigError, match=r"fix: +say, for example, seed=0"):
        QuantizeConfig.from_mapping({"seed": "0"})
