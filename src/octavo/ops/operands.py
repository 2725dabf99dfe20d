"""The inputs of a node by the roles its row gives them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from octavo.dtypes import DType
from octavo.ir.types import Graph, Node, Tensor
from octavo.ops.roles import Bias, Data, Parameter, SameAsInput, Weight
from octavo.ops.spec import OpSpec
from octavo.ops.table import spec_of

Place = tuple[int, str]
"""(index, tensor) of an input."""


def data_inputs(graph: Graph, node: Node) -> tuple[Place, ...]:
    """Inputs that carry activations, or constants quantized like them; weights that are not constant are among them."""
    spec = spec_of(node.op)
    return tuple(
        (i, name)
        for i, name in enumerate(node.inputs)
        if name is not None and _is_data(spec, i, graph.tensors[name]) and stands_for_reals(graph.tensors[name])
    )


def real_outputs(graph: Graph, node: Node) -> tuple[str, ...]:
    """Results that are activations, as opposed to indices and truth values."""
    return tuple(name for name in node.outputs if stands_for_reals(graph.tensors[name]))


def weight_inputs(graph: Graph, node: Node) -> tuple[Place, ...]:
    """Constant weights."""
    spec = spec_of(node.op)
    return tuple(
        (i, name)
        for i, name in enumerate(node.inputs)
        if name is not None and isinstance(spec.role(i), Weight) and graph.tensors[name].is_constant
    )


def states(graph: Graph, node: Node) -> tuple[Tensor, ...]:
    """The variables that the node reads and writes in place, in the order of its inputs."""
    return tuple(graph.tensors[str(node.inputs[i])] for i, _ in spec_of(node.op).states)


def bias_inputs(graph: Graph, node: Node) -> tuple[Place, ...]:
    """Biases that are there, of weights that are constant."""
    spec, weights = spec_of(node.op), dict(weight_inputs(graph, node))
    return tuple(
        (i, name)
        for i, name in enumerate(node.inputs)
        if name is not None and isinstance(role := spec.role(i), Bias) and role.weight in weights
    )


def stated_limit(readers: Iterable[Node], name: str, limit: Callable[[Data], float | None]) -> float | None:
    """The largest of what the roles of a tensor state; None where one of them states nothing, or nothing reads it.

    Args:
        readers: The nodes that read it.
        name: The tensor.
        limit: What is asked of a role.
    """
    roles = [spec_of(node.op).role(i) for node in readers for i, read in enumerate(node.inputs) if read == name]
    limits = [limit(role) if isinstance(role, Data) else None for role in roles]
    return None if None in limits else max((each for each in limits if each is not None), default=None)


def hiding_constants(graph: Graph, node: Node, readers: Mapping[str, tuple[Node, ...]]) -> frozenset[str]:
    """Constants that an operator moves to its result only for them to count for nothing there: masks of -1e9.

    A largest or least value is taken to have another to choose: of a row that is hidden throughout, an end of the
    range is left.
    """
    result = node.outputs[0]
    if not isinstance(spec_of(node.op).rule(), SameAsInput) or result in graph.outputs:
        return frozenset()
    below = stated_limit(readers[result], result, lambda role: role.hides_below)
    above = stated_limit(readers[result], result, lambda role: role.not_chosen_above)
    if below is None and above is None:
        return frozenset()
    alone = (graph.tensors[name] for _, name in data_inputs(graph, node) if len(readers[name]) == 1)
    return frozenset(tensor.name for tensor in alone if _lies_beyond(tensor, below, above))


def _lies_beyond(constant: Tensor, below: float | None, above: float | None) -> bool:
    """Whether a tensor is a constant whose values are all as far down, or all as far up; None bounds nothing."""
    if not (constant.is_constant and constant.size):
        return False
    values = constant.values
    down, up = below is not None and (values <= -below).all(), above is not None and (values >= above).all()
    return bool(down or up)


def is_integer(graph: Graph, node: Node) -> bool:
    """Whether a node works on quantized activations: one of its data inputs or outputs is."""
    names = (*(name for _, name in data_inputs(graph, node)), *node.outputs)
    return any(graph.tensors[name].quantization is not None for name in names)


def is_hybrid(graph: Graph, node: Node) -> bool:
    """Whether a node multiplies float activations by integer weights."""
    if is_integer(graph, node):
        return False
    return any(graph.tensors[name].quantization is not None for _, name in weight_inputs(graph, node))


def stands_for_reals(tensor: Tensor) -> bool:
    """Whether a tensor holds real numbers or integers that stand for them, as opposed to shapes and indices."""
    return tensor.dtype.is_float or tensor.quantization is not None


def _is_data(spec: OpSpec, index: int, tensor: Tensor) -> bool:
    role = spec.role(index)
    return isinstance(role, Data) or (isinstance(role, Weight) and not tensor.is_constant)


def working_type(graph: Graph, node: Node) -> DType:
    """The element type an operator works on: that of its first input that is neither weight, bias nor parameter."""
    spec = spec_of(node.op)
    passive = (Weight, Bias, Parameter)
    working = (name for i, name in enumerate(node.inputs) if name and not isinstance(spec.role(i), passive))
    return graph.tensors[next(working)].dtype
