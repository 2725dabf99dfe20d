"""Samples made of a model alone: those that give its batch normalizations the statistics they remember.

Source: Cai et al. 2020, "ZeroQ: A Novel Zero Shot Quantization Framework", section 3.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import Any

import keras
import numpy as np

from octavo.errors import InputError
from octavo.load.keras_files import read_keras
from octavo.progress import Progress, batch_counter
from octavo.qat.surgery.flatten import flatten

# Scales of the noise that samples start from, 2**n; of all, the one whose statistics fit best.
SCALES = range(-4, 10)
# Where its mean lies, in deviations.
OFFSETS = (0.0, 1.0, 2.0)
# How many samples tell which.
LOOKED_AT = 8
# Of Adam, as a share of that scale, at first; it falls to 0 along a cosine.
LEARNING_RATE = 0.1
BATCH = 32
# What answering for all classes counts for, beside statistics; and by how much logits are divided there, a sample like
# another: real samples are not all as sure, and the surest make the range of the outputs.
CLASSES_SHARE = 0.1
TEMPERATURES = (1.0, 2.0, 4.0)


def synthesize(
    model: Any,
    count: int = 128,
    *,
    steps: int = 60,
    seed: int = 0,
    allow: Sequence[str] = (),
    progress: Progress | None = None,
) -> dict[str, np.ndarray]:
    """Samples for calibration where there are none: what batch normalizations remember of training is made again.

    The samples start as smooth noise and are moved, by gradient, until the mean and the variance of what enters each
    batch normalization are those it has in store. They serve for ranges, bias correction and rounding; real samples are
    better wherever there are some.

    Args:
        model: keras.Model with batch normalizations, or the path of a .keras or .h5 file. It is not touched.
        count: How many samples.
        steps: Of the optimizer, for each batch of 32.
        seed: Of the noise; the same one makes the same samples on the same machine and backend.
        allow: Names of Lambda layers of a file whose functions may run.
        progress: Told of every scale of noise that is tried, and of every step.

    Returns:
        float32 samples by input name, first axis the sample, for `octavo.quantize(model, data=...)`.

    Raises:
        InputError: for a model without batch normalization, or whose inputs are not real numbers.
        ModelFileError, UnsupportedLayerError: for a file that cannot be read.
    """
    if isinstance(model, (str, PathLike)):
        model, _ = read_keras(str(model), allow)
    flat = flatten(model).model
    norms = [layer for layer in flat.layers if isinstance(layer, keras.layers.BatchNormalization)]
    if not norms or any(not str(tensor.dtype).startswith("float") for tensor in flat.inputs):
        raise InputError(
            f"model '{flat.name}' does not remember what its data are like.",
            got=f"{len(norms)} batch normalizations, inputs of {', '.join(str(each.dtype) for each in flat.inputs)}",
            expected="batch normalizations, whose statistics tell, and inputs of real numbers",
            fix="give samples: data=x_train[:500]; or choose scheme='dynamic', which needs none",
        )
    keras.utils.set_random_seed(seed)
    taps = keras.Model(flat.inputs, [*(layer.input for layer in norms), *flat.outputs])
    taps.trainable = False
    noise = [_noise(count, tuple(each.shape[1:]), seed + i) for i, each in enumerate(flat.inputs)]
    scale, offset = _best_start(taps, norms, [each[:LOOKED_AT] for each in noise], progress)
    start = [(scale * (each + offset)).astype(np.float32) for each in noise]
    images = [Kept(each, name=f"samples_{i}") for i, each in enumerate(start)]
    index = keras.Input((), dtype="int32", name="index")
    temperatures = np.random.default_rng(seed).choice(TEMPERATURES, count).astype(np.float32)
    trained = Matching(norms, temperatures, index, taps([layer(index) for layer in images]))
    batch = min(BATCH, count)
    batches = -(-count // batch)
    rate = keras.optimizers.schedules.CosineDecay(LEARNING_RATE * scale, steps * batches)
    trained.compile(keras.optimizers.Adam(rate), loss=None)
    callbacks = [] if progress is None else [batch_counter(progress, "synthesize", steps * batches)]
    trained.fit(np.arange(count, dtype=np.int32), batch_size=batch, epochs=steps, verbose=0, callbacks=callbacks)
    return {
        tensor.name: keras.ops.convert_to_numpy(layer.values)
        for tensor, layer in zip(model.inputs, images, strict=True)
    }


class Kept(keras.layers.Layer):
    """Samples that are trained: their numbers in, samples out."""

    def __init__(self, start: np.ndarray, **options: Any) -> None:
        super().__init__(**options)
        self.values = self.add_weight(shape=start.shape, initializer="zeros", name="values")
        self.values.assign(start)

    def call(self, index: Any) -> Any:
        """The samples of these numbers."""
        return keras.ops.take(self.values, index, axis=0)


class Matching(keras.Model):
    """Trained until what enters each normalization has the statistics of training."""

    def __init__(self, norms: list[Any], temperatures: np.ndarray, inputs: Any, outputs: Any) -> None:
        super().__init__(inputs, outputs)
        self._temperatures = temperatures
        self._statistics = [_remembered(layer) for layer in norms]

    def compute_loss(self, x: Any = None, y: Any = None, y_pred: Any = None, *others: Any, **options: Any) -> Any:
        """The sum of all normalizations' distances."""
        found = y_pred if isinstance(y_pred, (list, tuple)) else [y_pred]
        matched, answers = found[: len(self._statistics)], found[len(self._statistics) :]
        total = sum(_distance(each, *known) for each, known in zip(matched, self._statistics, strict=True))
        temperature = keras.ops.take(self._temperatures, x)
        return total + CLASSES_SHARE * sum(unlike(each, x, temperature) for each in answers if _classifies(each))


