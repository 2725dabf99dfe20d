"""Proof of a written file: what the real runtimes compute, operator by operator, against the reference.

Each runtime keeps every intermediate tensor. An operator is judged on the runtime's own inputs to it: the reference
kernel runs on those, and its result is compared with the runtime's. So an error shows where it arises and not again
downstream; and where every operator is exact, so is the whole graph. Runtimes and the reference work side by side. A
graph with states runs the samples as one sequence.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Literal

import numpy as np

from octavo.errors import DatasetError, MissingDependencyError, ModelFileError, RuntimeEndedError
from octavo.evaluate.culprit import blamed, culprit
from octavo.evaluate.predict import encode
from octavo.evaluate.tolerance import allowed_real
from octavo.evaluate.verification import Difference, RuntimeCheck, Verification
from octavo.ir.graph import producers
from octavo.ir.types import Graph, Node, Tensor
from octavo.ops.stored import StoredOperator, is_random
from octavo.run import reference
from octavo.run.runtime import Runtime
from octavo.run.signature import read_signature
from octavo.run.targets import TARGETS, Target
from octavo.run.worker import stop_children

# A sample is this many inputs, fewer where fewer make this many values to compare.
SAMPLE_INPUTS = 4
SAMPLE_VALUES = 1 << 22
Values = Mapping[str, np.ndarray]


def verify(
    model: bytes, graph: Graph, samples: Sequence[Values], amount: Literal["sample", "full"] = "sample"
) -> Verification:
    """Run a written file in every runtime there is and judge each operator.

    Args:
        model: The bytes that were written.
        graph: The graph they were written from.
        samples: Real inputs: an array for each graph input, batch 1.
        amount: "sample" runs a few of them, evenly spread; "full" runs all.

    Returns:
        What came of it. A file that computes wrongly raises nothing.

    Raises:
        NonFiniteError: for NaN or infinity in a sample.
    """
    if amount == "sample":
        samples = _spread(samples, sample_size(graph))
    ports = read_signature(model).inputs
    inputs = [{port.name: encode(np.asarray(sample[port.name]), port) for port in ports} for sample in samples]
    kept = [*graph.inputs, *(name for node in graph.nodes for name in node.outputs), *graph.outputs]
    truths: list[Future[Values]] = [Future() for _ in inputs]
    with ThreadPoolExecutor(len(TARGETS), "verify") as pool:
        checks = [pool.submit(_check, target, model, graph, inputs, truths) for target in TARGETS]
        try:
            state = reference.reset_state(graph)
            for values, truth in zip(inputs, truths, strict=True):
                found = reference.run(graph, values, [*kept, *state], state)
                state = {name: found[name] for name in state}
                truth.set_result(found)
            return Verification(len(inputs), tuple(check.result() for check in checks))
        except BaseException as error:  # Ctrl-C above all: nobody shall wait for what will not come
            stop_children()
            for truth in truths:
                if not truth.done():
                    truth.set_exception(error)
            raise


def sample_size(graph: Graph) -> int:
    """How many inputs a sample takes: the work grows with the graph, and so does what one input shows."""
    values = sum(graph.tensors[name].size for node in graph.nodes for name in node.outputs)
    return min(SAMPLE_INPUTS, max(1, SAMPLE_VALUES // max(1, values)))


def _spread(samples: Sequence[Values], count: int) -> Sequence[Values]:
    """At most `count` of the samples, evenly spread."""
    return samples if len(samples) <= count else [samples[i * len(samples) // count] for i in range(count)]


def _check(
    target: Target, model: bytes, graph: Graph, inputs: Sequence[Values], truths: Sequence[Future[Values]]
) -> RuntimeCheck:
    """What one runtime makes of the file on all inputs; a reason where it does not run it."""
    node = None
    if not (reason := target.refuses(graph)):
        try:
            return _examine(target, model, graph, inputs, truths)
        except MissingDependencyError as error:
            reason = f"{error.what} {error.fix}"
        except DatasetError as error:
            reason = f"{error.what} {error.got}"
        except ModelFileError as error:
            reason = f"{error.what} {error.got}"
            node = culprit(target, graph, inputs, ModelFileError) if target.required else None
        except RuntimeEndedError as error:
            found, node = blamed(error, target, graph, inputs)
            reason = f"{found.what} {found.got}"
    at = "" if node is None else node.outputs[0]
    return RuntimeCheck(target.name, reason=reason, required=target.required, culprit=at)


def _examine(
    target: Target, model: bytes, graph: Graph, inputs: Sequence[Values], truths: Sequence[Future[Values]]
) -> RuntimeCheck:
    """Run the file in one runtime on all inputs and judge every operator, by what comes of the reference meanwhile."""
    names = [name for node in graph.nodes for name in reference.written(graph, node)]
    results: list[Difference] = []
    unseen: dict[str, None] = {}
    ends: list[Values] = []
    state = reference.reset_state(graph)
    with target.open(model, keep_all=True) as runtime:
        for (outputs, shown), truth in zip(_runs(runtime, graph, inputs, names), truths, strict=True):
            ends.append(outputs)
            judged, hidden, own = _judge(target, graph, shown, truth.result(), state)
            state = {name: own[name] for name in state}
            results += judged
            unseen.update(dict.fromkeys(hidden))
    handed_over = ends
    if target.fuses:
        with target.open(model) as plain:
            handed_over = [outputs for outputs, _ in _runs(plain, graph, inputs)]
    return RuntimeCheck(
        target.name,
        inputs=len(inputs),
        operators=len(graph.nodes),
        differing=sum(each.differing for each in results),
        elements=sum(each.elements for each in results),
        differences=_differing(results),
        outputs=_differing(_apart(graph, [truth.result() for truth in truths], handed_over)),
        fusing=_differing(_apart(graph, ends, handed_over)),
        unseen=tuple(unseen),
        required=target.required,
    )


def _runs(
    runtime: Runtime, graph: Graph, inputs: Sequence[Values], names: Sequence[str] = ()
) -> Iterator[tuple[Values, Values]]:
    """Outputs and tensors of each run; where the graph has states, each run goes on where the last one ended."""
    keeps_state = any(tensor.is_variable for tensor in graph.tensors.values())
    for i, values in enumerate(inputs):
        yield (runtime.run(values), runtime.tensors(names)) if i and keeps_state else runtime.run_first(values, names)


def _has_truth(target: Target, node: Node) -> bool:
    """Whether it is known what a runtime shall make of an operator; of one without a row LiteRT's default tells."""
    return not is_random(node) and (target.required or not isinstance(node.options, StoredOperator))


