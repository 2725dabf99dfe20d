"""Graphs as text, for people to read and for tests to state.

    graph tiny
    input x: float32[1,4,4,2]
    const kernel: float32[3,1,1,2] = normal(7) @conv
    const bias: float32[3] = 0.5 -1 0 @conv
    conv = CONV_2D(x, kernel, bias) {padding=VALID, stride_h=2, stride_w=2} @conv
    relu: int8[1,2,2,3] q(0.1; -128) = RELU(conv) @relu
    output relu

A name has any characters but blanks and `,:=(){}@`. A type is `dtype[shape]`, and for an integer that stands for reals
also `q(scales; zero points)` or `q(scales; zero points; axis)`; an operator's result may leave its type out, it is then
float32 of the inferred shape. The values of a constant are one for each element, one for all, or `normal(seed)`. `_` is
an absent input. `@` names the user's layer.

An operator's state is declared by `variable name: type`, and a tensor that never has a value by
`intermediate name: type`; an operator has such tensors `via` their names: `y = OP(x, name) {options} via a, b @layer`.
"""

from __future__ import annotations

import ast
import enum
import re
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import get_type_hints

import numpy as np

from octavo.dtypes import DType
from octavo.errors import GraphError
from octavo.ir.inputs import Inputs
from octavo.ir.types import Graph, Node, NoOptions, Options, PerAxis, PerTensor, Quantization, Shape, Tensor
from octavo.ops.stored import StoredOperator
from octavo.ops.table import spec_of

INLINE_ELEMENTS = 64

_NAME = r"[^\s,:=(){}@]+"
_TYPE = r"(?P<dtype>\w+)\[(?P<shape>[\d,]*)\](?: q\((?P<parameters>[^)]*)\))?"
_LAYER = r"(?: @(?P<layer>\S+))?"
_VALUE = re.compile(rf"(?P<name>{_NAME}): {_TYPE}")
_INPUT = re.compile(rf"input (?P<value>{_NAME}: .*?){_LAYER}")
_CONSTANT = re.compile(rf"const (?P<value>{_NAME}: [^=]*) = (?P<data>.*?){_LAYER}")
_INSIDE = re.compile(rf"(?P<kind>variable|intermediate) (?P<value>{_NAME}: .*?){_LAYER}")
_NODE = re.compile(
    rf"(?P<results>\S.*?) = (?P<op>\w+)\((?P<inputs>.*?)\)(?: \{{(?P<options>.*)\}})?"
    rf"(?: via (?P<intermediates>{_NAME}(?:, {_NAME})*))?{_LAYER}"
)


def format_graph(graph: Graph) -> str:
    """Write a graph as text; constants of more than 64 elements are summed up, such text cannot be parsed."""
    lines = [f"graph {graph.name}"]
    for tensor in (graph.tensors[name] for name in graph.inputs):
        lines.append(f"input {_value_text(tensor)}{_layer_text(tensor.layer if tensor.layer != tensor.name else '')}")
    for tensor in graph.tensors.values():
        if tensor.data is not None:
            lines.append(f"const {_value_text(tensor)} = {_data_text(tensor.data)}{_layer_text(tensor.layer)}")
    inside = {name for node in graph.nodes for name in node.intermediates}
    for tensor in graph.tensors.values():
        if tensor.is_variable or tensor.name in inside:
            kind = "variable" if tensor.is_variable else "intermediate"
            lines.append(f"{kind} {_value_text(tensor)}{_layer_text(tensor.layer)}")
    for node in graph.nodes:
        made = ", ".join(_value_text(graph.tensors[name]) for name in node.outputs)
        read = ", ".join("_" if name is None else name for name in node.inputs)
        via = f" via {', '.join(node.intermediates)}" if node.intermediates else ""
        lines.append(f"{made} = {node.op}({read}){_options_text(node.options)}{via}{_layer_text(node.layer)}")
    return "\n".join([*lines, f"output {', '.join(graph.outputs)}", ""])


def parse_graph(text: str) -> Graph:
    """Read a graph from text. Blank lines and lines that begin with `#` say nothing.

    Raises:
        GraphError: naming the line that cannot be understood.
    """
    reader = _Reader()
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        try:
            if line and not line.startswith("#"):
                reader.read(line)
        except (ValueError, KeyError, IndexError, SyntaxError) as error:
            raise GraphError(
                f"line {number} of a graph's text cannot be understood.",
                got=f"{line!r} ({error})",
                expected="a line as octavo.ops.text describes it",
                fix="compare the line with what format_graph writes",
            ) from error
    return Graph(reader.name, reader.tensors, tuple(reader.nodes), tuple(reader.inputs), tuple(reader.outputs))


