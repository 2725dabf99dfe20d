"""The stages that post-training quantization and quantization-aware training share.

Load -> passes; condition, on the plan; and calibrate.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from octavo.arguments import FUNCTION, NAME, NAMES, NUMBER, WHOLE, Kind, check_kinds
from octavo.calibration.fingerprint import fingerprint
from octavo.calibration.ranges import estimate, observed_tensors
from octavo.calibration.runner import calibrate
from octavo.calibration.statistics import Statistics
from octavo.condition import AnalyticBiasCorrection, Conditioned, Method, Samples, condition, improve
from octavo.condition.normals import Normal, normals_of
from octavo.config import QuantizeConfig
from octavo.data.dataset import UNCOUNTED_SAMPLES, Dataset, rescales_images
from octavo.data.sources import is_counted, is_spent, pieces, sizes_of_samples
from octavo.errors import DatasetError, OpenShapeError
from octavo.evaluate.evidence import Stem, data_notes, samples_wanted, stem_of
from octavo.ir.check import check_finite
from octavo.ir.notes import Note
from octavo.ir.types import Graph
from octavo.load import load
from octavo.load.input_shape import InputShape
from octavo.load.loaded import Compute, Loaded
from octavo.numerics.affine import Range
from octavo.numerics.estimators import Auto
from octavo.passes import PASSES, Pass, Rewrite, run_passes
from octavo.passes.border_maxima import border_maxima
from octavo.passes.bound_masks import bound_masks
from octavo.plan.types import Plan
from octavo.progress import Progress

"""Called with a stage's name, how many samples are done, and how many there are if that is known."""


METHODS = Kind(
    lambda value: (
        isinstance(value, Sequence) and all(hasattr(each, "apply") and hasattr(each, "name") for each in value)
    ),
    "conditioning methods in a list",
    "[octavo.condition.BiasCorrection()]",
)
SHAPES = Kind(
    lambda value: isinstance(value, Sequence | Mapping) and not isinstance(value, str),
    "a shape, or one for each input by name",
    "(96, 96, 3)",
)
# Samples copied at a time when some are looked at.
PEEK_CHUNK = 16


@dataclass(frozen=True, slots=True)
class Prepared:
    """A float graph ready to be planned.

    Attributes:
        graph: Loaded, and simplified by the passes.
        notes: Remarks of both.
        names: Graph tensor by `id` of the Keras tensor it stands for.
        takes_integers: Whether integers are what it was trained on: its inputs are, or it scales images in 0..255.
        compute: Runs the model that was loaded, where that is possible.
        stem: What it says of the data it was trained on.
        normals: What its normalizations remember of results, by tensor.
    """

    graph: Graph
    notes: tuple[Note, ...]
    names: Mapping[int, str]
    takes_integers: bool
    compute: Compute | None = None
    stem: Stem | None = None
    normals: Mapping[str, Normal] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Measured:
    """The ranges of activations, and where they come from.

    Attributes:
        ranges: Real (low, high) by the names of `Plan.range_name`; empty for schemes with float activations.
        origin: For the file's metadata.
        extremes: Likewise of each tensor by itself, whatever it shares its range with.
        notes: What a user should know of the samples.
    """

    ranges: Mapping[str, Range]
    origin: str
    extremes: Mapping[str, Range]
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """A representative dataset and how it is read.

    Attributes:
        data: In any form of `octavo.data.sources.ACCEPTED`, or statistics of such data; None if there is none.
        samples: Use at most this many.
        integer_divisor: What integer samples are divided by for a float input.
        progress: Told of every chunk.
        made_up: Whether the samples were made of the model itself, as none were given.
    """

    data: Any = None
    samples: int | None = None
    integer_divisor: float | None = None
    progress: Progress | None = None
    made_up: bool = False

    def __post_init__(self) -> None:
        check_kinds(
            {"samples": WHOLE, "integer_divisor": NUMBER.such_as("255"), "progress": FUNCTION},
            {"samples": self.samples, "integer_divisor": self.integer_divisor, "progress": self.progress},
        )

    def divisor_for(self, prepared: Prepared) -> float | None:
        """What integers are divided by; left alone for a model that scales images itself, unless something is said."""
        return 1 if self.integer_divisor is None and prepared.takes_integers else self.integer_divisor

    def stopped(self, samples: int) -> str:
        """What to tell of a look at `samples` samples: that there may be more, or ""."""
        cut = samples == UNCOUNTED_SAMPLES and self.samples is None and not is_counted(self.data)
        return f"the first {samples} were used, as the data does not say where it ends; say samples= for more" * cut

    @property
    def not_again(self) -> str:
        """Why its samples cannot be read more than once; "" if they can."""
        if self.data is None:
            return "no data"
        if isinstance(self.data, Statistics):
            return "statistics, which hold no samples"
        return "a generator, where the function that makes it would do" if is_spent(self.data) else ""

    def read_again(self, prepared: Prepared) -> Samples:
        """Its samples, for what reads them more than once.

        Raises:
            DatasetError: without samples, or for those that can be read only once.
        """
        inputs = tuple(prepared.graph.tensors[name] for name in prepared.graph.inputs)
        return Samples(self.data, inputs, self.divisor_for(prepared), self.samples, self.progress)

    def peek(self, prepared: Prepared, count: int | None) -> tuple[Source, tuple[dict[str, np.ndarray], ...]]:
        """A source of the same samples, and the first `count` of them (None: all) by input name, batch 1 each.

        What can be read only once is held back for the source returned.
        """
        if self.data is None or isinstance(self.data, Statistics) or count == 0:
            return self, ()
        source, data = self, self.data
        if is_spent(data):
            head: list[Any] = []
            stream = iter(pieces(data))
            data, source = _kept(stream, head), replace(self, data=itertools.chain(head, stream))
        limit = min((number for number in (count, self.samples) if number is not None), default=None)
        inputs = [prepared.graph.tensors[name] for name in prepared.graph.inputs]
        dataset = Dataset(data, inputs, integer_divisor=self.divisor_for(prepared), samples=limit)
        rows = (
            {tensor.name: array[i].reshape(tensor.shape) for tensor, array in zip(inputs, chunk.arrays, strict=True)}
            for chunk in dataset.chunks(PEEK_CHUNK)
            for i in range(chunk.count)
        )
        return source, tuple(rows)


