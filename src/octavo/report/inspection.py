"""What is in a model file: operators, tensors, parameters, sizes."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from octavo.errors import ModelFileError
from octavo.evaluate.memory import live_bytes, memory, stored_bytes
from octavo.ir.inputs import Inputs
from octavo.ir.types import Graph, Node, PerAxis, Quantization, Shape, Tensor
from octavo.load.paths import model_bytes
from octavo.load.tflite import read_tflite
from octavo.ops.table import spec_of
from octavo.ops.text import unusual_options
from octavo.report.tables import TextTable, number
from octavo.run.signature import signature_names


@dataclass(frozen=True, slots=True)
class TensorLine:
    """One tensor of a file.

    Attributes:
        name, shape, dtype: As in the file.
        bytes: Size of a constant's data, 0 for activations.
        scale: Smallest and largest scale; equal for one scale, None where the tensor is not quantized.
        zero_point: Zero point of the first channel, None where the tensor is not quantized.
        axis: Dimension the scales run along, None for one scale.
    """

    name: str
    shape: Shape
    dtype: str
    bytes: int
    scale: tuple[float, float] | None
    zero_point: int | None
    axis: int | None


@dataclass(frozen=True, slots=True)
class OperatorLine:
    """One operator call of a file.

    Attributes:
        op: TensorFlow Lite name.
        output: Its first output.
        constant_bytes: Size of the constants it reads.
        constants: Their types, without those of shapes and the like.
        options: Those that do not have their usual value, as text by name.
        products: Multiply-accumulates of a call.
        live_bytes: Size of all activations and states that are needed while it runs, its inputs and results included.
    """

    op: str
    output: TensorLine
    constant_bytes: int
    constants: tuple[str, ...]
    options: dict[str, str]
    products: int
    live_bytes: int


@dataclass(frozen=True, slots=True)
class Inspection:
    """What is in a model file.

    Attributes:
        name: The model's name.
        file_bytes: Size of the file.
        constant_bytes: Size of all constants in it.
        inputs, outputs: Of the model.
        operators: In execution order.
        tensors: All of them.
        arena_bytes: TensorFlow Lite Micro's arena, None where it does not run the file or is not there.
        arena_reason: Why not, else "".
        signatures: Names of the file's signatures, that of what is shown first.
    """

    name: str
    file_bytes: int
    constant_bytes: int
    inputs: tuple[TensorLine, ...]
    outputs: tuple[TensorLine, ...]
    operators: tuple[OperatorLine, ...]
    tensors: tuple[TensorLine, ...]
    arena_bytes: int | None
    arena_reason: str
    signatures: tuple[str, ...] = ()

    @property
    def products(self) -> int:
        """Multiply-accumulates of an inference."""
        return sum(line.products for line in self.operators)

    @property
    def most_live(self) -> OperatorLine | None:
        """The operator that most bytes are needed for, None where there is no operator."""
        return max(self.operators, key=lambda line: line.live_bytes, default=None)

    @property
    def counts(self) -> dict[str, int]:
        """How often each operator stands in the file, most frequent first."""
        return dict(Counter(line.op for line in self.operators).most_common())

    @property
    def float_operators(self) -> tuple[OperatorLine, ...]:
        """Operators whose result is float."""
        return tuple(line for line in self.operators if line.output.dtype.startswith("float"))

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return {**asdict(self), "counts": self.counts, "products": self.products}


def inspect_file(path: Path, signature: str | None = None) -> Inspection:
    """Look into a .tflite file on disk.

    Args:
        path: The file.
        signature: Name of the signature to look at, of a file that has several; None takes the first.

    Raises:
        ModelFileError: if it is missing, cannot be read, or is not a .tflite file, or for an unknown signature.
    """
    model = model_bytes(path)
    try:
        found = inspect(model, read_tflite(model, signature))
        return replace(found, signatures=tuple(sorted(signature_names(model), key=lambda name: name != signature)))
    except ModelFileError as error:
        raise ModelFileError(
            f"'{path}': {error.what}", got=error.got, expected=error.expected, fix=error.fix
        ) from error


def inspect(model: bytes, graph: Graph) -> Inspection:
    """Look into a model file.

    Args:
        model: Its bytes.
        graph: The graph read from them.
    """
    lines, used = {name: _tensor_line(tensor) for name, tensor in graph.tensors.items()}, memory(model)
    operators = zip(graph.nodes, live_bytes(graph), strict=True)
    return Inspection(
        name=graph.name,
        file_bytes=len(model),
        constant_bytes=sum(line.bytes for line in lines.values()),
        inputs=tuple(lines[name] for name in graph.inputs),
        outputs=tuple(lines[name] for name in graph.outputs),
        operators=tuple(_operator_line(graph, node, lines, live) for node, live in operators),
        tensors=tuple(lines.values()),
        arena_bytes=used.arena_bytes,
        arena_reason=used.arena_reason,
    )


def operator_table(inspection: Inspection) -> TextTable:
    """One row an operator, in execution order."""
    rows = tuple(
        (
            line.op,
            line.output.name,
            _shape(line.output.shape),
            line.output.dtype,
            number(line.products) if line.products else "",
            number(line.live_bytes),
            number(line.constant_bytes) if line.constant_bytes else "",
            _parameters(line.output),
            ", ".join(line.constants),
            _options(line.options),
        )
        for line in inspection.operators
    )
    names = "operator", "output", "shape", "type", "MACs", "RAM", "flash", "scale, zero point", "constants", "options"
    note = (
        "MACs: multiply-accumulates; RAM: bytes of the activations that are needed while the operator runs; flash: "
        "bytes of its constants."
    )
    return TextTable("Operators", names, rows, frozenset({4, 5, 6}), note)


def tensor_table(inspection: Inspection) -> TextTable:
    """One row a tensor."""
    rows = tuple(
        (line.name, _shape(line.shape), line.dtype, _parameters(line), number(line.bytes) if line.bytes else "")
        for line in inspection.tensors
    )
    return TextTable("Tensors", ("tensor", "shape", "type", "scale, zero point", "bytes"), rows, frozenset({4}))


def summary(inspection: Inspection) -> list[str]:
    """A few sentences on the whole file."""
    integer = len(inspection.operators) - len(inspection.float_operators)
    ports = [
        f"{side}: "
        + ", ".join(f"{line.name} {_shape(line.shape)} {line.dtype} {_parameters(line)}".rstrip() for line in lines)
        for side, lines in (("in", inspection.inputs), ("out", inspection.outputs))
    ]
    counts = ", ".join(f"{count} {op}" for op, count in inspection.counts.items())
    shown, *others = inspection.signatures or ("",)
    several = [f"signature '{shown}'; --signature shows {' or '.join(map(repr, others))}"] if others else []
    size, constants = number(inspection.file_bytes), number(inspection.constant_bytes)
    return [
        f"'{inspection.name}': {size} bytes, {constants} of them constants",
        *several,
        *ports,
        f"{len(inspection.operators)} operators, {integer} with integer results: {counts}",
        f"{number(inspection.products)} multiply-accumulates; {_room(inspection)}",
    ]


def _room(inspection: Inspection) -> str:
    """What the model needs of RAM, in words."""
    most, arena = inspection.most_live, inspection.arena_bytes
    peak = (
        f"at most {number(most.live_bytes)} bytes of activations, in {most.op} of '{most.output.name}'" if most else ""
    )
    told = (
        f"{number(arena)} bytes of arena in TensorFlow Lite Micro" if arena else f"no arena: {inspection.arena_reason}"
    )
    return "; ".join(filter(None, (peak, told)))


def _tensor_line(tensor: Tensor) -> TensorLine:
    stored = 0 if tensor.data is None else stored_bytes(tensor)
    quantization = tensor.quantization
    if quantization is None:
        return TensorLine(tensor.name, tensor.shape, tensor.dtype.value, stored, None, None, None)
    return TensorLine(
        tensor.name,
        tensor.shape,
        tensor.dtype.value,
        stored,
        (float(quantization.scale.min()), float(quantization.scale.max())),
        int(quantization.zero_point[0]),
        _axis(quantization),
    )


def _axis(quantization: Quantization) -> int | None:
    return quantization.granularity.axis if isinstance(quantization.granularity, PerAxis) else None


def _operator_line(graph: Graph, node: Node, lines: dict[str, TensorLine], live: int) -> OperatorLine:
    constants = [lines[name] for name in node.inputs if name is not None and lines[name].bytes]
    kinds = tuple(line.dtype + ("" if line.axis is None else " per axis") for line in constants)
    size = sum(line.bytes for line in constants)
    inputs = Inputs(None if name is None else graph.tensors[name] for name in node.inputs)
    outputs = [graph.tensors[name] for name in node.outputs]
    products = spec_of(node.op).products(node.options, inputs, outputs)
    return OperatorLine(node.op, lines[node.outputs[0]], size, kinds, unusual_options(node.options), products, live)


def _options(options: dict[str, str]) -> str:
    """As text; what has a name of its own, RELU or VALID, needs not its option's."""
    return ", ".join(value if value.isupper() else f"{name}={value}" for name, value in options.items())


def _shape(shape: Shape) -> str:
    return "x".join(map(str, shape)) or "scalar"


def _parameters(line: TensorLine) -> str:
    """Scale and zero point as text, "" where there are none."""
    if line.scale is None:
        return ""
    low, high = line.scale
    return f"{low:.4g}, {line.zero_point}" if line.axis is None else f"{low:.4g} .. {high:.4g} along axis {line.axis}"