class _Reader:
    """The graph read so far."""

    def __init__(self) -> None:
        self.name = ""
        self.tensors: dict[str, Tensor] = {}
        self.nodes: list[Node] = []
        self.inputs: list[str] = []
        self.outputs: list[str] = []

    def read(self, line: str) -> None:
        """Take one line in."""
        keyword, _, rest = line.partition(" ")
        if keyword == "graph":
            self.name = rest
        elif keyword == "output":
            self.outputs += rest.split(", ")
        elif keyword == "input":
            match = _matched(_INPUT, line)
            tensor = _parse_value(match["value"], match["layer"] or match["value"].partition(":")[0])
            self.inputs.append(self._add(tensor))
        elif keyword == "const":
            match = _matched(_CONSTANT, line)
            tensor = _parse_value(match["value"], match["layer"] or "")
            data = _parse_data(match["data"], tensor.shape, tensor.dtype)
            self._add(Tensor(tensor.name, tensor.shape, tensor.dtype, data, tensor.quantization, tensor.layer))
        elif keyword in ("variable", "intermediate"):
            match = _matched(_INSIDE, line)
            tensor = _parse_value(match["value"], match["layer"] or "")
            self._add(replace(tensor, is_variable=keyword == "variable"))
        else:
            self._read_node(_matched(_NODE, line))

    def _read_node(self, match: re.Match[str]) -> None:
        spec, layer = spec_of(match["op"]), match["layer"] or ""
        options = _parse_options(spec.options, match["options"] or "")
        inputs = tuple(None if name == "_" else name for name in match["inputs"].split(", "))
        operands = Inputs(None if name is None else self.tensors[name] for name in inputs)
        results = re.findall(rf"{_NAME}(?:: [^=]*?\](?: q\([^)]*\))?)?(?=, |$)", match["results"])
        shapes = (
            spec.shapes(options, operands) if any(": " not in result for result in results) else [()] * len(results)
        )
        names = tuple(
            self._add(_parse_value(result, layer) if ": " in result else Tensor(result, shape, layer=layer))
            for result, shape in zip(results, shapes, strict=True)
        )
        intermediates = tuple(match["intermediates"].split(", ")) if match["intermediates"] else ()
        self.nodes.append(Node(match["op"], inputs, names, options, layer, intermediates))

    def _add(self, tensor: Tensor) -> str:
        self.tensors[tensor.name] = tensor
        return tensor.name


def _matched(pattern: re.Pattern[str], text: str) -> re.Match[str]:
    match = pattern.fullmatch(text)
    if match is None:
        raise ValueError(f"does not match {pattern.pattern}")
    return match


def _parse_value(text: str, layer: str) -> Tensor:
    match = _matched(_VALUE, text)
    shape = tuple(int(size) for size in match["shape"].split(",") if size)
    return Tensor(match["name"], shape, DType(match["dtype"]), None, _parse_parameters(match["parameters"]), layer)


def _parse_parameters(text: str | None) -> Quantization | None:
    if text is None:
        return None
    scales, zero_points, *axis = text.split("; ")
    granularity = PerAxis(int(axis[0])) if axis else PerTensor()
    return Quantization(np.array(scales.split(), np.float32), np.array(zero_points.split(), np.int64), granularity)


def _parse_data(text: str, shape: Shape, dtype: DType) -> np.ndarray:
    seed = re.fullmatch(r"normal\((\d+)\)", text)
    if seed:
        return np.random.default_rng(int(seed[1])).normal(size=shape).astype(dtype.numpy)
    words = text.split()
    values = np.array([word == "True" for word in words] if dtype is DType.BOOL else words, dtype.numpy)
    return np.full(shape, values[0]) if values.size == 1 else values.reshape(shape)


def _parse_options(kind: type[Options], text: str) -> Options:
    hints = get_type_hints(kind)
    values = {}
    for part in re.findall(r"\w+=(?:\([^)]*\)|[^,]+)", text):
        name, _, value = part.partition("=")
        hint = hints[name]
        is_enum = isinstance(hint, type) and issubclass(hint, enum.Enum)
        values[name] = hint[value] if is_enum else ast.literal_eval(value)
    return kind(**values)


def _value_text(tensor: Tensor) -> str:
    text = f"{tensor.name}: {tensor.dtype.value}[{','.join(map(str, tensor.shape))}]"
    if tensor.quantization is None:
        return text
    granularity = tensor.quantization.granularity
    parts = [_numbers(tensor.quantization.scale), _numbers(tensor.quantization.zero_point)]
    parts += [str(granularity.axis)] if isinstance(granularity, PerAxis) else []
    return f"{text} q({'; '.join(parts)})"


def _data_text(data: np.ndarray) -> str:
    if data.size and (data == data.flat[0]).all():
        return str(data.flat[0])
    return _numbers(data.ravel()) if data.size <= INLINE_ELEMENTS else f"({data.min()} .. {data.max()})"


def _numbers(values: Sequence[np.generic] | np.ndarray) -> str:
    return " ".join(str(value) for value in values)


def unusual_options(options: Options) -> dict[str, str]:
    """An operator's options that do not have their usual value, as text by name."""
    if isinstance(options, NoOptions):
        return {}
    if isinstance(options, StoredOperator):
        return {name: _option(value) for name, value in options.values}
    default = type(options)()
    return {
        field.name: _option(getattr(options, field.name))
        for field in fields(options)  # type: ignore[arg-type]
        if getattr(options, field.name) != getattr(default, field.name)
    }


def _options_text(options: Options) -> str:
    told = ", ".join(f"{name}={value}" for name, value in unusual_options(options).items())
    return f" {{{told}}}" if told else ""


def _option(value: object) -> str:
    return value.name if isinstance(value, enum.Enum) else repr(value)


def _layer_text(layer: str) -> str:
    return f" @{layer}" if layer else ""
