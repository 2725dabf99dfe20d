"""Fixed shapes for all of a .tflite file.

Converters leave behind what a graph of fixed shapes does not need: shapes computed from shapes, and half-precision
weights with an operator that widens them. Both become constants here. What the op table has no row for stays as the
file stores it, if LiteRT runs it.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np

from octavo.dtypes import DType
from octavo.errors import GraphError, ModelFileError, RuntimeEndedError, UnsupportedLayerError
from octavo.ir.check import check_structure
from octavo.ir.graph import drop_dead, drop_unused, fresh_name, rename_inputs
from octavo.ir.inputs import Inputs
from octavo.ir.types import Graph, Node, Shape, Tensor
from octavo.limits import limits, raised
from octavo.load.control_flow import inlined
from octavo.load.flatbuffer import FileContent, as_stored
from octavo.load.structure import contradiction
from octavo.ops.cast import CastOptions, ElementType
from octavo.ops.dense import BatchMatMulOptions, FullyConnectedOptions
from octavo.ops.indices import GatherOptions
from octavo.ops.roles import Absent, State
from octavo.ops.shape import ReshapeOptions, batch_open, placeholder
from octavo.ops.stored import StoredOperator, is_random
from octavo.ops.table import OPS, spec_of
from octavo.run.stored import result_shapes, run_stored
from octavo.write.stored import with_operands

# Operators without a row whose results follow from the shapes of their inputs.
_OF_SHAPES = frozenset({"RANK", "ZEROS_LIKE"})


def settled(file: FileContent) -> Graph:
    """The graph of a file with what shapes and half-precision weights determine as constants, and all shapes fixed.

    Raises:
        ModelFileError: if the file's constants do not fit its operators.
        UnsupportedLayerError: if an operator has no fixed shape, or has no row and LiteRT does not run it.
    """
    try:
        graph = _Settling(file).graph()
        check_structure(graph)
        _check_outputs(graph)
        return graph
    except GraphError as error:
        raise contradiction(f"{error.what} ({error.got})", error.expected) from error
    except (AssertionError, AttributeError, IndexError, KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise contradiction(
            f"constants that fit no operator ({error})", "constants of the shapes operators take"
        ) from error
    except (MemoryError, OverflowError) as error:
        raise contradiction("constants too large to compute", "constants that fit into memory") from error


class _Settling:
    """A file's graph on the way to fixed shapes, operator by operator."""

    def __init__(self, file: FileContent) -> None:
        self._file = file
        self._tensors = dict(file.graph.tensors)
        self._nodes: list[Node] = []
        # What stands for results of operators that others took the place of.
        self._instead: dict[str, str] = {}
        self._made = frozenset(name for node in file.graph.nodes for name in node.outputs)

    def graph(self) -> Graph:
        """All of it."""
        for place, node in enumerate(self._file.graph.nodes):
            self._settle(place, node)
        outputs = tuple(self._output(name) for name in self._file.graph.outputs)
        graph = replace(self._file.graph, tensors=self._tensors, nodes=tuple(self._nodes), outputs=outputs)
        return drop_unused(graph)

    def _output(self, name: str) -> str:
        """An output by its own name, whatever stands for it."""
        source = self._instead.get(name)
        if source is None:
            return name
        tensor = self._tensors[name] = replace(self._tensors[source], name=name, is_variable=False)
        if tensor.data is None:
            constant = fresh_name(self._tensors, f"{name}/shape")
            self._tensors[constant] = Tensor(
                constant, (len(tensor.shape),), DType.INT32, np.array(tensor.shape, np.int32)
            )
            self._nodes.append(Node("RESHAPE", (source, constant), (name,), ReshapeOptions(), tensor.layer))
        return name

    def _settle(self, place: int, node: Node) -> None:
        (node,) = rename_inputs((node,), self._instead)
        node = _with_row(node, self._operands(node))
        if not isinstance(node.options, StoredOperator) and not _fits_row(node, self._operands(node), self._made):
            node = as_stored(self._file, place)
        if isinstance(node.options, StoredOperator):
            self._settle_stored(node, node.options)
            return
        try:
            self._settle_row(node)
        except UnsupportedLayerError as reason:
            stored = as_stored(self._file, place)
            assert isinstance(stored.options, StoredOperator)
            try:
                self._settle_stored(stored, stored.options)
            except UnsupportedLayerError:
                raise reason from None

    def _settle_row(self, node: Node) -> None:
        """Add an operator that the op table has a row for, or the constant that it makes."""
        if node.op == "RESHAPE":
            node = _with_open_batch(node, self._tensors, self._file.open_shapes[node.outputs[0]])
        node = _without_empty_parts(_with_cast_types(_with_absent_inputs(node), self._tensors), self._tensors)
        operands = self._operands(node)
        array = _evaluate(node, operands)
        if array is not None:
            self._add_constants(node, (array,))
            return
        shapes = _inferred(node, operands)
        if all(0 in shape for shape in shapes):
            self._add_constants(node, tuple(np.empty(shape) for shape in shapes))
        else:
            self._add(node, shapes)

    def _settle_stored(self, node: Node, options: StoredOperator) -> None:
        """Add an operator as the file stores it, or the constants that it makes.

        Raises:
            UnsupportedLayerError: if LiteRT does not run it, or what it makes has a size that only a run tells.
        """
        within = inlined(node, options, self._tensors, lambda part: drop_dead(_Settling(part).graph()))
        if within is not None:
            self._tensors |= within.tensors
            self._nodes += within.nodes
            self._instead |= dict(zip(node.outputs, within.results, strict=True))
            return
        operands = self._operands(node)
        content = with_operands(options.content, operands, [self._tensors[name] for name in node.outputs])
        try:
            found = result_shapes(content)
            shapes = tuple(shape for shape in found if shape is not None)
            if len(shapes) < len(found):
                raise _no_size(node)
            options = replace(options, content=content, shapes=shapes)
            known = [tensor is None or tensor.is_constant for tensor in operands.items]
            if (all(known) or node.op in _OF_SHAPES) and not is_random(node):
                self._add_constants(node, run_stored(options, known, Inputs(map(_values, operands.items))))
                return
        except (ModelFileError, RuntimeEndedError) as error:
            raise _not_run(node, options, error.got) from error
        self._add(replace(node, options=options), shapes)

    def _add(self, node: Node, shapes: tuple[Shape, ...]) -> None:
        for name, shape in zip(node.outputs, shapes, strict=True):
            _check_shape(name, shape, self._file.open_shapes[name], node)
            self._tensors[name] = replace(self._tensors[name], shape=shape)
        self._nodes.append(node)

    def _add_constants(self, node: Node, arrays: tuple[np.ndarray, ...]) -> None:
        for name, array in zip(node.outputs, arrays, strict=True):
            result = self._tensors[name]
            data = array.astype(result.dtype.numpy)
            self._tensors[name] = replace(result, shape=data.shape, data=data)

    def _operands(self, node: Node) -> Inputs[Tensor]:
        return Inputs(None if name is None else self._tensors[name] for name in node.inputs)


