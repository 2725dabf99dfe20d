"""What the C kernels cost: code, stack and instructions by operator, measured on emulated cores, kept as package data.

`octavo fit` estimates with these figures. Instructions of an operator are taken as linear in its work
(`octavo.board.work`); the weights are those, none below 0, with the least relative error over some shapes.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType

import numpy as np
from scipy.optimize import nnls

from octavo.board.costs import width_named
from octavo.board.emulator import Image
from octavo.board.work import work
from octavo.config import QuantizeConfig
from octavo.dtypes import DType
from octavo.errors import OctavoError
from octavo.export import golden_vector
from octavo.footprint.generated import CALL_BYTES, INVOKE_BYTES
from octavo.ir.types import Graph, Options
from octavo.ops.build import GraphBuilder
from octavo.ops.conv_kernels import Conv2DOptions, DepthwiseConv2DOptions, TransposeConvOptions
from octavo.ops.dense import FullyConnectedOptions
from octavo.ops.fused import FusedActivation
from octavo.ops.table import OPS
from octavo.ops.window import Padding
from octavo.plan.make import make_plan
from octavo.quantization.assign import assign
from octavo.write.c.model import write_c
from octavo.write.c.table import LOWERINGS, lower

CORES = ("cortex-m0", "cortex-m3", "cortex-m4", "cortex-m55")
# Bits of activations, of schemes whose instructions are measured.
WIDTHS: Mapping[str, int] = MappingProxyType({"int8": 8, "int16x8": 16})
NAME = "costs"
INVOKE = f"{NAME}_invoke"
TICK = 40.0  # instructions that the emulated clock cannot tell apart


@dataclass(frozen=True, slots=True)
class Case:
    """An operator on operands of some shapes; arrays are constants.

    Attributes:
        fast: Whether weights are held wider, for speed.
    """

    op: str
    operands: tuple[tuple[int, ...] | np.ndarray | None, ...]
    options: Options
    scheme: str = "int8"
    fast: bool = False

    @property
    def is_usual(self) -> bool:
        """Whether its instructions count among those of its operator; of others the code is measured alone."""
        return self.scheme in WIDTHS and not self.fast

    @property
    def name(self) -> str:
        """Of its operator's instructions."""
        return width_named(self.op, WIDTHS[self.scheme])


def normal(*shape: int) -> np.ndarray:
    """Random weights."""
    return np.random.default_rng(7).normal(size=shape).astype(np.float32)


def cases() -> Iterator[Case]:
    """Shapes of every operator that has a C kernel, in eight bits and in sixteen."""
    for case in cases_of_eight_bits():
        yield case
        if case.scheme == "int8" and not case.fast and case.op in LOWERINGS[DType.INT16]:
            yield replace(case, scheme="int16x8")


