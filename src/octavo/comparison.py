"""Every scheme side by side, and which one to use."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from octavo.calibration.sources import is_spent
from octavo.config import SCHEMES, QuantizeConfig, scheme_named
from octavo.errors import ConfigError, DatasetError, ModelFileError, OctavoError, VerificationError
from octavo.evaluate.evaluation import Evaluation
from octavo.pipeline import quantize, quantize_prepared
from octavo.report.tables import TextTable, as_markdown, comparison_tables, island_values
from octavo.result import QuantizedModel
from octavo.stages import Progress, Source, prepare

UNITS = {"": 1, "B": 1, "KB": 1024, "MB": 1024**2, "GB": 1024**3}
SMALLER_FROM = 1.05
"""The ratio of sizes from which on one of them is said to be smaller: below, it is printed as 1.0."""


@dataclass(frozen=True, slots=True)
class Row:
    """One way of quantizing, and what it is worth.

    Attributes:
        technique: "float", "PTQ" or "QAT".
        quantized: The model.
        evaluation: On the test set.
    """

    technique: str
    quantized: QuantizedModel
    evaluation: Evaluation

    @property
    def name(self) -> str:
        """Technique and scheme, as tables show them."""
        return row_name(self.technique, self.quantized.scheme.name)

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return {
            "name": self.name,
            "technique": self.technique,
            "evaluation": self.evaluation.to_dict(),
            "islands": island_values(self.quantized.islands),
        }


@dataclass(frozen=True, slots=True)
class Failure:
    """A row that could not be made, and why.

    Attributes:
        name: The row's name.
        error: What was raised while its file was made, proven or measured.
    """

    name: str
    error: OctavoError


@dataclass(frozen=True, slots=True)
class Recommendation:
    """What to use, and why.

    Attributes:
        row: The row recommended, or None where nothing fits.
        reason: One or two sentences.
    """

    row: Row | None
    reason: str


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

        Of the rows whose file fits the flash and whose TensorFlow Lite Micro arena fits the RAM, those within half a
        point of the best accuracy count as equals; among them the smallest arena decides, then the smallest file.
        Without labels those within 3 dB of the best output SQNR count as equals, and the float model, which the others
        are measured against, is chosen only if no other fits.

        Args:
            flash: Bytes, or a number with KB or MB, for the model file.
            ram: Likewise, for the arena.

        Raises:
            ConfigError: for a size that cannot be read.
        """
        limits = parse_bytes(flash), parse_bytes(ram)
        fitting = [row for row in self.rows if _fits(row.evaluation, *limits)]
        if not fitting:
            return Recommendation(None, _why_nothing_fits(self.rows, *limits))
        if not _labelled(self.rows):
            fitting = [row for row in fitting if row.technique != "float"] or fitting
        measure, tolerance = _measure(self.rows)
        top = max(measure(row.evaluation) for row in fitting)
        equals = [row for row in fitting if measure(row.evaluation) >= top - tolerance]
        chosen = min(equals, key=lambda row: (row.evaluation.memory.arena_bytes or 0, row.evaluation.memory.file_bytes))
        return Recommendation(chosen, _why(chosen, self.rows, *limits))

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
    samples: int | None = None,
    integer_divisor: float | None = None,
    seed: int = 0,
    train: Callable[[Any], object] | None = None,
    train_schemes: Sequence[str] = ("int8",),
    time_it: bool = True,
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
        skip, samples, integer_divisor, seed, progress: As for `octavo.quantize`.
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
    prepared = prepare(model)
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
        rows.append(row("PTQ", scheme, partial(quantize_prepared, prepared, config, source)))
    if train is not None:
        rows += [row("QAT", each, partial(_trained, model, each, train, source, skip)) for each in train_schemes]
    return _comparison(rows)


def row_name(technique: str, scheme: str) -> str:
    """Technique and scheme, as tables show them."""
    return scheme if technique != "QAT" else f"{scheme} QAT"


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
    model: Any, scheme: str, train: Callable[[Any], object], source: Source, skip: Sequence[str]
) -> QuantizedModel:
    """The file of a model trained for a scheme, its ranges started from the representative data if there is any."""
    from octavo.qat import quantize_model

    aware = quantize_model(
        model,
        scheme,
        data=source.data,
        skip=skip,
        samples=source.samples,
        integer_divisor=source.integer_divisor,
    )
    train(aware)
    return quantize(aware)


def parse_bytes(size: str | int) -> int:
    """A number of bytes, or one with KB, MB or GB (of 1024).

    >>> parse_bytes("256KB")
    262144

    Raises:
        ConfigError: for anything else.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMG]?B)?\s*", str(size), re.IGNORECASE)
    if match is None:
        raise ConfigError(
            "a size cannot be read.",
            got=repr(size),
            expected="bytes, or a number with KB, MB or GB",
            fix="write it like 256KB or 1MB",
        )
    return int(float(match[1]) * UNITS[(match[2] or "").upper()])


def _fits(evaluation: Evaluation, flash: int, ram: int) -> bool:
    arena = evaluation.memory.arena_bytes
    return evaluation.memory.file_bytes <= flash and arena is not None and arena <= ram


def _labelled(rows: Sequence[Row]) -> bool:
    return all(row.evaluation.top1 is not None for row in rows)


def _measure(rows: Sequence[Row]) -> tuple[Callable[[Evaluation], float], float]:
    """How rows are ranked, higher is better, and the difference that counts as none."""
    if _labelled(rows):
        return lambda evaluation: 100.0 * (evaluation.top1 or 0.0), 0.5
    # A row whose outputs equal the float model's has no error; it is as good as can be.
    return lambda evaluation: _or_infinity(evaluation.outputs[0].sqnr_db), 3.0


def _or_infinity(value: float | None) -> float:
    return float("inf") if value is None else value


def _why(chosen: Row, rows: Sequence[Row], flash: int, ram: int) -> str:
    memory = chosen.evaluation.memory
    reason = (
        f"{chosen.name} runs on TensorFlow Lite Micro within {ram // 1024} KB RAM and {flash // 1024} KB flash "
        f"(arena {(memory.arena_bytes or 0) / 1024:.1f} KB, file {memory.file_bytes / 1024:.1f} KB)"
    )
    original = next((row for row in rows if row.technique == "float"), None)
    if original is None or original is chosen:
        return reason + "."
    ratio = original.evaluation.memory.file_bytes / memory.file_bytes
    if ratio >= SMALLER_FROM:
        reason += f", {ratio:.1f}x smaller than float"
    if chosen.evaluation.top1 is None or original.evaluation.top1 is None:
        return reason + "."
    change = 100.0 * (chosen.evaluation.top1 - original.evaluation.top1)
    return reason + f", at {change:+.2f} points of accuracy."


def _why_nothing_fits(rows: Sequence[Row], flash: int, ram: int) -> str:
    arenas = [row.evaluation.memory.arena_bytes for row in rows if row.evaluation.memory.arena_bytes is not None]
    smallest = min(row.evaluation.memory.file_bytes for row in rows)
    needed = f"the smallest file takes {smallest / 1024:.0f} KB"
    if arenas:
        needed += f", the smallest arena {min(arenas) / 1024:.0f} KB"
    return f"Nothing fits {flash // 1024} KB flash and {ram // 1024} KB RAM: {needed}."
