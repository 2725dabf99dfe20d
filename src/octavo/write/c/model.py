"""NAME.h and NAME.c: a model's constants and calls, behind the kernels that it uses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources

from octavo.ir.graph import operands
from octavo.ir.types import Graph, Tensor
from octavo.version import VERSION
from octavo.write.c.call import Call
from octavo.write.c.fit import fitted
from octavo.write.c.header import header
from octavo.write.c.invoke import invoke
from octavo.write.c.layout import Layout
from octavo.write.c.order import ordered
from octavo.write.c.ports import c_type, constant_name, ports
from octavo.write.c.row_order import RowOrder
from octavo.write.c.self_test import GoldenVector, self_test
from octavo.write.c.table import data_operands, lower
from octavo.write.c.text import array


@dataclass(frozen=True, slots=True)
class CModel:
    """A model in C.

    Attributes:
        name: Prefix of everything it defines.
        files: Content by file name.
        arena_bytes: Memory that the caller lends it for the time of a call.
        lower_bound_bytes: No plan of its tensors and scratch needs less.
        order: Of the part that runs row by row, None if there is none.
        kernels: Files of the package that are part of it, without ending, each behind those that it builds upon.
    """

    name: str
    files: Mapping[str, str]
    arena_bytes: int
    lower_bound_bytes: int
    order: RowOrder | None
    kernels: tuple[str, ...] = ()


def write_c(
    graph: Graph,
    name: str,
    golden: GoldenVector,
    digest: str,
    ram_bytes: int | None = None,
    *,
    stream: bool = False,
    fast: bool = False,
    cmsis_nn: bool = False,
) -> CModel:
    """Write an integer graph as C99, its operators in the order that needs the least memory.

    Args:
        graph: Integer activations.
        name: A C identifier.
        golden: What the self-test compares.
        digest: Of the file the model was read from.
        ram_bytes: What arena, inputs and outputs may take together; a part of the model then runs row by row where it
            does not fit as a whole.
        stream: Read the input row by row, too, when its rows are needed; it then takes no memory of the caller's.
        fast: Hold weights in twice their bytes where that saves instructions.
        cmsis_nn: Write what CMSIS-NN's kernels take as well, which a build with OCTAVO_CMSIS_NN calls; no rows.

    Raises:
        UnsupportedLayerError: if an operator has no C kernel.
        ConfigError: if it does not fit in any way, or its input cannot be streamed.
    """
    graph = ordered(graph, fast=fast, cmsis_nn=cmsis_nn)
    calls, layout, order = lowered(graph, name, ram_bytes, stream=stream, fast=fast, cmsis_nn=cmsis_nn)
    streamed = order is not None and order.streamed is not None
    kernels = tuple(dict.fromkeys([name for call in calls for name in call.kernels] + ["rows"] * (order is not None)))
    source = "\n".join(
        [
            f"/* {name}: a model in C99, written by octavo {VERSION} from a .tflite file of digest",
            f" * {digest}. Needs memcpy and memset, and {layout.plan.arena_bytes} bytes of the caller's memory. */",
            f'#include "{name}.h"\n',
            *_texts(kernels),
            "/* The model: constants, operator by operator. */\n",
            *(
                array(c_type(t.dtype), constant_name(graph, name, t.name), t.values)
                for t in data_constants(graph, calls)
            ),
            *dict.fromkeys(text for call in calls for text in call.constants),
            invoke(graph, name, calls, layout, order),
            self_test(graph, name, golden),
        ]
    )
    head = header(graph, name, layout.plan.arena_bytes, digest, streamed=streamed)
    files = {f"{name}.h": head, f"{name}.c": source}
    return CModel(name, files, layout.plan.arena_bytes, layout.plan.lower_bound_bytes, order, kernels)


def lowered(
    graph: Graph,
    name: str,
    ram_bytes: int | None = None,
    *,
    stream: bool = False,
    fast: bool = False,
    cmsis_nn: bool = False,
) -> tuple[list[Call], Layout, RowOrder | None]:
    """The operators of a graph in C, the places of its tensors, and what runs row by row; see `write_c`."""
    calls = [lower(graph, node, f"{name}_{i}", fast=fast, cmsis_nn=cmsis_nn) for i, node in enumerate(graph.nodes)]
    layout, order = fitted(graph, calls, ports(graph.inputs, "in"), ports(graph.outputs, "out"), ram_bytes, stream)
    return calls, layout, order


def _texts(kernels: Sequence[str]) -> list[str]:
    """Of the kernels that are called, and of what they share."""
    folder = resources.files("octavo") / "kernels"
    used = ["common.h", *(f"{kernel}.c" for kernel in kernels)]
    guard = "#ifndef OCTAVO_WEIGHTS\n#define OCTAVO_WEIGHTS /* an attribute that places constants */\n#endif\n"
    return [guard, *((folder / name).read_text(encoding="utf-8") for name in used)]


def data_constants(graph: Graph, calls: Sequence[Call]) -> list[Tensor]:
    """Constants that kernels read as activations, and constant outputs."""
    found = {output: graph.tensors[output] for output in graph.outputs}
    for node, call in zip(graph.nodes, calls, strict=True):
        text = "".join(call.statements)
        read = [t for k, t in enumerate(data_operands(graph, node)) if f"{{x{k}}}" in text]
        read += [t for k, t in enumerate(operands(graph, node).items) if t is not None and f"{{i{k}}}" in text]
        found.update((t.name, t) for t in read)
    return [tensor for tensor in found.values() if tensor.is_constant]