def cases_of_eight_bits() -> Iterator[Case]:
    """Shapes of every operator: written out for those that take most of the time."""
    same, two = Conv2DOptions(Padding.SAME), Conv2DOptions(Padding.SAME, 2, 2)
    relu = replace(same, fused_activation_function=FusedActivation.RELU)
    for size, inner, out, taps, options in [
        (8, 16, 16, 3, same), (8, 16, 32, 3, two), (10, 8, 16, 3, relu), (12, 3, 16, 3, same), (12, 1, 8, 3, relu),
        (14, 3, 8, 3, two), (8, 16, 32, 1, same), (6, 32, 16, 1, relu), (10, 8, 8, 1, same), (8, 16, 32, 1, two),
        (4, 32, 32, 3, same), (9, 6, 10, 3, same), (12, 4, 24, 5, two), (6, 64, 64, 1, same), (14, 1, 64, 7, two),
        (5, 64, 32, 3, two), (7, 128, 16, 1, same),
    ]:  # fmt: skip
        yield Case("CONV_2D", ((1, size, size, inner), normal(out, taps, taps, inner), normal(out)), options)
    for size, channels, taps, stride in [
        (12, 8, 3, 1),
        (12, 16, 3, 1),
        (8, 32, 3, 2),
        (14, 4, 3, 2),
        (10, 16, 5, 1),
        (8, 64, 3, 1),
        (5, 64, 3, 1),
        (9, 6, 3, 1),
    ]:
        operands = ((1, size, size, channels), normal(1, taps, taps, channels), normal(channels))
        yield Case(
            "DEPTHWISE_CONV_2D", operands, DepthwiseConv2DOptions(Padding.SAME, stride, stride, depth_multiplier=1)
        )
    for height, width, channels, stride in [
        (25, 5, 16, 1),
        (3, 3, 64, 1),
        (6, 6, 48, 2),
        (24, 24, 8, 1),
        (30, 20, 8, 2),
    ]:
        operands = ((1, height, width, channels), normal(1, 3, 3, channels), normal(channels))
        yield Case("DEPTHWISE_CONV_2D", operands, DepthwiseConv2DOptions(Padding.SAME, stride, stride, 1))
    for length, channels, taps, stride in [
        (30, 40, 3, 1),
        (24, 32, 5, 1),
        (40, 16, 10, 1),
        (30, 8, 7, 2),
        (20, 32, 15, 1),
    ]:
        operands = ((1, 1, length, channels), normal(1, 1, taps, channels), normal(channels))
        yield Case("DEPTHWISE_CONV_2D", operands, DepthwiseConv2DOptions(Padding.SAME, stride, 1, depth_multiplier=1))
    for rows, inner, out in [(1, 64, 10), (1, 128, 64), (1, 256, 12), (1, 512, 32), (1, 100, 24), (8, 64, 16)]:
        yield Case("FULLY_CONNECTED", ((rows, inner), normal(out, inner), normal(out)), FullyConnectedOptions())
    for size, inner, out in [(4, 8, 8), (6, 4, 8), (8, 8, 4)]:
        shape = np.array([1, 2 * size, 2 * size, out], np.int32)
        options = TransposeConvOptions(Padding.SAME, 2, 2)
        yield Case("TRANSPOSE_CONV", (shape, normal(out, 3, 3, inner), (1, size, size, inner)), options)
    for channels in (6, 48):
        shape = np.array([1, 4, channels], np.int32)
        yield Case("BROADCAST_TO", ((1, 1, channels), shape), OPS["BROADCAST_TO"].options())
        yield Case("PRELU", ((1, 4, 4, channels), normal(1, 1, channels)), OPS["PRELU"].options())
    for depth in (6, 24):
        yield Case("BATCH_MATMUL", ((1, 4, depth), (1, depth, 5)), OPS["BATCH_MATMUL"].options())
        chosen = np.arange(4 * depth).reshape(1, 4, depth) % 3 == 0
        yield Case("SELECT_V2", (chosen, (1, 4, depth), (1, 4, depth)), OPS["SELECT_V2"].options())
    for variant in ({"scheme": "int8x4"}, {"fast": True}):
        yield Case("CONV_2D", ((1, 8, 8, 16), normal(16, 3, 3, 16), normal(16)), same, **variant)
        yield Case("FULLY_CONNECTED", ((1, 64), normal(10, 64), normal(10)), FullyConnectedOptions(), **variant)
    operands = ((1, 8, 8, 16), normal(1, 3, 3, 16), normal(16))
    yield Case("DEPTHWISE_CONV_2D", operands, DepthwiseConv2DOptions(Padding.SAME, depth_multiplier=1), scheme="int8x4")
    written_out = {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV", "BROADCAST_TO", "PRELU"}
    written_out |= {"BATCH_MATMUL", "SELECT_V2"}
    # Of several results, of a memory, and of what has no example.
    left_out = {"SPLIT", "SPLIT_V", "UNPACK", "UNIDIRECTIONAL_SEQUENCE_LSTM", "QUANTIZE"}
    for op in sorted(LOWERINGS[DType.INT8].keys() - written_out - left_out):
        yield from enlarged(op)


def enlarged(op: str) -> Iterator[Case]:
    """An example of an operator's row with more channels: the last dimension of all data."""
    example = OPS[op].examples[0]
    for times in (2, 16):
        shapes = [None if shape is None else (*shape[:-1], shape[-1] * times) for shape in example.shapes]
        operands = tuple(example.constants.get(i) if shape is None else shape for i, shape in enumerate(shapes))
        yield Case(op, operands, example.options)


def graph_of(parts: Sequence[Case]) -> Graph:
    """Operators beside each other as an int8 graph."""
    b = GraphBuilder(NAME)
    outputs = []
    for i, case in enumerate(parts):
        b.layer = f"l{i}"
        names = [
            None
            if each is None
            else b.constant(each, f"c{j}")
            if isinstance(each, np.ndarray)
            else b.input(f"x{i}_{j}", each)
            for j, each in enumerate(case.operands)
        ]
        outputs.append(b.emit(case.op, names, case.options))
    floats = b.finish(tuple(outputs))
    plan = make_plan(floats, QuantizeConfig(scheme=parts[0].scheme))
    return assign(floats, plan, {name: (-1.0, 1.5) for name in plan.observed if not floats.tensors[name].is_constant})


def built(graph: Graph, folder: Path, core: str, *, fast: bool = False) -> tuple[Image, dict[str, int]]:
    """A graph linked for a core, and bytes of its functions and library by name, without the model's constants."""
    model = write_c(graph, NAME, golden_vector(graph, 0), "none", fast=fast)
    for file, text in model.files.items():
        (folder / file).write_text(text)
    ports = [[graph.tensors[name].bytes for name in names] for names in (graph.inputs, graph.outputs)]
    image = Image(folder, NAME, ports[0], ports[1], core, ("-fstack-usage",))
    told = subprocess.run(
        ["arm-none-eabi-nm", "-S", str(image.path)], check=True, capture_output=True, text=True
    ).stdout
    found = [words for words in map(str.split, told.splitlines()) if len(words) == 4 and words[2] in "TtWw"]
    sizes = {name: int(size, 16) for _, size, _, name in found}
    # The linker script puts constants among the code; those of the model begin with its name.
    return image, {name: size for name, size in sizes.items() if name == INVOKE or not name.startswith(f"{NAME}_")}


def stack_bytes(folder: Path) -> int:
    """All frames of the model's functions together: no path through them is deeper."""
    lines = [line for file in folder.glob(f"*-{NAME}.su") for line in file.read_text().splitlines()]
    return sum(int(line.split("\t")[1]) for line in lines)


def measure_code(core: str) -> tuple[float, dict[str, list[float]]]:
    """Bytes of a program without kernels, and what each set of functions adds to it."""
    code: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shape = np.array([1, 8], np.int32)
        empty = graph_of([Case("RESHAPE", ((1, 8), shape), OPS["RESHAPE"].options())])
        image, known = built(empty, folder, core)
        program = float(image.size().flash - known[INVOKE])
        for case in cases():
            graph = graph_of([case])
            key = "+".join(called(graph, fast=case.fast))
            if key and key not in code:
                programs = [
                    (built(graph_of([case] * calls), folder, core, fast=case.fast)[1], calls) for calls in (1, 2)
                ]
                sizes = [added(symbols, known, calls) for symbols, calls in programs]
                code[key] = [*sizes, float(stack_bytes(folder))]
        return program, code


def added(symbols: Mapping[str, int], known: Mapping[str, int], calls: int) -> float:
    """Bytes of what a program with so many calls has beyond the empty one, and beyond the calls themselves."""
    new = sum(size for name, size in symbols.items() if name not in known)
    return float(max(0, new + symbols[INVOKE] - INVOKE_BYTES - calls * CALL_BYTES))


def measure(core: str, tell: Callable[[str], None] = print) -> dict[str, dict[str, list[float]]]:
    """Code and stack of functions, instructions of operators, and bytes of a program without kernels, on a core."""
    program, code = measure_code(core)
    counted: dict[str, list[tuple[tuple[float, ...], float]]] = {}
    with tempfile.TemporaryDirectory() as name:
        for case in filter(lambda case: case.is_usual, cases()):
            try:
                # Twice, as the compiler makes kernels that are called once for that call alone.
                graph = graph_of([case, case])
                inputs = sum(graph.tensors[name].bytes for name in graph.inputs)
                vectors = np.random.default_rng(0).integers(-128, 128, (2, inputs)).astype(np.int8)
                ran = built(graph, Path(name), core)[0].run(vectors)
            except OctavoError as error:
                tell(f"{core}: {case.name} is left out: {error.what} {error.got}")
                continue
            count = (work(graph, graph.nodes[0]).vector(), max(TICK, float(ran.instructions.mean()) / 2))
            counted.setdefault(case.name, []).append(count)
    instructions = {op: weights(rows) for op, rows in counted.items()}
    return {"code": code, "instructions": instructions, "program": {"bytes": [program]}}


def called(graph: Graph, *, fast: bool = False) -> list[str]:
    """The kernels that a graph calls."""
    calls = [lower(graph, node, NAME, fast=fast) for node in graph.nodes]
    return sorted(
        {name for call in calls for text in call.statements for name in re.findall(r"\b(octavo_\w+)\(", text)}
    )


def weights(rows: Sequence[tuple[tuple[float, ...], float]]) -> list[float]:
    """Non-negative weights of the counts with the least relative error."""
    vectors = np.array([vector for vector, _ in rows]) / np.array([[count] for _, count in rows])
    found, _ = nnls(vectors, np.ones(len(rows)))
    return [float(f"{value:.4g}") for value in found]


def write(path: Path | None = None, core: str = "") -> Path:
    """Measure all cores and write the package data; or one core, and keep what is known of the others."""
    path = path or Path(str(files("octavo") / "board" / "kernel_costs.toml"))
    known = tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    found = {each: measure(each) if core in ("", each) else known[each] for each in CORES}
    path.write_text(as_toml(found), encoding="utf-8")
    return path


def as_toml(found: Mapping[str, Mapping[str, Mapping[str, Sequence[float]]]]) -> str:
    """The content of the data file."""
    lines = [
        "# What the C kernels cost on emulated cores, arm-none-eabi-gcc -O2. Written by `python -m bench costs`.",
        "# code: [bytes if called once, bytes, stack bytes] of functions; instructions of operators: of each count of",
        "# octavo.board.work.Work and for the call; program: bytes of start-up code and main, for all models.",
    ]
    for core, kinds in found.items():
        for kind, table in kinds.items():
            lines.append(f"\n[{core}.{kind}]")
            lines += [f'"{key}" = {list(values)}' for key, values in sorted(table.items())]
    return "\n".join(lines) + "\n"
