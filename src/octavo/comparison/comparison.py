"""Every scheme side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from octavo.comparison.recommendation import Recommendation, recommend
from octavo.comparison.rows import Failure, Row, row_name
from octavo.condition import Method
from octavo.config import SCHEMES, QuantizeConfig, scheme_named
from octavo.data.sources import is_spent
from octavo.errors import ConfigError, DatasetError, ModelFileError, VerificationError
from octavo.pipeline import quantize, quantize_prepared
from octavo.report.tables import TextTable, as_markdown, comparison_tables
from octavo.result import QuantizedModel
from octavo.stages import Progress, Source, prepare


@dataclass(frozen=True, slots=True)
class Comparison:
    """All rows, in the order they were made; the first is float32 if it was among the schemes.

    Attributes:
        rows: At least one.
        failures: Rows that could not be made, likewise.
    """

    rows: tuple[Row, ...]
    failures: tuple[Failure, ...] = ()

    @property
    def tables(self) -> tuple[TextTable, ...]:
        """What each scheme costs, what proves each file, what stays in float, and what could not be made."""
        return comparison_tables(
            ((row.name, row.evaluation, row.quantized) for row in self.rows),
            ((failure.name, failure.error.what) for failure in self.failures),
        )

    def best(self, flash: str | int = "1MB", ram: str | int = "256KB") -> Recommendation:
        """Which technique to use on a board.

        See `octavo.comparison.recommendation.recommend` for how it is chosen.

        Args:
            flash: Bytes, or a number with KB or MB, for the model file.
            ram: Likewise, for the arena.

        Raises:
            ConfigError: for a size that cannot be read.
        """
        return recommend(self.rows, flash, ram)

    def __str__(self) -> str:
        lines = (line for table in self.tables for line in (*as_markdown(table), ""))
        return "\n".join((*lines, self.best().reason))

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        best = self.best()
        return {
            "rows": [row.to_dict() for row in self.rows],
            "failures": [{"name": failure.name, "what": failure.error.what} for failure in self.failures],
            "recommended": best.row.name if best.row else None,
            "reason": best.reason,
        }


def compare(
    model: Any,
    data: Any = None,
    test: tuple[Any, np.ndarray | None] | None = None,
    *,
    schemes: Sequence[str] = tuple(SCHEMES),
    skip: Sequence[str] = (),
    methods: Sequence[Method] = (),
    samples: int | None = None,
    integer_divisor: float | None = None,
    seed: int = 0,
    train: Callable[[Any], object] | None = None,
    train_schemes: Sequence[str] = ("int8",),
    time_it: bool = True,
    allow: Sequence[str] = (),
    progress: Progress | None = None,
) -> Comparison:
    """Quantize a model by every scheme, after training and, given a way to train, by training; measure each alike.

    A scheme whose file fails its verification, or is refused by a runtime, is told among the failures; the others go
    on. Without the float file, which all are measured against, there is no comparison.

    Args:
        model: As for `octavo.quantize`.
        data: Representative dataset; needed by the integer schemes. Something that can be read several times.
        test: Test set (x, y), real values as in training; y None where it does not classify.
        schemes: Names of the schemes, in the table's order.
        skip, methods, samples, integer_divisor, seed, allow, progress: As for `octavo.quantize`.
        train: Trains the quantization-aware model it is given, by compile and fit; None leaves these rows out. The
            model must then be a keras.Model.
        train_schemes: Schemes to train for.
        time_it: Whether to measure latency.

    Raises:
        ConfigError: for an unknown scheme, or without a test set.
        DatasetError: for data that can be read only once, or without data for a scheme that needs some.
        VerificationError, ModelFileError: if the float file fails, or every scheme; the first error then.
    """
    x, y = _held_out(test)
    _check_data_for(schemes, data)
    source = Source(_readable_again(data), samples, integer_divisor, progress)
    prepared = prepare(model, allow)
    original = quantize_prepared(prepared, QuantizeConfig("float32", seed=seed), source)
    float_outputs = original.predict(x)

    def row(technique: str, scheme: str, make: Callable[[], QuantizedModel]) -> Row | Failure:
        try:
            made = make()
            return Row(technique, made, made.evaluate(x, y, float_outputs=float_outputs, time_it=time_it))
        except (VerificationError, ModelFileError) as error:
            return Failure(row_name(technique, scheme), error)

    rows = [row("float", "float32", lambda: original)] if "float32" in schemes else []
    names = [name for name in dict.fromkeys(schemes) if name != "float32"]
    for done, scheme in enumerate(names):
        if progress is not None:
            progress(scheme, done, len(names))
        config = QuantizeConfig(scheme, skip=skip, seed=seed)
        rows.append(row("PTQ", scheme, partial(quantize_prepared, prepared, config, source, methods=methods)))
    if train is not None:
        rows += [
            row("QAT", each, partial(_trained, model, each, train, source, skip, allow, methods))
            for each in train_schemes
        ]
    return _comparison(rows)


def _comparison(results: Sequence[Row | Failure]) -> Comparison:
    """The comparison of what came of each scheme; the first error if nothing did."""
    rows = tuple(each for each in results if isinstance(each, Row))
    failures = tuple(each for each in results if isinstance(each, Failure))
    if failures and not rows:
        raise failures[0].error
    return Comparison(rows, failures)


def _check_data_for(schemes: Sequence[str], data: Any) -> None:
    """Refuse schemes that cannot be made, before any is.

    Raises:
        ConfigError: for an unknown name.
        DatasetError: if there is no data and one needs some.
    """
    hungry = [name for name in schemes if scheme_named(name).needs_data]
    if data is None and hungry:
        content = [name for name, scheme in SCHEMES.items() if not scheme.needs_data]
        raise DatasetError(
            f"without a representative dataset there is no {' and no '.join(hungry)}.",
            got="no data",
            expected="some hundred samples, prepared as in training",
            fix=f"pass data=x_train[:500], or leave it at the schemes that need none: {', '.join(content)}",
        )


def _held_out(test: tuple[Any, np.ndarray | None] | None) -> tuple[Any, np.ndarray | None]:
    """The test set.

    Raises:
        ConfigError: if there is none.
    """
    if test is None:
        raise ConfigError(
            "a comparison needs a test set.",
            got="test=None",
            expected="test=(x, y), samples the model was not trained on",
            fix="pass test=(x_test, y_test), or test=(x, None) to compare with the float model's outputs alone",
        )
    return test


def _readable_again(data: Any) -> Any:
    """The representative data, which every scheme reads from its beginning.

    Raises:
        DatasetError: if it can be read only once.
    """
    if is_spent(data):
        raise DatasetError(
            "a comparison reads the data once for each scheme.",
            got="a generator, which can be read only once",
            expected="an array, a list, or a function that returns a new generator",
            fix="pass the function itself: data=samples instead of data=samples()",
        )
    return data


def _trained(
    model: Any,
    scheme: str,
    train: Callable[[Any], object],
    source: Source,
    skip: Sequence[str],
    allow: Sequence[str],
    methods: Sequence[Method],
) -> QuantizedModel:
    """The file of a model trained for a scheme, its ranges started from the representative data if there is any."""
    from octavo.qat.make import quantize_model

    aware = quantize_model(
        model,
        scheme,
        data=source.data,
        skip=skip,
        methods=methods,
        samples=source.samples,
        integer_divisor=source.integer_divisor,
        allow=allow,
    )
    train(aware)
    return quantize(aware)