def _remembered(layer: Any) -> tuple[np.ndarray, np.ndarray, int]:
    """Mean and deviation of each channel, and which axis channels lie along."""
    mean, variance = (
        keras.ops.convert_to_numpy(each).astype(np.float32) for each in (layer.moving_mean, layer.moving_variance)
    )
    return mean, np.sqrt(variance + layer.epsilon).astype(np.float32), layer.axis


def _distance(values: Any, mean: np.ndarray, deviation: np.ndarray, axis: int) -> Any:
    """Squared differences of mean and deviation, in deviations, averaged over channels."""
    ops, rank = keras.ops, len(values.shape)
    others = tuple(i for i in range(rank) if i != axis % rank)
    values = ops.convert_to_tensor(values)
    mean, deviation = ops.convert_to_tensor(mean), ops.convert_to_tensor(deviation)
    found = ops.mean(values, axis=others)
    spread = ops.sqrt(ops.var(values, axis=others) + 1e-12 * ops.square(deviation))
    return ops.mean(ops.square((found - mean) / deviation)) + ops.mean(ops.square(spread / deviation - 1.0))


def _classifies(output: Any) -> bool:
    return len(output.shape) == 2 and output.shape[1] > 1


def unlike(output: Any, index: Any, temperature: Any) -> Any:
    """Cross-entropy with one class after the other, so that samples are of all classes, of logits by temperatures."""
    ops, classes = keras.ops, output.shape[1]
    # Of probabilities it is their logarithm that counts, of logits what softmax makes of them; both are the same for
    # what a softmax has been applied to.
    total = ops.sum(output, axis=1, keepdims=True)
    probable = ops.logical_and(ops.min(output) >= 0.0, ops.max(ops.abs(total - 1.0)) < 1e-3)
    logs = ops.where(probable, ops.log(ops.maximum(output, 1e-9)), ops.log_softmax(output))
    logs = ops.log_softmax(logs / ops.expand_dims(temperature, 1))
    return -ops.mean(ops.sum(logs * ops.one_hot(index % classes, classes), axis=1))


def _noise(count: int, shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Normal noise of mean 0 and deviation 1; smooth along the axes before the last, as images are."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(count, *shape))
    for axis in range(1, len(shape)):
        for width in (1, 2, 4):
            noise = noise + np.roll(noise, width, axis)
    return (noise - noise.mean()) / noise.std()


def _best_start(
    taps: keras.Model, norms: list[Any], noise: list[np.ndarray], progress: Progress | None
) -> tuple[float, float]:
    """Scale and offset of the noise whose statistics fit best: samples lie around 0, or are positive, as pixels are."""
    known = [_remembered(layer) for layer in norms]

    def loss(scale: float, offset: float) -> float:
        found = taps.predict_on_batch([(scale * (each + offset)).astype(np.float32) for each in noise])
        found = found if isinstance(found, (list, tuple)) else [found]
        total = sum(
            float(keras.ops.convert_to_numpy(_distance(np.asarray(a), *b))) for a, b in zip(found, known, strict=False)
        )
        return total if np.isfinite(total) else np.inf

    starts = [(2.0**n, offset) for n in SCALES for offset in OFFSETS]
    losses = []
    for start in starts:
        losses.append(loss(*start))
        if progress is not None:
            progress("fit noise", len(losses), len(starts))
    return starts[int(np.argmin(losses))]
