"""No false alarm on public models and their own data; the usual mistakes of preparing it are told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from shared_files import NEEDS_SHARED, cifar, keywords, mnist, model_path

import octavo
from octavo.demo.data import Data, digits
from octavo.demo.networks import train
from octavo.stages import Prepared, Source, doubts, prepare

pytestmark = NEEDS_SHARED

# Nothing but silence is spread otherwise than words, and no data to calibrate on.
SILENCE = ("kws.keras", 10)


def told(prepared: Prepared, x: np.ndarray) -> list[str]:
    _, seen = Source(x).peek(prepared, 64)
    return [note.text for note in doubts(prepared, seen)]


SOURCES: dict[str, Callable[[], tuple[np.ndarray, np.ndarray]]] = {
    "resnet8.keras": cifar,
    "resnet8_keras2.h5": cifar,
    "resnet8_official_float.tflite": cifar,
    "kws.keras": keywords,
}


@pytest.mark.parametrize("name", SOURCES)
def test_no_part_of_a_models_own_data_raises_an_alarm(name: str) -> None:
    prepared, (x, y) = prepare(str(model_path(name))), SOURCES[name]()
    parts = [x[start : start + 64] for start in range(0, 640, 64)]
    parts += [x[y == label][:64] for label in np.unique(y) if (name, label) != SILENCE] + [x[:2], x[-8:]]
    assert [alarm for part in parts for alarm in told(prepared, part)] == []


@pytest.mark.parametrize("name", ["resnet8.keras", "resnet8_keras2.h5", "kws.keras"])
@pytest.mark.parametrize("factor", [1 / 255, 1 / 127.5, 4.0, 255.0])
def test_the_same_data_in_another_scale_does(name: str, factor: float) -> None:
    assert told(prepare(str(model_path(name))), SOURCES[name]()[0][:64] * np.float32(factor))


@pytest.mark.parametrize("of_class", [1.0, 0.9])
def test_a_test_set_of_one_class_alone_or_nearly_raises_none(of_class: float) -> None:
    """In a scale of next to nothing a network gives one answer to everything, which is right for one class."""
    x, y = SOURCES["resnet8.keras"]()
    rng = np.random.default_rng(0)
    # Noise makes the network miss some of the class.
    x = np.clip(x + rng.normal(0, 30, x.shape), 0, 255).astype(np.float32)
    own, others = np.flatnonzero(y == 0)[:100], np.flatnonzero(y != 0)
    chosen = np.where(rng.random(len(own)) < of_class, own, rng.choice(others, len(own)))
    table = octavo.compare(
        model_path("resnet8.keras"), x[:100], (x[chosen], y[chosen]), schemes=("float32",), time_it=False
    )
    assert table.of_test == ()


@pytest.mark.parametrize("make", [digits, lambda: Data("mnist", *mnist("train", 2000), *mnist("test", 500))])
def test_networks_trained_for_few_steps_raise_none(make: Callable[[], Data]) -> None:
    data = make()
    if data.name == "mnist":
        data = Data("mnist", data.x_train[..., 0], data.y_train, data.x_test[..., 0], data.y_test)
    model: Any = train(data, epochs=1, seed=0, progress=lambda stage, done, total: None)
    table = octavo.compare(
        model, data.x_train[:200], (data.x_test, data.y_test), schemes=("float32", "int8"), time_it=False
    )
    assert table.doubts == ()
    assert all(row.quantized.coarse == () for row in table.rows)