def _apart(graph: Graph, expected: Sequence[Values], actual: Sequence[Values]) -> list[Difference]:
    """How the graph's outputs differ in two runs of the same inputs."""
    makers = producers(graph)
    return [
        _difference(graph.tensors[name], makers.get(name), one[name], other[name])
        for one, other in zip(expected, actual, strict=True)
        for name in graph.outputs
    ]


def _judge(
    target: Target, graph: Graph, shown: Values, truth: Values, state: Values
) -> tuple[list[Difference], list[str], Values]:
    """Compare each operator's result in a runtime's run with the reference kernel's on the runtime's own inputs.

    Args:
        target: The runtime.
        graph: What it ran.
        shown: The operators' results there, by name, but for those that it folded away.
        truth: What the reference computes of the same inputs.
        state: Variables as the runtime's run found them.

    Returns:
        One difference a result, in execution order; the results that are not judged: those the runtime does not show,
        which are then taken from the reference kernel, and those there is no truth for; and variables, among others, as
        the run left them.
    """
    own = {name: tensor.data for name, tensor in graph.tensors.items() if tensor.data is not None}
    own.update({**state, **{name: truth[name] for name in graph.inputs}})
    judged, hidden = [], []
    for node in graph.nodes:
        written, has_truth = reference.written(graph, node), _has_truth(target, node)
        known = written == node.outputs and all(
            name not in state and np.array_equal(own[name], truth[name])
            for name in node.inputs
            if name is not None and name in truth
        )
        expected = tuple(truth[name] for name in node.outputs) if known else reference.run_node(graph, node, own)
        # XNNPACK unpacks float16 constants when it loads them and leaves their tensors unwritten.
        folded = target.folds and all(graph.tensors[name].is_constant for name in node.inputs if name)
        for name, result in zip(written, expected, strict=True):
            seen = None if folded and has_truth else _seen(shown, name, result)
            own[name] = result if seen is None else seen
            if seen is None or not has_truth:
                hidden.append(name)
                continue
            tensor = graph.tensors[name]
            judged.append(_difference(tensor, node, result, seen, _allowed(target, graph, node, tensor, own, expected)))
    return judged, hidden, own


def _seen(shown: Values, name: str, like: np.ndarray) -> np.ndarray | None:
    """A tensor of a run in the shape of `like`, None where the runtime folded it away."""
    if name not in shown or shown[name].size != like.size:
        return None
    return shown[name].reshape(like.shape)


def _allowed(
    target: Target, graph: Graph, node: Node, output: Tensor, own: Values, expected: Sequence[np.ndarray]
) -> float:
    if output.dtype.numpy.kind not in "fc":
        return target.allowed_steps(graph, node, output)
    return allowed_real(graph, node, reference.real_inputs(graph, node, own), expected)


def _difference(
    tensor: Tensor, maker: Node | None, expected: np.ndarray, actual: np.ndarray, allowed: float = math.inf
) -> Difference:
    """How the values of a tensor, made by the node `maker`, differ from what is expected of them."""
    real = tensor.dtype.numpy.kind in "fc"
    gap = _real_gap(expected, actual) if real else np.abs(actual.astype(np.int64) - expected)
    return Difference(
        op=maker.op if maker else "",
        layer=tensor.layer or tensor.name,
        tensor=tensor.name,
        differing=int(np.count_nonzero(gap)),
        elements=gap.size,
        largest=float(gap.max(initial=0)),
        allowed=allowed,
        unit="real" if real else "steps",
    )


def _real_gap(expected: np.ndarray, actual: np.ndarray) -> np.ndarray:
    """Absolute differences; infinite where one value alone is NaN, 0 between equal infinities or two NaN."""
    same = (actual == expected) | (np.isnan(actual) & np.isnan(expected))
    with np.errstate(invalid="ignore"):
        gap = np.abs(actual - expected.astype(np.result_type(expected, np.float64)))
    return np.where(same, 0.0, np.where(np.isnan(gap), math.inf, gap))


def _differing(parts: Sequence[Difference]) -> tuple[Difference, ...]:
    """The parts added up by tensor, without tensors that nowhere differ."""
    totals: dict[str, Difference] = {}
    for part in parts:
        totals[part.tensor] = totals[part.tensor] + part if part.tensor in totals else part
    return tuple(total for total in totals.values() if total.differing)