def _kept(stream: Iterator[Any], head: list[Any]) -> Iterator[Any]:
    """The pieces of a stream, each kept in `head` once it is taken."""
    for piece in stream:
        head.append(piece)
        yield piece


def prepare(
    model: Any,
    allow: Sequence[str] = (),
    signature: str | None = None,
    input_shape: InputShape | None = None,
    data: Any = None,
) -> Prepared:
    """Load a model and run the passes.

    Args:
        model: keras.Model, or path of a .keras, .h5, .tflite file or a SavedModel folder.
        allow: Names of Lambda layers of a Keras file whose function may run once, on symbols.
        signature: Name of the signature to read, of a SavedModel or .tflite file that has several.
        input_shape: What the model leaves open of its inputs.
        data: Samples, which tell sizes that are neither known nor said.

    Raises:
        InputError: if there is no model that can be read.
        NonFiniteError: if a weight is NaN or infinite.
    """
    kinds = {"allow": NAMES, "signature": NAME.such_as("'serving_default'"), "input_shape": SHAPES}
    check_kinds(kinds, {"allow": allow, "signature": signature, "input_shape": input_shape})
    allowed = (allow,) if isinstance(allow, str) else allow or ()
    loaded_as = partial(load, model, allow=allowed, signature=signature)
    try:
        return prepare_loaded(loaded_as(input_shape=input_shape))
    except OpenShapeError as error:
        tells = input_shape is None and not isinstance(data, Statistics)
        sizes = sizes_of_samples(data, error.inputs) if tells else None
        if sizes is None:
            raise
    prepared = prepare_loaded(loaded_as(input_shape=sizes))
    shapes = ", ".join(f"'{name}' {shape}" for name, shape in sizes.items())
    text = (
        f"the model leaves sizes of its inputs open, and the file takes those of the samples: {shapes}; say others by"
    )
    return replace(prepared, notes=(Note("load", prepared.graph.name, f"{text} input_shape=..."), *prepared.notes))


def prepare_loaded(loaded: Loaded, passes: Sequence[Pass | Rewrite] = PASSES) -> Prepared:
    """Run passes on a loaded model.

    Raises:
        NonFiniteError: if it holds NaN or infinity.
    """
    bounded = border_maxima(bound_masks(loaded.graph))
    check_finite(bounded)
    graph, notes = run_passes(bounded, passes)
    stem = stem_of(loaded.graph, loaded.expected, loaded.applied)
    integers = loaded.takes_integers or rescales_images(loaded.graph)
    normals = normals_of(loaded.graph, loaded.expected)
    return Prepared(graph, (*loaded.notes, *notes), loaded.names, integers, loaded.compute, stem, normals)


