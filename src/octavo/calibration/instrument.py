"""The files that calibration runs: a float graph whose outputs tell of its tensors.

Extremes are found by operators in the file, each right behind the one that makes a tensor: the runtime reduces values
that are still in its cache, keeps none of them, and hands over three numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from octavo.calibration.task import REDUCTIONS, Task
from octavo.dtypes import DType
from octavo.ir.graph import drop_dead, fresh_name, with_nodes
from octavo.ir.types import Graph, Node, Tensor
from octavo.ops.reduce import ReducerOptions
from octavo.write.tflite import write_tflite


def instrumented(graph: Graph, task: Task) -> bytes:
    """The file that a task runs: histograms need all values, else extremes do."""
    return (with_values if task.needs_histogram else with_extremes)(graph, task.made)


def with_values(graph: Graph, tensors: Sequence[str]) -> bytes:
    """A float .tflite whose outputs are `tensors`; what only the graph's own outputs need is left out."""
    return write_tflite(drop_dead(replace(graph, outputs=tuple(tensors))))


def with_extremes(graph: Graph, tensors: Sequence[str]) -> bytes:
    """A float .tflite whose outputs are the results of `REDUCTIONS` on each of `tensors`, each a single number."""
    added: dict[str, Tensor] = {}
    reductions: dict[str, tuple[Node, ...]] = {}
    for name in tensors:
        axes, *results = _named(graph.tensors[name], {**graph.tensors, **added})
        added |= {tensor.name: tensor for tensor in (axes, *results)}
        reductions[name] = tuple(
            Node(op, (name, axes.name), (result.name,), ReducerOptions())
            for op, result in zip(REDUCTIONS, results, strict=True)
        )
    nodes = [
        each
        for node in graph.nodes
        for each in (node, *(reduction for name in node.outputs for reduction in reductions.get(name, ())))
    ]
    outputs = tuple(reduction.outputs[0] for name in tensors for reduction in reductions[name])
    return write_tflite(drop_dead(replace(with_nodes(graph, nodes, added.values()), outputs=outputs)))


def _named(tensor: Tensor, taken: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
    """The axes of a tensor, all of them, and a place for each reduction along them."""
    axes = np.arange(len(tensor.shape), dtype=np.int32)
    return (
        Tensor(fresh_name(taken, f"{tensor.name}/axes"), axes.shape, DType.INT32, axes),
        *(Tensor(fresh_name(taken, f"{tensor.name}/{op}"), ()) for op in REDUCTIONS),
    )
