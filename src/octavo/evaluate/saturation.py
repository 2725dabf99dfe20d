"""Activations driven to where they tell values apart no longer, or left where they never begin to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from octavo.evaluate.predict import one_by_one
from octavo.ir.graph import drop_dead
from octavo.ir.notes import Note
from octavo.ir.types import Graph, Node
from octavo.ops.fused import REAL_BOUNDS, activation_of
from octavo.ops.operands import data_inputs
from octavo.ops.roles import Data, SameAsOutput
from octavo.ops.table import spec_of
from octavo.write.tflite import write_tflite

# Samples and tensors looked at; half of the latter from the beginning of a graph, half from its end.
SAMPLES, TENSORS = 4, 8
# Logits of several classes that differ by less say almost the same of all: the likeliest is at most e times as
# likely as the least.
LEVEL_LOGITS = 1.0
MEND = "prepare the samples exactly as for training; for integers say integer_divisor=255 or integer_divisor=1"


@dataclass(frozen=True, slots=True)
class _Watch:
    """What would be wrong with a tensor.

    Attributes:
        tensor, layer: The tensor, and the layer that suffers.
        what: In words.
        where: Marks the values, or rows of values, that are so.
    """

    tensor: str
    layer: str
    what: str
    where: Callable[[np.ndarray], np.ndarray]


def saturated(graph: Graph, x: Mapping[str, np.ndarray]) -> Iterator[Note]:
    """A note for each activation that loses more than half of its values, or of its rows, on some samples.

    Args:
        graph: The float graph.
        x: Real inputs by name, first axis the sample.
    """
    watches = [each for node in graph.nodes for each in _watches(graph, node) if each.tensor not in graph.inputs]
    watches = watches if len(watches) <= TENSORS else [*watches[: TENSORS // 2], *watches[-TENSORS // 2 :]]
    if not watches:
        return
    names = tuple(dict.fromkeys(each.tensor for each in watches))
    few = {name: array[:SAMPLES] for name, array in x.items()}
    runs = one_by_one(write_tflite(drop_dead(replace(graph, outputs=names))), few)
    shares = [[np.mean(each.where(values[each.tensor])) for each in watches] for values in runs]
    for each, share in zip(watches, np.mean(shares, axis=0), strict=True):
        if share > 0.5:
            yield Note("data", each.layer, f"{each.what} for {share:.0%} of what the samples make of it: {MEND}")


def _watches(graph: Graph, node: Node) -> Iterator[_Watch]:
    for i, name in data_inputs(graph, node):
        role, classes = spec_of(node.op).role(i), (1, *graph.tensors[name].shape)[-1]
        if not isinstance(role, Data):
            continue
        if role.flat_beyond is not None:
            yield _Watch(name, node.layer, f"{node.op} is flat", partial(_beyond, role.flat_beyond))
        if role.flat_below is not None and classes > 1:
            yield _Watch(name, node.layer, f"{node.op} gives all to one value", partial(_apart, role.flat_below))
        if role.flat_below is not None and classes > 2 and node.outputs[0] in graph.outputs:
            yield _Watch(name, node.layer, f"{node.op} finds all values almost equally likely", _level)
    spec = spec_of(node.op)
    own = spec.bounds[1] if isinstance(spec.rule(), SameAsOutput) else np.inf
    bound = min(own, REAL_BOUNDS[activation_of(node.options)][1])
    if np.isfinite(bound):
        yield _Watch(node.outputs[0], node.layer, f"its activation clips at {bound:g}", partial(_reaching, bound))


def _beyond(limit: float, values: np.ndarray) -> np.ndarray:
    return np.abs(values) > limit


def _apart(limit: float, values: np.ndarray) -> np.ndarray:
    second, first = np.moveaxis(np.partition(values, -2, axis=-1)[..., -2:], -1, 0)
    return first - second > limit


def _level(values: np.ndarray) -> np.ndarray:
    return np.ptp(values, axis=-1) < LEVEL_LOGITS


def _reaching(limit: float, values: np.ndarray) -> np.ndarray:
    return values >= limit