def doubts(prepared: Prepared, samples: Sequence[Mapping[str, np.ndarray]]) -> tuple[Note, ...]:
    """What the first of some samples give reason to doubt, if they are held against what the model says of its data."""
    stem = prepared.stem or stem_of(prepared.graph, ())
    return data_notes(stem, prepared.graph, samples[: samples_wanted(prepared.graph)])


def condition_prepared(prepared: Prepared, plan: Plan, source: Source, methods: Sequence[Method]) -> Conditioned:
    """Run conditioning methods on a planned graph.

    Raises:
        DatasetError: if there are methods and no data, or data that can be read only once.
        GraphError: if a method changed more than constants, naming it.
    """
    if not methods:
        return Conditioned(prepared.graph)
    informed = [
        replace(each, normals=prepared.normals)
        if isinstance(each, AnalyticBiasCorrection) and not each.normals
        else each
        for each in methods
    ]
    return condition(prepared.graph, plan, source.read_again(prepared), informed)


def conditioned_by(
    methods: Sequence[Method], prepared: Prepared, plan: Plan, source: Source, config: QuantizeConfig
) -> Conditioned:
    """Condition a planned graph by methods that were asked for, or else by the level of effort, as the data allow.

    Raises:
        DatasetError, GraphError: as `condition_prepared`; the former also for samples that do not fit the model.
    """
    check_kinds({"methods": METHODS}, {"methods": methods})
    if methods:
        return condition_prepared(prepared, plan, source, methods)
    asked = config.effort != "fast" or isinstance(config.range_estimator, Auto)
    if not asked or not (plan.scheme.needs_data or config.effort in ("good", "best")):
        return Conditioned(prepared.graph)
    if source.not_again:
        text = f"effort '{config.effort}' is done as 'fast', which reads no sample twice: got {source.not_again}"
        return Conditioned(prepared.graph, notes=(Note("effort", prepared.graph.name, text),))
    samples = source.read_again(prepared)
    normals = prepared.normals if source.made_up else {}
    return improve(prepared.graph, plan, samples, config.effort, config.range_estimator, config.seed, normals)


def gather(prepared: Prepared, plan: Plan, config: QuantizeConfig, source: Source) -> Statistics:
    """Calibrate: statistics of every tensor whose range the plan asks for.

    Raises:
        DatasetError: if there is no data, or it does not fit the model.
        NonFiniteError: for NaN or infinity in the data or born in the model.
    """
    graph = prepared.graph
    if source.data is None:
        raise DatasetError(
            f"scheme '{config.scheme}' needs a representative dataset.",
            got="no data",
            expected="some hundred samples, prepared as in training",
            fix="pass data=x_train[:500], or choose scheme='dynamic', which needs none",
        )
    tensors = observed_tensors(graph, plan)
    needs_histogram = config.range_estimator.needs_histogram
    if isinstance(source.data, Statistics):
        source.data.check_measured_on(fingerprint(graph, tensors), needs_histogram)
        return source.data
    progress = source.progress
    return calibrate(
        graph,
        tensors,
        source.data,
        needs_histogram=needs_histogram,
        samples=source.samples,
        integer_divisor=source.divisor_for(prepared),
        progress=None if progress is None else lambda done, total: progress("calibrate", done, total),
    )


def calibrated_ranges(prepared: Prepared, plan: Plan, config: QuantizeConfig, source: Source) -> dict[str, Range]:
    """Real (low, high) of every tensor whose range the plan asks for: its own extremes, as training observes them."""
    return {name: (each.low, each.high) for name, each in gather(prepared, plan, config, source).items()}


def measure(prepared: Prepared, plan: Plan, graph: Graph, config: QuantizeConfig, source: Source) -> Measured:
    """Ranges by calibration of a conditioned graph; none for schemes whose activations stay float.

    Raises:
        DatasetError, NonFiniteError: as `gather`.
    """
    if not plan.scheme.needs_data:
        return Measured({}, "", {})
    statistics, estimator = gather(replace(prepared, graph=graph), plan, config, source), config.range_estimator
    ranges, stopped = estimate(graph, plan, statistics, estimator), source.stopped(statistics.samples)
    notes = (Note("calibrate", "samples", stopped),) if stopped else ()
    extremes = {name: (each.low, each.high) for name, each in statistics.items()}
    return Measured(ranges, f"{estimator.name} of {statistics.samples} samples", extremes, notes)


class Clock:
    """Seconds each stage took, in `seconds`."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Time a block; what a stage takes in several blocks adds up."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - start
