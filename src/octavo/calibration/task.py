"""What calibration observes, told in little: what goes to the processes that run the model carries no weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from octavo.calibration.statistics import Accumulator
from octavo.ir.types import Graph

# What an instrumented file tells of a tensor. The sum is for NaN, which XNNPACK's extremes pass over and no sum does.
REDUCTIONS = ("REDUCE_MIN", "REDUCE_MAX", "SUM")


@dataclass(frozen=True, slots=True)
class Task:
    """What to observe.

    Attributes:
        inputs: Names of the graph's inputs, and whether each is of float values.
        sizes: Elements of each observed tensor in one sample, by its name, in execution order.
        layers: The layer of each.
        needs_histogram: Whether to count values by bin.
        is_sequence: Whether each sample goes on where the last one ended.
    """

    inputs: Mapping[str, bool]
    sizes: Mapping[str, int]
    layers: Mapping[str, str]
    needs_histogram: bool
    is_sequence: bool = False

    @property
    def made(self) -> tuple[str, ...]:
        """The observed tensors that are not inputs."""
        return tuple(name for name in self.sizes if name not in self.inputs)

    def accumulators(self) -> dict[str, Accumulator]:
        """An empty accumulator by tensor name.

        Float inputs have one, observed or not, and come first: a sample that is not finite is named before the
        activations it spoils.
        """
        floats = [name for name, is_float in self.inputs.items() if is_float]
        return {
            name: Accumulator(histogram=self.needs_histogram and name in self.sizes)
            for name in dict.fromkeys((*floats, *self.sizes))
        }


def task_of(graph: Graph, tensors: Sequence[str], *, needs_histogram: bool) -> Task:
    """The task of observing tensors of a float graph, named in execution order."""
    observed = {name: graph.tensors[name] for name in tensors}
    return Task(
        {name: graph.tensors[name].dtype.is_float for name in graph.inputs},
        {name: tensor.size for name, tensor in observed.items()},
        {name: tensor.layer or name for name, tensor in observed.items()},
        needs_histogram,
        any(tensor.is_variable for tensor in graph.tensors.values()),
    )
