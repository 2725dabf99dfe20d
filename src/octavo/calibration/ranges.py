"""From statistics of tensors to the range of every group."""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce

from octavo.calibration.statistics import Accumulator, Statistics
from octavo.ir.types import Graph
from octavo.numerics.affine import Range
from octavo.numerics.estimators import Estimator, Shares
from octavo.numerics.tensor_statistics import TensorStatistics
from octavo.ops.operands import states
from octavo.plan.types import Group, Plan


def observed_tensors(graph: Graph, plan: Plan) -> tuple[str, ...]:
    """The activations whose ranges the plan asks for, in execution order: a NaN is found where it is born."""
    observed = {name for name in plan.observed if not graph.tensors[name].is_constant}
    made = (name for node in graph.nodes for name in (*node.outputs, *(state.name for state in states(graph, node))))
    return tuple(name for name in (*graph.inputs, *made) if name in observed)


def estimate(graph: Graph, plan: Plan, statistics: Statistics, estimator: Estimator) -> dict[str, Range]:
    """Range of each observed activation, which is its group's: an estimator sees all values that share parameters.

    Constants are counted in, but never cut: what makes parameters widens a range to hold them.

    Args:
        graph: The float graph.
        plan: Of an integer scheme, of that graph.
        statistics: Of every observed tensor that is no constant.
        estimator: Makes the range.

    Returns:
        By the names of `Plan.range_name`.
    """
    ranges: dict[str, Range] = {}
    for group in plan.groups:
        if any(name in statistics for name in group.observed):
            merged = reduce(TensorStatistics.merge, _of_group(graph, group, statistics, estimator.needs_histogram))
            low, high = estimator.range_of(merged, group.dtype)
            names = [plan.range_name(name, group) for name in group.observed if name in statistics]
            if isinstance(estimator, Shares):
                low, high = estimator.cut(names[0], (low, high))
            ranges |= dict.fromkeys(names, (float(low), float(high)))
    return ranges


def _of_group(graph: Graph, group: Group, statistics: Statistics, needs_histogram: bool) -> Iterator[TensorStatistics]:
    """Statistics of each observed member; a constant is there in every sample."""
    for name in group.observed:
        data = graph.tensors[name].data
        if data is None:
            yield statistics[name] if needs_histogram else _extremes(statistics[name])
        elif data.size:
            accumulator = Accumulator(histogram=needs_histogram)
            accumulator.add(data)
            yield accumulator.result().times(statistics.samples)


def _extremes(statistics: TensorStatistics) -> TensorStatistics:
    return TensorStatistics(statistics.low, statistics.high, statistics.count)
