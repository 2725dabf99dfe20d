"""All methods in their order, each checked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from octavo.condition.method import Conditioned, Method, settled
from octavo.condition.samples import Samples
from octavo.errors import GraphError
from octavo.ir.types import Graph, Tensor
from octavo.plan.types import Plan
from octavo.quantization.weights import largest_magnitude


def condition(graph: Graph, plan: Plan, samples: Samples, methods: Sequence[Method]) -> Conditioned:
    """Run methods once, in order.

    Args:
        graph: The float graph the plan was made of.
        plan: Of the scheme at hand.
        samples: Representative data.
        methods: None leaves the graph as it is.

    Returns:
        The graph with changed constants, limits of weights, and the notes of all methods.

    Raises:
        GraphError: if a method changed anything but constants and limits, naming it.
    """
    return settled(applied(Conditioned(graph), plan, samples, methods))


def applied(state: Conditioned, plan: Plan, samples: Samples, methods: Sequence[Method]) -> Conditioned:
    """What methods make of a state, in order, each checked.

    Raises:
        GraphError: if a method changed anything but constants and limits, naming it.
    """
    for method in methods:
        after = method.apply(state, plan, samples)
        check_change(method.name, state.graph, after, plan)
        state = merged(state, after)
    return state


def merged(before: Conditioned, after: Conditioned) -> Conditioned:
    """What a method made, on what was made before it; what was deployed for a constant that it changed is void."""
    kept = {
        name: values
        for name, values in before.deployed.items()
        if after.graph.tensors[name] is before.graph.tensors[name]
    }
    return Conditioned(
        after.graph,
        {**before.limits, **after.limits},
        {**kept, **after.deployed},
        (*before.notes, *after.notes),
        after.estimator or before.estimator,
    )


def check_change(name: str, before: Graph, after: Conditioned, plan: Plan) -> None:
    """Check that a method changed float constants and limits, and nothing else.

    Raises:
        GraphError: naming the method.
    """
    unknown = sorted(set(after.deployed) - {name for name, each in before.tensors.items() if each.is_constant})
    problem = (
        _structure_problem(before, after.graph)
        or (f"'{unknown[0]}' deployed, which is no constant" if unknown else None)
        or _structure_problem(after.graph, settled(after).graph)
        or _limit_problem(after, plan)
    )
    if problem is not None:
        raise GraphError(
            f"conditioning method '{name}' changed more than constants.",
            got=problem,
            expected="the same operators and tensors, other finite float constants, and limits of planned weights",
            fix=f"let {name} replace constants with octavo.ir.graph.with_tensors, and make a rewrite of operators a "
            "pass",
        )


def _structure_problem(before: Graph, after: Graph) -> str | None:
    """What besides float constants differs, or None."""
    if (before.nodes, before.inputs, before.outputs) != (after.nodes, after.inputs, after.outputs):
        return "other operators, inputs or outputs"
    if set(before.tensors) != set(after.tensors):
        return f"tensors {', '.join(sorted(set(before.tensors) ^ set(after.tensors)))} come or gone"
    for tensor in before.tensors.values():
        problem = _tensor_problem(tensor, after.tensors[tensor.name])
        if problem is not None:
            return f"tensor '{tensor.name}': {problem}"
    return None


def _tensor_problem(before: Tensor, after: Tensor) -> str | None:
    if before is after:
        return None
    kinds = [
        (each.name, each.shape, each.dtype, each.quantization, each.layer, each.is_constant, each.is_variable)
        for each in (before, after)
    ]
    if kinds[0] != kinds[1]:
        return "another shape, type, layer or kind"
    if before.data is None or after.data is None:
        return None
    if not before.dtype.is_float and not np.array_equal(before.data, after.data):
        return "other indices"
    if after.data.shape != after.shape or after.data.dtype != after.dtype.numpy:
        return f"data of {after.data.dtype}{list(after.data.shape)}"
    return None if np.isfinite(after.data).all() else "NaN or infinity"


def _limit_problem(after: Conditioned, plan: Plan) -> str | None:
    """What is wrong with a limit, or None."""
    rules = {rule.tensor: rule for rule in plan.weights}
    for name, limit in after.limits.items():
        data = after.graph.tensors[name].data if name in rules else None
        if data is None:
            return f"a limit of '{name}', which the plan does not round as a weight"
        shape = largest_magnitude(data, rules[name].granularity).shape
        if limit.shape != shape or not (np.isfinite(limit).all() and (limit >= 0).all()):
            return f"a limit of '{name}' that is not {list(shape)} finite magnitudes"
    return None
