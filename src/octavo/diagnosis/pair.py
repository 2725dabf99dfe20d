"""A float network and a quantized file of it: which operators and tensors of the one are those of the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from octavo.errors import InputError
from octavo.evaluate.predict import decode, encode
from octavo.ir.graph import consumers
from octavo.ir.types import Graph, Node, Tensor
from octavo.numerics.affine import dequantize
from octavo.ops.operands import weight_inputs
from octavo.ops.table import OPS
from octavo.run.signature import read_signature
from octavo.run.supervised import SupervisedRuntime
from octavo.run.targets import DEFAULT
from octavo.write.tflite import write_tflite

Values = Mapping[str, np.ndarray]
# Below, two arrays are not the same quantity, however coarsely rounded.
LEAST_CORRELATION = 0.7


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """Two graphs of one network.

    Attributes:
        floats: The float graph, as its passes left it.
        integers: The graph of the file.
        nodes: The file's operator, by the first output of the float one.
        tensors: The file's activation, by the name of the float one.
        inputs, outputs: The file's ports, by the float graph's.
    """

    floats: Graph
    integers: Graph
    nodes: Mapping[str, Node]
    tensors: Mapping[str, str]
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]

    @property
    def unmatched(self) -> tuple[str, ...]:
        """Layers of the float graph with weights that no operator of the file was found for."""
        missing = (node for node in self.floats.nodes if node.outputs[0] not in self.nodes)
        return tuple(dict.fromkeys(node.layer for node in missing if weight_inputs(self.floats, node)))


def own_pair(floats: Graph, integers: Graph) -> Pair:
    """The pair of a graph and of what Octavo quantized it to: names are the same."""
    made = {node.outputs[0]: node for node in integers.nodes}
    nodes = {node.outputs[0]: made[node.outputs[0]] for node in floats.nodes if node.outputs[0] in made}
    activations = (*floats.inputs, *(name for node in floats.nodes for name in node.outputs))
    tensors = {name: name for name in activations if name in integers.tensors}
    ports = (zip(floats.inputs, integers.inputs, strict=True), zip(floats.outputs, integers.outputs, strict=True))
    inputs, outputs = (dict(pairs) for pairs in ports)
    return Pair(floats, integers, nodes, {**tensors, **outputs}, inputs, outputs)


def foreign_pair(floats: Graph, integers: Graph, found: Values, wanted: Values) -> Pair:
    """Match a file that somebody else made with the float network, by operators, shapes, constants, values and names.

    Args:
        floats: The float graph.
        integers: The file's graph.
        found: Real values of the file's activations on some samples, by name.
        wanted: Those of the float graph on the same samples.

    Raises:
        InputError: if the ports differ, or no operator fits.
    """
    inputs = _ports(floats, integers, floats.inputs, integers.inputs, "inputs")
    outputs = _ports(floats, integers, floats.outputs, integers.outputs, "outputs")
    nodes: dict[str, Node] = {}
    left = [node for node in floats.nodes if node.op in OPS]
    for node in integers.nodes:
        fitting = [each for each in left if _alike(floats, each, integers, node)]
        if fitting:
            best = max(fitting, key=lambda each: _likeness(floats, each, integers, node, found, wanted))
            nodes[best.outputs[0]] = node
            left.remove(best)
    if not nodes:
        raise InputError(
            "the file is not a quantized form of this model.",
            got=f"operators {', '.join(dict.fromkeys(node.op for node in integers.nodes))}",
            expected=f"operators {', '.join(dict.fromkeys(node.op for node in floats.nodes))}, of the same shapes",
            fix="give the float model that this file was made from",
        )
    readers = consumers(integers)
    tensors = {name: _shown(name, node, readers, found, wanted) for name, node in nodes.items()}
    return Pair(floats, integers, nodes, {**tensors, **inputs, **outputs}, inputs, outputs)


def _ports(floats: Graph, integers: Graph, names: Sequence[str], others: Sequence[str], kind: str) -> dict[str, str]:
    """The file's ports by the float graph's: by name, else in order where the sizes agree."""
    if len(names) == len(others):
        sizes = [floats.tensors[name].size for name in names]
        if set(names) == set(others):
            return {name: name for name in names}
        left, found = list(others), {}
        for name, size in zip(names, sizes, strict=True):
            match = next((other for other in left if integers.tensors[other].size == size), None)
            if match is None:
                break
            found[name] = match
            left.remove(match)
        if not left:
            return found
    raise InputError(
        f"the file's {kind} are not those of the float model.",
        got=_text(integers, others),
        expected=_text(floats, names),
        fix="give the float model that this file was made from",
    )


def _text(graph: Graph, names: Sequence[str]) -> str:
    return ", ".join(f"{name} {graph.tensors[name].shape}" for name in names)


def _alike(floats: Graph, node: Node, integers: Graph, other: Node) -> bool:
    """Whether two operators may be one: of the same kind, with results and weights of the same sizes."""
    if node.op != other.op or floats.tensors[node.outputs[0]].size != integers.tensors[other.outputs[0]].size:
        return False
    weights = dict(weight_inputs(floats, node))
    return all(
        i < len(other.inputs)
        and other.inputs[i] is not None
        and integers.tensors[str(other.inputs[i])].size == floats.tensors[name].size
        for i, name in weights.items()
    )


def _likeness(
    floats: Graph, node: Node, integers: Graph, other: Node, found: Values, wanted: Values
) -> tuple[float, float]:
    """How much two operators are alike: by weights if they have some, by values; names decide between equals."""
    weights = [
        correlation(real_constant(integers.tensors[str(other.inputs[i])]), floats.tensors[name].values)
        for i, name in weight_inputs(floats, node)
    ]
    name, own = other.outputs[0], node.outputs[0]
    values = correlation(found[name], wanted[own]) if name in found and own in wanted else 0.0
    named = float(bool(node.layer) and node.layer in name)
    return (round(min(weights), 2) if weights else round(values, 2)), named + values / 2


def _shown(name: str, node: Node, readers: Mapping[str, tuple[Node, ...]], found: Values, wanted: Values) -> str:
    """The tensor of the file that holds an operator's result: behind an activation that the float graph has fused."""
    here = node.outputs[0]
    after = readers.get(here, ())
    if len(after) == 1 and after[0].op in ("RELU", "RELU6", "RELU_N1_TO_1") and name in wanted:
        behind = after[0].outputs[0]
        if behind in found and here in found:
            return max(here, behind, key=lambda each: correlation(found[each], wanted[name]))
    return here


