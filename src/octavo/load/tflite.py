"""A float .tflite file, whoever wrote it -> float graph.

Converters leave behind what a graph of fixed shapes does not need: shapes computed from shapes, and half-precision
weights with an operator that widens them. Both become constants here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path

import numpy as np

from octavo.dtypes import DType
from octavo.errors import GraphError, ModelFileError, UnsupportedLayerError
from octavo.ir.check import check_structure
from octavo.ir.graph import drop_dead, drop_unused, fresh_name, operands
from octavo.ir.inputs import Inputs
from octavo.ir.notes import Note
from octavo.ir.types import Graph, Node, Shape, Tensor
from octavo.limits import limits, raised
from octavo.load.flatbuffer import FileContent, RawOptions, read_content, read_tflite
from octavo.load.loaded import Loaded
from octavo.load.paths import model_bytes
from octavo.load.structure import contradiction
from octavo.ops.cast import CastOptions, ElementType
from octavo.ops.roles import Absent, State
from octavo.ops.shape import ReshapeOptions, batch_open, placeholder
from octavo.ops.table import OPS, spec_of
from octavo.run.signature import signature_names

__all__ = ["load_tflite", "read_tflite"]


def load_tflite(source: str | PathLike[str] | bytes, signature: str | None = None) -> Loaded:
    """Read a float .tflite file as a graph the library can work on.

    Args:
        source: The file's path or bytes.
        signature: Name of the signature to read, of a file that has several.

    Raises:
        ModelFileError: if it is missing, not a .tflite file, malformed, quantized, or has inputs of a fixed batch or
            open size, or several signatures of which none is chosen.
        UnsupportedLayerError: if an operator is not in the op table, or not with these options.
    """
    content = source if isinstance(source, bytes) else model_bytes(Path(source))
    file = read_content(content, signature)
    if signature is None:
        _check_one_signature(signature_names(content))
    _check_inputs({name: file.open_shapes[name] for name in file.graph.inputs})
    _check_float(file.graph)
    halves = tuple(name for name, tensor in file.graph.tensors.items() if tensor.dtype is DType.FLOAT16)
    graph = drop_dead(_settled(file))
    _check_operators(graph)
    return Loaded(graph, _notes(graph.name, halves))


def _check_one_signature(names: Sequence[str]) -> None:
    if len(names) > 1:
        raise ModelFileError(
            "this TensorFlow Lite model does not say which signature to read.",
            got=f"signatures {', '.join(map(repr, names))}",
            expected="one signature, as each is a model of its own",
            fix=f"say which: signature='{names[0]}'; or convert it again with signature_keys=['{names[0]}'] alone",
        )


def _settled(file: FileContent) -> Graph:
    """The graph as `_settle` makes it, checked.

    Raises:
        ModelFileError: if the file's constants do not fit its operators.
    """
    try:
        graph = _settle(file)
        check_structure(graph)
        return graph
    except GraphError as error:
        raise contradiction(f"{error.what} ({error.got})", error.expected) from error
    except (AssertionError, AttributeError, IndexError, KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise contradiction(
            f"constants that fit no operator ({error})", "constants of the shapes operators take"
        ) from error
    except (MemoryError, OverflowError) as error:
        raise contradiction("constants too large to compute", "constants that fit into memory") from error


def _check_inputs(shapes: dict[str, Shape]) -> None:
    for name, shape in shapes.items():
        if shape[:1] in ((1,), (-1,)) and -1 not in shape[1:]:
            continue
        raise ModelFileError(
            f"input '{name}' does not have a shape that Octavo can work with.",
            got=f"shape {shape}, where -1 is open",
            expected="a batch of 1 or an open one, and all other dimensions fixed",
            fix="convert the model again with a fixed input shape and batch 1",
        )


def _check_float(graph: Graph) -> None:
    for tensor in graph.tensors.values():
        if tensor.quantization is not None:
            raise ModelFileError(
                f"model '{graph.name}' is quantized already.",
                got=f"tensor '{tensor.name}' of type {tensor.dtype.value} with a scale",
                expected="a model of float32 weights and activations",
                fix="give the float model that this one was made from; `octavo inspect` shows what is in this file",
            )


def _check_operators(graph: Graph) -> None:
    problems = [
        f"{node.op} in layer '{node.layer}'{_raw_text(node)}"
        for node in graph.nodes
        if node.op not in OPS or isinstance(node.options, RawOptions)
    ]
    problems += [problem for node in graph.nodes if node.op in OPS for problem in _role_problems(graph, node)]
    if problems:
        raise UnsupportedLayerError(
            f"model '{graph.name}' has operators that Octavo does not know.",
            got="; ".join(problems),
            expected="operators that `octavo ops` lists, with the options it gives them",
            fix="replace these layers in the model it was converted from, or cut the model before them",
        )


def _role_problems(graph: Graph, node: Node) -> list[str]:
    """Inputs that are not what the operator's row knows."""
    found, spec = [], spec_of(node.op)
    for i, tensor in enumerate(operands(graph, node).items):
        role = spec.role(i) if spec.variadic or i < len(spec.inputs) else Absent()
        if tensor is not None and isinstance(role, Absent):
            found.append(f"{node.op} in layer '{node.layer}' (input {i})")
        if isinstance(role, State) is not (tensor is not None and tensor.is_variable):
            found.append(f"{node.op} in layer '{node.layer}' (a variable, or none, as input {i})")
    return found


def _raw_text(node: Node) -> str:
    values = node.options.values if isinstance(node.options, RawOptions) else ()
    return f" ({', '.join(f'{name}={value}' for name, value in values)})" if values else ""


def _notes(model: str, halves: Sequence[str]) -> tuple[Note, ...]:
    if not halves:
        return ()
    return (Note("load", model, f"{len(halves)} half-precision weights became float32."),)


def _settle(file: FileContent) -> Graph:
    """The graph with what shapes and half-precision weights determine as constants, and all shapes by the op table."""
    graph, nodes = file.graph, []
    tensors = dict(graph.tensors)
    for node in graph.nodes:
        if node.op == "RESHAPE" and not isinstance(node.options, RawOptions):
            node = _with_open_batch(node, tensors, file.open_shapes[node.outputs[0]])
        node = _with_cast_types(_with_absent_inputs(node), tensors)
        operands = Inputs(None if name is None else tensors[name] for name in node.inputs)
        array = _evaluate(node, operands)
        if array is not None:
            result = tensors[node.outputs[0]]
            data = array.astype(result.dtype.numpy)
            tensors[result.name] = replace(result, shape=data.shape, data=data)
        elif node.op in OPS and not isinstance(node.options, RawOptions):
            shapes = _inferred(node, operands)
            made = tuple(zip(node.outputs, shapes, strict=True))
            for name, shape in made:
                _check_shape(name, shape, file.open_shapes[name], node)
            tensors.update({name: replace(tensors[name], shape=shape) for name, shape in made})
            nodes.append(node)
        else:
            nodes.append(node)
    return drop_unused(replace(graph, tensors=tensors, nodes=tuple(nodes)))


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
    if node.op not in OPS or isinstance(node.options, RawOptions):
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
