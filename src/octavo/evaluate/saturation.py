"""Activations driven to where they tell values apart no longer, or left where they never begin; and still outputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from octavo.evaluate.predict import one_by_one
from octavo.ir.graph import drop_dead, producers
from octavo.ir.notes import Note
from octavo.ir.types import Graph, Node
from octavo.ops.fused import REAL_BOUNDS, activation_of
from octavo.ops.operands import data_inputs
from octavo.ops.roles import Data, Fixed, SameAsOutput
from octavo.ops.spec import OpSpec
from octavo.ops.table import spec_of
from octavo.write.tflite import write_tflite

# Samples and tensors looked at; half of the latter from the beginning of a graph, half from its end.
SAMPLES, TENSORS = 4, 8
# Samples whose outputs are held against each other, and the share of an output's size that it moves by at least.
SAMPLES_OF_OUTPUTS, STILL = 8, 1 / 255
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


def saturated(graph: Graph, x: Mapping[str, np.ndarray], applied: Sequence[str] = ()) -> Iterator[Note]:
    """A note for each activation that loses more than half of its values, or of its rows, on some samples.

    Args:
        graph: The float graph.
        x: Real inputs by name, first axis the sample.
        applied: Operator that the model's loss applies to each output, "" for none; or nothing.
    """
    watches = [each for node in graph.nodes for each in _watches(graph, node) if each.tensor not in graph.inputs]
    watches += _watches_of_loss(graph, applied)
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


def still(graph: Graph, x: Mapping[str, np.ndarray]) -> Iterator[Note]:
    """A note for each output that moves by less than a step of int8 from sample to sample.

    Outputs of a fixed range, such as a softmax's, are left out, as are those that rank values: samples of one class all
    have the same.

    Args:
        graph: The float graph.
        x: Real inputs by name, first axis the sample.
    """
    few = {name: array[:SAMPLES_OF_OUTPUTS] for name, array in x.items()}
    made = producers(graph)
    moving = tuple(
        name
        for name in graph.outputs
        if graph.tensors[name].dtype.is_float and name in made and not _is_alike(spec_of(made[name].op))
    )
    if not moving or len(next(iter(few.values()))) < SAMPLES_OF_OUTPUTS:
        return
    runs = list(one_by_one(write_tflite(drop_dead(replace(graph, outputs=moving))), few))
    for name in moving:
        values = np.stack([run[name] for run in runs])
        largest, moved = float(np.abs(values).max(initial=0.0)), float(np.ptp(values, axis=0).max(initial=0.0))
        if moved < largest * STILL:
            text = f"output '{name}' is up to {largest:.4g}, and moves by {moved:.2g} from sample to sample"
            also = "if they are, train for what is left without the mean"
            yield Note("data", made[name].layer or name, f"{text}, less than a step of 8 bits: {MEND}; {also}")


def _is_alike(spec: OpSpec) -> bool:
    """Whether samples of one class may have the same results."""
    return spec.ranks or isinstance(spec.rule(), Fixed)


def _watches_of_loss(graph: Graph, applied: Sequence[str]) -> Iterator[_Watch]:
    """What would be wrong with outputs that only a loss gives to an operator."""
    made = producers(graph)
    for name, op in zip(graph.outputs, applied, strict=False):
        if op and name in made and not isinstance(spec_of(made[name].op).rule(), Fixed):
            yield from _watches_of_operand(graph, name, op, 0, made[name].layer, is_last=True)


def _watches_of_operand(graph: Graph, name: str, op: str, index: int, layer: str, *, is_last: bool) -> Iterator[_Watch]:
    """What would be wrong with what enters an operator at some index."""
    role, classes = spec_of(op).role(index), (1, *graph.tensors[name].shape)[-1]
    if not isinstance(role, Data):
        return
    if role.flat_beyond is not None:
        yield _Watch(name, layer, f"{op} is flat", partial(_beyond, role.flat_beyond))
    if role.flat_below is not None and classes > 1:
        yield _Watch(name, layer, f"{op} gives all to one value", partial(_apart, role.flat_below))
    if role.flat_below is not None and classes > 2 and is_last:
        yield _Watch(name, layer, f"{op} finds all values almost equally likely", _level)


def _watches(graph: Graph, node: Node) -> Iterator[_Watch]:
    for i, name in data_inputs(graph, node):
        is_last = node.outputs[0] in graph.outputs
        yield from _watches_of_operand(graph, name, node.op, i, node.layer, is_last=is_last)
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