def correlation(one: np.ndarray | None, other: np.ndarray) -> float:
    """Pearson's correlation of two arrays of one size, whatever their shapes; 0 where one is constant."""
    if one is None or one.size != other.size:
        return 0.0
    first, second = (each.astype(np.float64).ravel() - float(each.mean(dtype=np.float64)) for each in (one, other))
    norm = float(np.sqrt(first @ first) * np.sqrt(second @ second))
    return float(first @ second) / norm if norm > 0 and np.isfinite(norm) else 0.0


def real_constant(tensor: Tensor) -> np.ndarray | None:
    """The reals that a constant stands for; None for no constant."""
    if tensor.data is None:
        return None
    return tensor.data if tensor.quantization is None else dequantize(tensor.data, tensor.quantization)


class Opened:
    """A quantized file that shows its activations as reals, in a child process.

    Args:
        model: The file.
        graph: Read from it.
        inputs: Its inputs by the float graph's.
    """

    def __init__(self, model: bytes, graph: Graph, inputs: Mapping[str, str]) -> None:
        names = tuple(name for node in graph.nodes for name in node.outputs)
        if not {*names} <= {*read_signature(model).tensors} and all(map(known, graph.nodes)):
            model = write_tflite(graph)  # as converters give several tensors one name
        signature = read_signature(model)
        self.names = tuple(name for name in names if name in signature.tensors)
        self._graph, self._inputs = graph, inputs
        self._ports, self._outputs = {port.name: port for port in signature.inputs}, signature.outputs
        self._runtime: SupervisedRuntime = DEFAULT.open(model, keep_all=True)

    def real_values(self, sample: Values) -> dict[str, np.ndarray]:
        """All activations of a sample, batch 1, by the file's names."""
        given = {other: encode(sample[name], self._ports[other]) for name, other in self._inputs.items()}
        shaped = {name: array.reshape(self._ports[name].shape) for name, array in given.items()}
        outputs, kept = self._runtime.run_first(shaped, self.names)
        real = {name: self._real(name, array) for name, array in (kept | shaped).items()}
        return real | {port.name: decode(outputs[port.name], port) for port in self._outputs}

    def _real(self, name: str, array: np.ndarray) -> np.ndarray:
        quantization = self._graph.tensors[name].quantization
        return array if quantization is None else dequantize(array, quantization)

    def __enter__(self) -> Opened:
        return self

    def __exit__(self, *error: object) -> None:
        self._runtime.close()


def known(node: Node) -> bool:
    """Whether the op table has a row for an operator; one kept as a file stores it has another name."""
    return node.op in OPS
