"""How a rounded network is trained on a Keras backend."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from octavo.condition.rounded_network import RoundedNetwork
from octavo.condition.rounded_twin import Twin
from octavo.condition.samples import Values
from octavo.condition.variation import varied
from octavo.progress import Progress, batch_counter


@dataclass(frozen=True, slots=True)
class Schedule:
    """Attributes are those of `octavo.condition.Distill`, but for the samples of a step, `batch`."""

    batch: int
    passes: int
    rate: float
    seed: int
    minutes: float | None = None
    resume: Path | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """What training found.

    Attributes:
        limits: Of weights, by name.
        constants: By name, as they are deployed.
        before, after: The loss of the first and of the last epoch.
    """

    limits: Mapping[str, np.ndarray]
    constants: Mapping[str, np.ndarray]
    before: float
    after: float


def train(network: RoundedNetwork, samples: Values, schedule: Schedule, progress: Progress | None) -> Trained:
    """Train a network's scales and biases on samples by input name."""
    graph = network.graph
    inputs = [keras.Input(graph.tensors[name].shape[1:], name=f"input_{i}") for i, name in enumerate(graph.inputs)]
    twin = Twin(network, name="twin")
    model = Alike(inputs, twin(inputs), tuple(network.shares.values()))
    arrays = [samples[name] for name in graph.inputs]
    batches = Batches(arrays, schedule)
    epochs = max(1, schedule.passes // (len(batches) * schedule.batch))
    rate = keras.optimizers.schedules.CosineDecay(schedule.rate, epochs * len(batches))
    model.compile(keras.optimizers.Adam(rate), loss=None)
    callbacks: list[Any] = [Shuffled(batches)]
    if progress is not None:
        callbacks.append(batch_counter(progress, "distill", epochs * len(batches)))
    if schedule.minutes is not None:
        callbacks.append(Until(time.monotonic() + 60 * schedule.minutes))
    if schedule.resume is not None:
        callbacks.append(keras.callbacks.BackupAndRestore(schedule.resume / key_of(network, arrays, schedule)))
    losses = model.fit(batches, epochs=epochs, callbacks=callbacks, shuffle=False, verbose=0).history["loss"]
    return Trained(twin.limits(), twin.found(), losses[0], losses[-1])


class Alike(keras.Model):
    """Trained until results are as they should be: as those before them, of pairs, or as those that are given."""

    def __init__(self, inputs: Any, outputs: Any, shares: tuple[float, ...]) -> None:
        super().__init__(inputs, outputs)
        self._shares = shares

    def compute_loss(self, x: Any = None, y: Any = None, y_pred: Any = None, *others: Any, **options: Any) -> Any:
        """The noise of each result as a share of its signal, weighed."""
        found = keras.tree.flatten(y_pred)
        pairs = (
            zip(found[::2], found[1::2], strict=True) if y is None else zip(keras.tree.flatten(y), found, strict=True)
        )
        return sum(share * _noise(*pair) for share, pair in zip(self._shares, pairs, strict=True))


class Batches(keras.utils.PyDataset):
    """Some samples at a time, varied, all of them in an epoch but for a rest, in an order of its own."""

    def __init__(self, arrays: Sequence[np.ndarray], schedule: Schedule) -> None:
        super().__init__()
        self.arrays, self.size, self.seed = arrays, schedule.batch, schedule.seed
        self.shuffle(0)

    def __len__(self) -> int:
        """Batches in an epoch."""
        return len(self.order) // self.size

    def __getitem__(self, index: int) -> tuple[tuple[np.ndarray, ...], ...]:
        return (tuple(varied(self.chosen(index), np.random.default_rng((self.seed, self.epoch, index)))),)

    def chosen(self, index: int) -> list[np.ndarray]:
        """The samples of a batch, as they are."""
        rows = self.order[index * self.size : (index + 1) * self.size]
        return [each[rows] for each in self.arrays]

    def shuffle(self, epoch: int) -> None:
        """Take the order of an epoch."""
        self.epoch = epoch
        self.order = np.random.default_rng((self.seed, epoch)).permutation(len(self.arrays[0]))


class Shuffled(keras.callbacks.Callback):
    """Tells batches the epoch, which training that goes on does not start from 0."""

    def __init__(self, batches: Batches) -> None:
        super().__init__()
        self.batches = batches

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Shuffle."""
        self.batches.shuffle(epoch)


class Until(keras.callbacks.Callback):
    """Ends training."""

    def __init__(self, end: float) -> None:
        super().__init__()
        self.end = end

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Stop when time is over."""
        self.model.stop_training = time.monotonic() > self.end


def key_of(network: RoundedNetwork, arrays: Sequence[np.ndarray], schedule: Schedule) -> str:
    """A name for what training starts from and how it goes on."""
    digest = hashlib.blake2b(repr((schedule.batch, schedule.passes, schedule.rate, schedule.seed)).encode())
    for array in (*arrays, *network.constants.values()):
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()[:32]


def _noise(wanted: Any, found: Any) -> Any:
    wanted = ops.stop_gradient(wanted)
    return ops.mean(ops.square(found - wanted)) / (ops.mean(ops.square(wanted)) + 1e-12)
