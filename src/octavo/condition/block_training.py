"""How the rounding of a block is trained on a Keras backend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from octavo.condition.rounded_network import Learned, RoundedNetwork
from octavo.condition.rounded_twin import Twin
from octavo.condition.training import Alike, Batches, Schedule, Shuffled

# How often integers are settled, and what share of the steps is over before the first and the last of them are.
ROUNDS, SETTLED_FROM, SETTLED_BY = 16, 0.2, 0.85
# What the rate falls to: scales, biases and integers that are not settled make up for those that are, to the end.
LAST_RATE = 0.3
# What integers are moved in: less than what scales and biases are, which make up for them.
MOVE_STEP = 0.3


class Moving(Twin):
    """Computes a rounded network alone, whose integers move by up to one until they are settled."""

    def build(self, input_shape: Any) -> None:
        """Make, beside a twin's variables, one of how far each integer moved, and one of whether it is settled: all."""
        super().build(input_shape)
        self.moves, self.settled = {}, {}
        for i, layer in enumerate(self.network.learned):
            self.moves[layer.node] = self._zeros(f"moves_{i}", layer.integers.shape)
            self.moves[layer.node].assign(layer.beside / MOVE_STEP)
            self.settled[layer.node] = self._zeros(f"settled_{i}", layer.integers.shape)
            self.settled[layer.node].trainable = False
        self.settle(1.0)

    def call(self, inputs: Sequence[Any]) -> list[Any]:
        """Run it on what the rounded network leaves of its inputs."""
        made = self.rounded(dict(zip(self.network.graph.inputs, inputs, strict=True)))
        return [made[name] for name in self.network.shares]

    def settle(self, share: float) -> None:
        """Of each layer, settle the integers that are closest to one, so many that a share of all are settled."""
        for node, moves in self.moves.items():
            moved = np.clip(MOVE_STEP * ops.convert_to_numpy(moves), -1, 1)
            settled = ops.convert_to_numpy(self.settled[node])
            order = np.argsort(np.where(settled, -1.0, np.abs(moved - np.round(moved))), axis=None, kind="stable")
            found = np.zeros(moved.size, np.float32)
            found[order[: int(np.ceil(share * moved.size))]] = 1
            self.settled[node].assign(found.reshape(moved.shape))

    def _integers(self, layer: Learned) -> Any:
        move, settled = ops.clip(MOVE_STEP * self.moves[layer.node], -1, 1), self.settled[layer.node]
        moved = settled * ops.round(move) + (1 - settled) * move
        return ops.clip(super()._integers(layer) + moved, -layer.largest, layer.largest)


def block_model(network: RoundedNetwork) -> tuple[Moving, Alike]:
    """What computes a block, and what trains that."""
    graph = network.graph
    inputs = [keras.Input(graph.tensors[name].shape[1:], name=f"input_{i}") for i, name in enumerate(graph.inputs)]
    twin = Moving(network, name="block")
    return twin, Alike(inputs, twin(inputs), tuple(network.shares.values()))


def results(model: Alike, arrays: Sequence[np.ndarray], batch: int) -> list[np.ndarray]:
    """What a block makes of samples of its inputs, by output."""
    return [np.asarray(each) for each in keras.tree.flatten(model.predict(list(arrays), batch_size=batch, verbose=0))]


def train_block(
    twin: Moving,
    model: Alike,
    given: Sequence[np.ndarray],
    wanted: Sequence[np.ndarray],
    schedule: Schedule,
    callbacks: Sequence[Any],
) -> None:
    """Train a block, and settle its integers.

    Args:
        twin, model: See `block_model`.
        given: Samples of its inputs.
        wanted: What it should make of them.
        schedule: How.
        callbacks: Called beside.
    """
    batches = _Pairs(given, wanted, schedule)
    epochs, each = steps_of(len(given[0]), schedule)
    rate = keras.optimizers.schedules.PolynomialDecay(schedule.rate, epochs * each, LAST_RATE * schedule.rate)
    model.compile(keras.optimizers.Adam(rate), loss=None)
    model.fit(
        batches,
        epochs=epochs,
        callbacks=[Shuffled(batches), _Settling(twin, epochs), *callbacks],
        shuffle=False,
        verbose=0,
    )
    twin.settle(1.0)


def steps_of(samples: int, schedule: Schedule) -> tuple[int, int]:
    """Epochs, and steps in each, of training a block: it is settled between epochs."""
    each = max(1, min(samples // schedule.batch, schedule.passes // (schedule.batch * ROUNDS)))
    return max(ROUNDS, schedule.passes // (schedule.batch * each)), each


class _Pairs(Batches):
    """Some samples of inputs at a time, as they are, and of what should be made of them."""

    def __init__(self, given: Sequence[np.ndarray], wanted: Sequence[np.ndarray], schedule: Schedule) -> None:
        self.inputs, self.steps = len(given), steps_of(len(given[0]), schedule)[1]
        super().__init__([*given, *wanted], schedule)

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, index: int) -> tuple[tuple[np.ndarray, ...], ...]:
        arrays = self.chosen(index)
        return tuple(arrays[: self.inputs]), tuple(arrays[self.inputs :])


class _Settling(keras.callbacks.Callback):
    def __init__(self, twin: Moving, epochs: int) -> None:
        super().__init__()
        self.twin, self.epochs = twin, epochs

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Settle ever fewer, as what is left has ever fewer to make up for it."""
        done = np.clip((epoch / self.epochs - SETTLED_FROM) / (SETTLED_BY - SETTLED_FROM), 0, 1)
        self.twin.settle(1 - (1 - float(done)) ** 3)