def _with_row(node: Node, operands: Inputs[Tensor]) -> Node:
    """A node as one that does the same and has kernels: SELECT as SELECT_V2, a product of two activations as such.

    SELECT chooses element by element, or by one truth value for all. Kernels of FULLY_CONNECTED differ on weights that
    are activations, whose zero point is not 0. Those of EMBEDDING_LOOKUP take integers for a float result alone.
    """
    if node.op == "EMBEDDING_LOOKUP" and operands[1].dtype is DType.FLOAT32:
        return replace(node, op="GATHER", inputs=node.inputs[::-1], options=GatherOptions())
    if node.op == "FULLY_CONNECTED" and node.options == FullyConnectedOptions() and operands.get(2) is None:
        x, weights = operands[0], operands[1]
        if not weights.is_constant and len(x.shape) == len(weights.shape) == 2 and x.shape[1] == weights.shape[1]:
            return replace(node, op="BATCH_MATMUL", inputs=node.inputs[:2], options=BatchMatMulOptions(adj_y=True))
    if node.op != "SELECT" or None in operands.items:
        return node
    condition, then, otherwise = operands
    same = condition.shape in (then.shape, ()) and then.shape == otherwise.shape
    return replace(node, op="SELECT_V2", options=spec_of("SELECT_V2").options()) if same else node


