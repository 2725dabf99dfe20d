"""The float network and the file that are diagnosed, matched with each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from octavo.config import QuantizeConfig
from octavo.diagnosis.pair import Opened, Pair, foreign_pair, own_pair
from octavo.diagnosis.rescale import rescaled
from octavo.diagnosis.samples import Arrays, count_of, one
from octavo.diagnosis.trial import Judge, Outcome, Trial
from octavo.ir.types import Graph
from octavo.load.paths import model_bytes
from octavo.load.tflite import read_tflite
from octavo.pipeline import is_quantization_aware, quantize
from octavo.result import QuantizedModel
from octavo.run import reference
from octavo.stages import Prepared, prepare

# Samples by whose values a foreign file's tensors are matched.
MATCHED = 4


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """What is diagnosed.

    Attributes:
        prepared: The float network.
        config: How it is, or would be, quantized.
        title: The scheme, or the file's name.
        model: A file that is there; None to quantize.
        integers: Its graph.
        same_names: Whether the graph has the float graph's names.
        aware: The quantization-aware model it was made of; None for others.
    """

    prepared: Prepared
    config: QuantizeConfig
    title: str
    model: bytes | None = None
    integers: Graph | None = None
    same_names: bool = False
    aware: Any = None


def subject_of(model: Any, file: Any, config: QuantizeConfig, allow: Sequence[str], data: Any) -> Subject:
    """The float network and the file to look at, if one is given or was trained for."""
    if is_quantization_aware(model):
        from octavo.qat.deploy import trained

        deployed = trained(model)
        plain = replace(deployed.prepared)
        config = replace(deployed.config, verify="off", input_type=None, output_type=None)
        if file is not None and not isinstance(file, QuantizedModel):
            return _of_file(plain, config, file, model)
        made = quantize(model, verify="off") if file is None else file
        return Subject(plain, config, f"trained {made.scheme.name}", made.model, made.graph, True, model)
    prepared = prepare(model, allow, data=data)
    if file is None:
        return Subject(prepared, config, config.scheme)
    if isinstance(file, QuantizedModel):
        title = file.scheme.name
        return Subject(prepared, replace(config, scheme=title), title, file.model, file.graph, True)
    return _of_file(prepared, config, file)


def _of_file(prepared: Prepared, config: QuantizeConfig, file: Any, aware: Any = None) -> Subject:
    """A file that somebody made, read."""
    content = bytes(file) if isinstance(file, (bytes, bytearray, memoryview)) else model_bytes(Path(file))
    title = f"'{Path(file).name}'" if isinstance(file, (str, PathLike)) else "the file"
    return Subject(prepared, config, title, content, read_tflite(content), aware=aware)


@dataclass(frozen=True, slots=True, eq=False)
class Examined:
    """A file beside its float network, whose channels are scaled as the file's are."""

    subject: Subject
    pair: Pair
    model: bytes
    outcome: Outcome
    own: bool


def examine(subject: Subject, trial: Trial | None, judge: Judge) -> Examined:
    """Make or take the file, match it with the float network, and measure what it is worth.

    Args:
        subject: What is diagnosed.
        trial: What makes a file where none is there.
        judge: By samples.

    Raises:
        InputError: if the file is not one of the float network.
    """
    floats = subject.prepared.graph
    if trial is not None:
        graph, model = trial.made(subject.prepared)
        pair = own_pair(floats, graph)
    else:
        assert subject.model is not None
        assert subject.integers is not None
        model = subject.model
        matched = own_pair(floats, subject.integers) if subject.same_names else None
        pair = matched or _matched(floats, subject.integers, model, judge.x)
    pair = replace(pair, floats=rescaled(floats, pair.integers, pair.nodes))
    subject = replace(subject, prepared=replace(subject.prepared, graph=pair.floats))
    return Examined(subject, pair, model, judge.of_file(model, pair.inputs, pair.outputs), trial is not None)


def _matched(floats: Graph, integers: Graph, model: bytes, x: Arrays) -> Pair:
    """The pair of a foreign file, by values on some samples."""
    names = [name for node in floats.nodes for name in node.outputs]
    first = foreign_pair(floats, integers, {}, {})
    some = [one(x, i, floats) for i in range(min(MATCHED, count_of(x)))]
    wanted = [reference.run(floats, sample, keep=names) for sample in some]
    with Opened(model, integers, first.inputs) as file:
        found = [file.real_values(sample) for sample in some]
    together = [
        {name: np.concatenate([np.atleast_1d(each[name]) for each in parts]) for name in parts[0]}
        for parts in (found, wanted)
    ]
    return foreign_pair(floats, integers, together[0], together[1])
