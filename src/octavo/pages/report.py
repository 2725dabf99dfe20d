"""`octavo report`: one page on a network, compared, diagnosed and shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from octavo.comparison.comparison import Comparison, compare
from octavo.data.labelled import Labelled, labelled_samples
from octavo.data.sources import is_spent
from octavo.diagnosis.diagnose import diagnose
from octavo.diagnosis.found import Diagnosis
from octavo.diagnosis.samples import held
from octavo.evaluate.tasks import labels_by_output
from octavo.pages.content import page_content, write_page
from octavo.progress import Progress
from octavo.result import QuantizedModel
from octavo.search.found import Search
from octavo.stages import Prepared, Source, prepare

# Samples of the test set that a page looks at.
SHOWN = 256


def report(
    model: Any,
    data: Any,
    test: Any,
    path: str | Path,
    *,
    scheme: str = "int8",
    schemes: Sequence[str] | None = None,
    flash: str | int | None = "1MB",
    ram: str | int | None = "256KB",
    integer_divisor: float | None = None,
    allow: Sequence[str] = (),
    progress: Progress | None = None,
    commands: Sequence[str] = (),
) -> Path:
    """Compare every scheme, diagnose one, and write a page of it with its figures as JSON beside it.

    Args:
        model, data, test, integer_divisor, allow, progress: As for `octavo.compare`.
        path: The page, an .html file; the JSON lies beside it.
        scheme: What is diagnosed and shown.
        schemes: What is compared; None compares float32, int8 and `scheme`.
        flash, ram: Room on the board, drawn as lines.
        commands: That make it again, for the page.

    Returns:
        The path.

    Raises:
        OutputError: if a file cannot be written.
        MissingDependencyError: without Jinja2 or vl-convert-python.
        ModelFileError, UnsupportedLayerError, DatasetError, NonFiniteError, ConfigError: as `octavo.compare`.
    """
    names = tuple(dict.fromkeys(schemes or ("float32", "int8", scheme)))
    prepared = prepare(model, allow)
    if is_spent(test):  # every part of the page reads it
        given = _labelled(prepared, test, integer_divisor)
        test = given.x, given.y
    table = compare(
        model, data, test, schemes=names, integer_divisor=integer_divisor, flash=flash, ram=ram, allow=allow,
        progress=progress,
    )  # fmt: skip
    found = diagnose(model, data, test, scheme=scheme, integer_divisor=integer_divisor, allow=allow, progress=progress)
    samples = shown_of_test(prepared, test, integer_divisor)
    return write_report(path, prepared, samples, comparison=table, diagnosis=found, scheme=scheme, commands=commands)


def write_report(
    path: str | Path,
    prepared: Prepared,
    samples: Samples,
    *,
    comparison: Comparison | None = None,
    diagnosis: Diagnosis | None = None,
    search: Search | None = None,
    quantized: QuantizedModel | None = None,
    scheme: str = "int8",
    commands: Sequence[str] = (),
    opening: Sequence[str] = (),
) -> Path:
    """Write the page of what is there already.

    Args:
        path: The page.
        prepared: The float network.
        samples: What layers are shown on; labels tell which answers were right.
        comparison, diagnosis, search: Of it.
        quantized: The file whose layers are shown; None takes the comparison's of `scheme`.
        scheme, commands: As for `report`.
        opening: Sentences to begin with.

    Returns:
        The path.

    Raises:
        OutputError, MissingDependencyError: as `report`.
    """
    if quantized is None and comparison is not None:
        quantized = next((row.quantized for row in comparison.rows if row.name == scheme), None)
    content = page_content(
        prepared.graph.name,
        commands,
        comparison=comparison,
        diagnosis=diagnosis,
        search=search,
        quantized=quantized,
        prepared=prepared,
        x=samples.x,
        labels=samples.labels,
        opening=opening,
    )
    return write_page(Path(path), content)


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Some samples that a page shows.

    Attributes:
        x: By input name.
        labels: Class numbers, or None.
    """

    x: dict[str, np.ndarray]
    labels: np.ndarray | None = None


def shown_of_test(prepared: Prepared, test: Any, integer_divisor: float | None = None) -> Samples:
    """The first samples of a test set, with their labels.

    Raises:
        DatasetError: as `octavo.compare`.
    """
    given = _labelled(prepared, test, integer_divisor)
    by_output = {} if given.y is None else labels_by_output(given.y, prepared.graph.outputs)
    labels = next(iter(by_output.values()), None)
    x = {name: array[:SHOWN] for name, array in given.x.items()}
    return Samples(x, None if labels is None else np.asarray(labels)[:SHOWN])


def _labelled(prepared: Prepared, test: Any, integer_divisor: float | None) -> Labelled:
    inputs = [prepared.graph.tensors[name] for name in prepared.graph.inputs]
    return labelled_samples(test, inputs, Source(None, None, integer_divisor).divisor_for(prepared))


def shown_of_data(prepared: Prepared, data: Any, integer_divisor: float | None = None) -> Samples:
    """The first samples of a representative dataset.

    Raises:
        DatasetError: as `octavo.quantize`.
    """
    inputs = [prepared.graph.tensors[name] for name in prepared.graph.inputs]
    source = Source(data, None, integer_divisor)
    return Samples(held(data, inputs, source.divisor_for(prepared), SHOWN))
