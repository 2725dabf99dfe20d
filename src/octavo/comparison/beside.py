"""A trained model beside what it came from, and beside what would have come of training alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from octavo.comparison.comparison import Comparison
from octavo.comparison.rows import FLOAT, MORE, PTQ, QAT, Row
from octavo.config import QuantizeConfig
from octavo.evaluate.predict import Samples
from octavo.pipeline import quantize_prepared
from octavo.qat.make import float_of
from octavo.result import QuantizedModel
from octavo.stages import Source, prepare


def beside(
    model: Any,
    trained: QuantizedModel,
    scheme: str,
    data: Any,
    test: tuple[Samples, Any],
    *,
    train: Callable[[], Any] | None = None,
    skip: Sequence[str] = (),
    seed: int = 0,
) -> Comparison:
    """The float model, its file after training, those after the same training in float, and the trained file.

    Args:
        model: What training started from, float or quantization-aware.
        trained: The file that came of training.
        scheme: It was trained for.
        data: Representative dataset.
        test: Samples and labels that were not trained on.
        train: Gives the float model after the same training; None leaves these rows out.
        skip, seed: As for `octavo.quantize`.
    """
    x, y = test
    source = Source(data)
    origins = [(FLOAT, PTQ, float_of(model)), *([] if train is None else [(MORE, MORE, train())])]
    rows, floats = [], None
    for as_float, after, origin in origins:
        prepared = prepare(origin)
        for technique, name in ((as_float, "float32"), (after, scheme)):
            made = quantize_prepared(prepared, QuantizeConfig(name, skip=skip, seed=seed), source)
            floats = made.predict(x) if floats is None else floats
            rows.append(Row(technique, made, made.evaluate(x, y, float_outputs=floats, time_it=False)))
    rows.append(Row(QAT, trained, trained.evaluate(x, y, float_outputs=floats, time_it=False)))
    return Comparison(tuple(rows))