def _without_empty_parts(node: Node, tensors: Mapping[str, Tensor]) -> Node:
    """A CONCATENATION without what adds nothing to it."""
    kept = tuple(name for name in node.inputs if name is None or 0 not in tensors[name].shape)
    return replace(node, inputs=kept) if node.op == "CONCATENATION" and kept else node


def _values(tensor: Tensor | None) -> np.ndarray | None:
    """Of an operand whose values are known, or do not matter."""
    if tensor is None or tensor.data is not None:
        return None if tensor is None else tensor.data
    return np.zeros(tensor.shape, tensor.dtype.numpy)


def _fits_row(node: Node, operands: Inputs[Tensor], made: Collection[str]) -> bool:
    """Whether an operator's inputs are what its row knows, in a file whose operators make the tensors of `made`.

    Raises:
        UnsupportedLayerError: if its state is not; such an operator cannot stay as it is stored.
    """
    spec, fits = spec_of(node.op), True
    for i, tensor in enumerate(operands.items):
        role = spec.role(i) if spec.variadic or i < len(spec.inputs) else Absent()
        fits &= tensor is None or not isinstance(role, Absent)
        own_state = tensor is not None and tensor.is_variable and tensor.name not in made
        if isinstance(role, State) is not own_state:
            raise UnsupportedLayerError(
                f"{node.op} in layer '{node.layer}' does not have the state that Octavo knows.",
                got=f"a variable, or none, as input {i}",
                expected="variables where `octavo ops` lists them, and nowhere else",
                fix="convert the model again without a state, or cut the model before this layer",
            )
    return fits


def _not_run(node: Node, options: StoredOperator, got: str) -> UnsupportedLayerError:
    values = ", ".join(f"{name}={value}" for name, value in options.values)
    return UnsupportedLayerError(
        f"{node.op} in layer '{node.layer}'{f' ({values})' if values else ''} is no operator that LiteRT runs.",
        got=got,
        expected="operators that `octavo ops` lists, or that LiteRT has kernels for",
        fix="replace these layers in the model it was converted from, or cut the model before them",
    )


def _no_size(node: Node) -> UnsupportedLayerError:
    return UnsupportedLayerError(
        f"{node.op} in layer '{node.layer}' has no fixed shape.",
        got="a result whose size depends on values",
        expected="shapes that are known before the model runs",
        fix="replace this layer, or cut the model before it and do the rest behind it in your program",
    )


def _check_outputs(graph: Graph) -> None:
    for name in graph.outputs:
        if 0 in graph.tensors[name].shape:
            raise ModelFileError(
                f"output '{name}' holds nothing.",
                got=f"shape {graph.tensors[name].shape}",
                expected="at least one element",
                fix="say a larger input_shape, or give larger samples, if the file leaves sizes of its inputs open",
            )


def _check_shape(name: str, shape: Shape, stated: Shape, node: Node) -> None:
    """A result has the shape that the file states, where it leaves none open, and is of a size that can be held."""
    place = f"{node.op} in layer '{node.layer}' makes '{name}' of shape {shape}"
    if min(shape, default=1) < 1 or math.prod(shape) * 4 > limits().tensor_bytes:
        raise contradiction(place, f"at least one element, and at most what {raised('tensor_bytes')} allows")
    if -1 not in stated and stated != shape:
        raise contradiction(place, f"{stated}, as the file states")


def _with_absent_inputs(node: Node) -> Node:
    """A node that says of every input its row ends with that it is absent; older files end before them."""
    roles = OPS[node.op].inputs[len(node.inputs) :] if node.op in OPS else ()
    absent = roles and all(isinstance(role, Absent) for role in roles)
    return replace(node, inputs=(*node.inputs, *(None for _ in roles))) if absent else node


