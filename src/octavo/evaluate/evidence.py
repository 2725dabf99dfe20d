"""Evidence that samples are not what a model was trained on: by what the model itself says, and by what they hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations, repeat

import numpy as np

from octavo.errors import RuntimeEndedError
from octavo.evaluate.first_layer import divided_twice, divisors_of, drowned
from octavo.evaluate.predict import one_by_one
from octavo.evaluate.saturation import MEND, saturated, still
from octavo.ir.expected import Expected
from octavo.ir.graph import drop_dead
from octavo.ir.notes import Note
from octavo.ir.samples import stacked
from octavo.ir.types import Graph
from octavo.write.tflite import write_tflite

Values = Mapping[str, np.ndarray]

# Samples that are looked at, at least and at most, and bytes of them that are enough.
FEWEST_SAMPLES, MOST_SAMPLES, SAMPLE_BYTES = 16, 64, 2 << 20
# Octaves of spread, and spreads of distance, together: trained models on their own data stay below a third of it.
LARGEST_MISFIT = 0.9
# Values of each channel from which a spread is known to a tenth.
FEWEST_VALUES = 32


@dataclass(frozen=True, slots=True)
class Stem:
    """The beginning of a float graph, up to the layers that first normalize by statistics of the training data.

    Attributes:
        graph: Up to what these layers read, before any pass.
        expected: What they know of it.
        divisors: What the model itself divides inputs by, by input.
        applied: Operator that the model's loss applies to each output, "" for none; or nothing.
    """

    graph: Graph
    expected: tuple[Expected, ...]
    divisors: Mapping[str, float] = field(default_factory=dict)
    applied: tuple[str, ...] = ()


def samples_wanted(graph: Graph) -> int:
    """How many samples of a model are looked at: more of small ones."""
    inputs = (graph.tensors[name] for name in graph.inputs)
    each = sum(tensor.size * tensor.dtype.numpy.itemsize for tensor in inputs)
    return min(max(SAMPLE_BYTES // max(1, each), FEWEST_SAMPLES), MOST_SAMPLES)


def stem_of(graph: Graph, expected: Sequence[Expected], applied: Sequence[str] = ()) -> Stem:
    """The stem of a loaded graph; layers whose statistics were never trained say nothing."""
    normalized, behind = {each.tensor for each in expected}, set[str]()
    for node in graph.nodes:
        if any(name in behind or name in normalized for name in node.inputs):
            behind |= {*node.outputs}
    first = [each for each in expected if each.tensor not in behind and not _is_fresh(each)]
    names = tuple(dict.fromkeys(each.tensor for each in first if each.tensor not in graph.inputs))
    return Stem(drop_dead(replace(graph, outputs=names)), tuple(first), divisors_of(graph), tuple(applied))


def data_notes(stem: Stem, graph: Graph, samples: Sequence[Values]) -> tuple[Note, ...]:
    """What some samples give reason to doubt.

    Args:
        stem: Of the model.
        graph: The float graph after the passes.
        samples: Real inputs by name, batch 1 each.
    """
    if not samples or not all(np.isfinite(array).all() for sample in samples for array in sample.values()):
        return ()
    x = stacked(samples, graph.inputs)
    alike = tuple(_alike(x, graph))
    try:
        return alike or _told_by_layers(stem, graph, x) or (*drowned(graph, x),) or (*still(graph, x),)
    except RuntimeEndedError:  # told by calibration or verification, with its operator
        return ()


def _told_by_layers(stem: Stem, graph: Graph, x: Values) -> tuple[Note, ...]:
    """What layers that know their data, divide it, or go flat beyond some value say of samples."""
    return (*_misfit(stem, x), *divided_twice(stem.divisors, x), *saturated(graph, x, stem.applied))


def _alike(x: Values, graph: Graph) -> Iterator[Note]:
    """Samples that hold nothing, or nothing new."""
    count = len(next(iter(x.values())))
    if all((array == array.flat[0]).all() for array in x.values() if array.size):
        if any(array.size > 1 for array in x.values()):
            held = ", ".join(f"{array.flat[0]:g}" for array in x.values() if array.size)
            yield Note("data", graph.name, f"nothing but {held} is in the {count} samples looked at: check the data")
    elif count > 1 and all((array == array[:1]).all() for array in x.values()):
        yield Note("data", graph.name, f"the {count} samples looked at are all the same one: check the data")
    else:
        for name, array in x.items():
            if array.size > count and (array == array.flat[0]).all():
                text = f"nothing but {array.flat[0]:g} is in this input of the {count} samples looked at"
                yield Note("data", name, f"{text}: what it may become in use is unknown")


def _misfit(stem: Stem, x: Values) -> Iterator[Note]:
    """Samples that are spread otherwise than the first normalizations were trained on."""
    found = _misfits(stem, x)
    worst = max(found, key=lambda each: each.size, default=None)
    if worst is None or worst.size <= LARGEST_MISFIT:
        return
    shapes = {name: array.shape for name, array in x.items()}
    for a, b in combinations(x, 2):
        if shapes[a] == shapes[b] and all(
            each.size <= LARGEST_MISFIT for each in _misfits(stem, {**x, a: x[b], b: x[a]})
        ):
            text = f"looks swapped with input '{b}': exchanged, they are what '{worst.layer}' was trained on"
            yield Note("data", a, text)
            return
    yield Note("data", worst.layer, f"{worst.text}: {MEND}")


@dataclass(frozen=True, slots=True)
class _Misfit:
    """How far what a layer gets is from what it was trained on.

    Attributes:
        layer: The layer.
        ratio: Standard deviation of the one by that of the other; the median over channels.
        shift: Distance of their means in the latter's deviations, likewise.
    """

    layer: str
    ratio: float
    shift: float

    @property
    def size(self) -> float:
        """In octaves and deviations."""
        return self._octaves + self.shift

    @property
    def _octaves(self) -> float:
        return abs(float(np.log2(max(self.ratio, float(np.finfo(np.float32).tiny)))))

    @property
    def text(self) -> str:
        """In words."""
        spread = f"{self.ratio:.3g} times the spread of"
        far = spread if self._octaves > self.shift else f"a mean {self.shift:.1f} standard deviations from that of"
        return f"the samples reach it with {far} what it was trained on"


def _misfits(stem: Stem, x: Values) -> list[_Misfit]:
    moments = [_Moments(max(each.mean.ndim, each.variance.ndim)) for each in stem.expected]
    for values in _stem_values(stem, x):
        for each, own in zip(stem.expected, moments, strict=True):
            own.add(values[each.tensor])
    found = [_compared(each, own) for each, own in zip(stem.expected, moments, strict=True)]
    return [each for each in found if each is not None]


def _stem_values(stem: Stem, x: Values) -> Iterator[Values]:
    """The inputs and what the stem makes of them, sample by sample: early activations are large."""
    samples = ({name: array[i : i + 1] for name, array in x.items()} for i in range(len(next(iter(x.values())))))
    made = one_by_one(write_tflite(stem.graph), x) if stem.graph.outputs else repeat({})
    for sample, of_sample in zip(samples, made, strict=False):
        yield {**sample, **of_sample}


class _Moments:
    """Mean and variance over all but the last `rank` axes of arrays that come one after the other."""

    def __init__(self, rank: int) -> None:
        self._rank, self._count, self._sums = rank, 0, (np.zeros(()), np.zeros(()))

    def add(self, values: np.ndarray) -> None:
        rows = values.reshape(-1, *values.shape[values.ndim - self._rank :]).astype(np.float64)
        self._count += len(rows)
        self._sums = (self._sums[0] + rows.sum(0), self._sums[1] + np.square(rows).sum(0))

    @property
    def known(self) -> bool:
        """Whether there were enough values to tell anything."""
        return self._count >= FEWEST_VALUES

    @property
    def mean(self) -> np.ndarray:
        return np.asarray(self._sums[0] / self._count)

    @property
    def variance(self) -> np.ndarray:
        return np.maximum(self._sums[1] / self._count - np.square(self.mean), 0.0)


def _compared(expected: Expected, own: _Moments) -> _Misfit | None:
    """None where too little is known: few values, or statistics that have not settled since the start of training."""
    if not own.known:
        return None
    own_mean, own_variance = own.mean, own.variance
    mean, variance = (np.broadcast_to(each, own_mean.shape) for each in (expected.mean, expected.variance))
    live = variance > 1e-6 * variance.max()
    if not live.any() or _is_unsettled(*(each[live] for each in (mean, variance, own_mean, own_variance))):
        return None
    ratio = np.median(np.sqrt(own_variance[live] / variance[live]))
    shift = np.median(np.abs(own_mean - mean)[live] / np.sqrt(variance[live]))
    return _Misfit(expected.layer, float(ratio), float(shift))


def _is_fresh(expected: Expected) -> bool:
    """Whether statistics are as before the first step: mean 0, variance 1."""
    return bool(np.allclose(expected.mean, 0, atol=1e-6) and np.allclose(expected.variance, 1, atol=1e-6))


def _is_unsettled(mean: np.ndarray, variance: np.ndarray, own_mean: np.ndarray, own_variance: np.ndarray) -> bool:
    """Whether the samples are those of training, after few steps: moving statistics set out from mean 0, variance 1.

    A share a of the start is left: mean = (1 - a) own_mean, variance = a + (1 - a) own_variance. What is found for
    1 - a by least squares must explain both, and means that tell anything must say the same alone: of samples in
    another scale they do not.
    """
    gone = _slope(np.concatenate([own_mean, own_variance - 1]), np.concatenate([mean, variance - 1]))
    tell = np.median(np.abs(own_mean) / np.sqrt(np.maximum(own_variance, 1e-30))) > 0.1
    if not 0.01 < gone < 0.98 or (tell and abs(_slope(own_mean, mean) - gone) > gone / 2):
        return False
    spread = np.abs(np.log2((1 - gone + gone * own_variance) / variance))
    distance = np.abs(gone * own_mean - mean) / np.sqrt(variance)
    return bool(np.median(spread) / 2 + np.median(distance) <= LARGEST_MISFIT / 3)


def _slope(x: np.ndarray, y: np.ndarray) -> float:
    """The factor that makes y of x, by least squares."""
    return float(x @ y) / max(float(x @ x), 1e-30)
