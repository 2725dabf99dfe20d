"""Samples where none were given: made of what a model's batch normalizations remember of training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

from octavo.config import QuantizeConfig, scheme_named
from octavo.errors import DatasetError, InputError
from octavo.ir.notes import Note
from octavo.load.paths import KERAS_ENDINGS
from octavo.stages import Prepared, Source

# Fewer than `octavo.synthesize` makes unless told otherwise: nobody asked for the time they take.
SAMPLES, STEPS = 32, 40


def with_samples(
    source: Source, prepared: Prepared, model: Any, config: QuantizeConfig, allow: Sequence[str] = ()
) -> tuple[Source, tuple[Note, ...]]:
    """A source that has samples if the scheme needs some, and a note where they were made.

    Args:
        source: As the caller gave it.
        prepared: The float graph.
        model: It was made of: a keras.Model, or the path of a file.
        config: Says the scheme.
        allow: Names of Lambda layers whose functions may run.

    Raises:
        DatasetError: if samples are needed and the model does not tell what they are like.
    """
    if source.data is not None or not scheme_named(config.scheme).needs_data:
        return source, ()
    samples = _made_of(model, source, config, allow)
    text = (
        f"no data was given: ranges are those of {SAMPLES} samples made of what batch normalizations remember; real "
        "samples are better, data=x_train[:500]"
    )
    return replace(source, data=samples, samples=None, integer_divisor=1, made_up=True), (
        Note("data", prepared.graph.name, text),
    )


def _made_of(model: Any, source: Source, config: QuantizeConfig, allow: Sequence[str]) -> Any:
    fix = "pass data=x_train[:500], or choose scheme='dynamic', which needs none"
    if isinstance(model, (str, PathLike)) and Path(model).suffix not in KERAS_ENDINGS:
        raise DatasetError(
            f"scheme '{config.scheme}' needs a representative dataset.",
            got="no data, and a file that does not hold the batch normalizations to make some of",
            expected="some hundred samples, prepared as in training",
            fix=fix,
        )
    from octavo.qat.synthesize import synthesize

    try:
        return synthesize(model, SAMPLES, steps=STEPS, seed=config.seed, allow=allow, progress=source.progress)
    except InputError as error:
        raise DatasetError(
            f"scheme '{config.scheme}' needs a representative dataset.",
            got=f"no data, and nothing to make some of: {error.got}",
            expected="some hundred samples, prepared as in training",
            fix=fix,
        ) from error