def _with_cast_types(node: Node, tensors: Mapping[str, Tensor]) -> Node:
    """A CAST that says from and to which type, as its tensors do; converters leave it out."""
    if node.op != "CAST" or node.inputs[0] is None:
        return node
    source, target = (tensors[name].dtype.name for name in (node.inputs[0], node.outputs[0]))
    if not {source, target} <= set(ElementType.__members__):
        return node
    return replace(node, options=CastOptions(ElementType[source], ElementType[target]))


def _evaluate(node: Node, operands: Inputs[Tensor]) -> np.ndarray | None:
    """The node's only result where it follows from shapes, or is weights widened to float32."""
    first = operands.get(0)
    if first is None or len(node.outputs) != 1:
        return None
    spec = spec_of(node.op)
    if spec.of_shapes:
        shapes = Inputs(None if tensor is None else placeholder(tensor.shape) for tensor in operands.items)
        return spec.run_float(node.options, shapes)[0]
    arrays = [tensor.data for tensor in operands.items if tensor is not None and tensor.data is not None]
    if len(arrays) < len(operands) or (first.dtype.is_float and not spec.converts):
        return None
    for shape in spec.shapes(node.options, operands):
        if math.prod(shape) * first.dtype.numpy.itemsize > limits().tensor_bytes:
            raise contradiction(f"a constant of shape {shape}", f"at most what {raised('tensor_bytes')} allows")
    return spec.run_float(node.options, Inputs(arrays))[0]


def _inferred(node: Node, operands: Inputs[Tensor]) -> tuple[Shape, ...]:
    """Shapes of the node's results by the op table.

    Raises:
        UnsupportedLayerError: if the table's rule has no answer, as for a shape known only when the model runs.
    """
    try:
        shapes = tuple(spec_of(node.op).shapes(node.options, operands))
        problem = "" if len(shapes) == len(node.outputs) else f"{len(node.outputs)} results instead of {len(shapes)}"
    except GraphError as error:
        problem = error.what
    except (AttributeError, IndexError, TypeError, ValueError, ZeroDivisionError) as error:
        problem = str(error) or type(error).__name__
    if not problem:
        return shapes
    raise _shape_error(node, operands, problem)


def _shape_error(node: Node, operands: Inputs[Tensor], problem: str) -> UnsupportedLayerError:
    inputs = ", ".join("none" if tensor is None else f"{tensor.name} {tensor.shape}" for tensor in operands.items)
    return UnsupportedLayerError(
        f"{node.op} in layer '{node.layer}' has no fixed shape.",
        got=f"inputs {inputs}: {problem}",
        expected="shapes, axes and paddings that are constants and fit the input",
        fix="convert the model again with a fixed input shape, or replace this layer",
    )


def _with_open_batch(node: Node, tensors: dict[str, Tensor], open_shape: Shape) -> Node:
    """A RESHAPE whose shape is a constant that leaves the batch open; the constant is added to `tensors`.

    Args:
        node: The RESHAPE.
        tensors: All tensors by name.
        open_shape: Shape of the result as the file states it, -1 where it leaves a dimension open.
    """
    operands = Inputs(None if name is None else tensors[name] for name in node.inputs)
    (made,) = _inferred(node, operands)
    source, operand = tensors[str(node.inputs[0])], operands.get(1)
    if Tensor("", made).size != source.size:
        raise _shape_error(node, operands, f"shape {made} wanted")
    wanted = np.array((-1, *made[1:]) if open_shape[:1] == (-1,) else batch_open(made, source.shape), np.int32)
    if (
        operand is not None
        and operand.data is not None
        and (operand.data.ravel()[:1].tolist() == [-1] or np.array_equal(operand.data, wanted))
    ):
        return node
    name = fresh_name(tensors, f"{node.outputs[0]}/shape")
    tensors[name] = Tensor(name, wanted.shape, DType.INT32, wanted, layer=node.layer)
    return replace(node, inputs=(source.name, name), options=ReshapeOptions())
