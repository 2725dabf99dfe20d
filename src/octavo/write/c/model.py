"""NAME.h and NAME.c: a model's constants and calls, behind the kernels that it uses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files

from octavo.ir.types import Graph, Tensor
from octavo.ops.table import spec_of
from octavo.version import VERSION
from octavo.write.c.call import Call
from octavo.write.c.header import header, signature
from octavo.write.c.layout import Layout, lay_out
from octavo.write.c.self_test import GoldenVector, self_test
from octavo.write.c.table import data_operands, lower
from octavo.write.c.text import array, comment


@dataclass(frozen=True, slots=True)
class CModel:
    """A model in C.

    Attributes:
        name: Prefix of everything it defines.
        files: Content by file name.
        arena_bytes: Memory that the caller lends it for the time of a call.
        lower_bound_bytes: No plan of its tensors and scratch needs less.
    """

    name: str
    files: Mapping[str, str]
    arena_bytes: int
    lower_bound_bytes: int


def write_c(graph: Graph, name: str, golden: GoldenVector, digest: str) -> CModel:
    """Write an integer graph as C99.

    Args:
        graph: int8 activations.
        name: A C identifier.
        golden: What the self-test compares.
        digest: Of the file the model was read from.

    Raises:
        UnsupportedLayerError: if an operator has no C kernel.
    """
    calls, layout = lowered(graph, name)
    source = "\n".join(
        [
            f"/* {name}: a model in C99, written by octavo {VERSION} from a .tflite file of digest",
            f" * {digest}. Needs memcpy and memset, and {layout.plan.arena_bytes} bytes of the caller's memory. */",
            f'#include "{name}.h"\n',
            *_kernels(calls),
            "/* The model: constants, operator by operator. */\n",
            *(array("int8_t", _constant_name(graph, name, t), t.values) for t in data_constants(graph, calls)),
            *(text for call in calls for text in call.constants),
            _invoke(graph, name, calls, layout),
            self_test(graph, name, golden),
        ]
    )
    head = header(graph, name, layout.plan.arena_bytes, digest)
    return CModel(
        name, {f"{name}.h": head, f"{name}.c": source}, layout.plan.arena_bytes, layout.plan.lower_bound_bytes
    )


def lowered(graph: Graph, name: str) -> tuple[list[Call], Layout]:
    """The operators of a graph in C, and the places of its tensors.

    Raises:
        UnsupportedLayerError: if an operator has no C kernel.
    """
    calls = [lower(graph, node, f"{name}_{i}") for i, node in enumerate(graph.nodes)]
    return calls, lay_out(graph, calls, _ports(graph.inputs, "in"), _ports(graph.outputs, "out"))


def _ports(names: Sequence[str], buffer: str) -> list[str]:
    return [buffer] if len(names) == 1 else [f"{buffer}[{i}]" for i in range(len(names))]


def _kernels(calls: Sequence[Call]) -> list[str]:
    """The text of the kernels that are called, and of what they share, each once."""
    folder = files("octavo") / "kernels"
    used = ["common.h", *(f"{kernel}.c" for kernel in dict.fromkeys(call.kernel for call in calls) if kernel)]
    guard = "#ifndef OCTAVO_WEIGHTS\n#define OCTAVO_WEIGHTS /* an attribute that places constants */\n#endif\n"
    return [guard, *((folder / name).read_text(encoding="utf-8") for name in used)]


def _constant_name(graph: Graph, name: str, tensor: Tensor) -> str:
    return f"{name}_constant_{list(graph.tensors).index(tensor.name)}"


def data_constants(graph: Graph, calls: Sequence[Call]) -> list[Tensor]:
    """Constants that kernels read as activations, and constant outputs."""
    found = {output: graph.tensors[output] for output in graph.outputs}
    for node, call in zip(graph.nodes, calls, strict=True):
        text = "".join(call.statements)
        read = (t for k, t in enumerate(data_operands(graph, node)) if f"{{x{k}}}" in text)
        found.update((t.name, t) for t in read)
    return [tensor for tensor in found.values() if tensor.is_constant]


def _invoke(graph: Graph, name: str, calls: Sequence[Call], layout: Layout) -> str:
    lines = []
    for i, (node, call) in enumerate(zip(graph.nodes, calls, strict=True)):
        lines.append(f"  /* {i}: {node.op}, {comment(node.layer)} */")
        words = {
            f"x{k}": _constant_name(graph, name, t) if t.data is not None else layout.places[t.name]
            for k, t in enumerate(data_operands(graph, node))
        }
        words |= {"y": layout.places[node.outputs[0]], "scratch": layout.scratch.get(i, "")}
        for statement in () if spec_of(node.op).reshapes and words["x0"] == words["y"] else call.statements:
            for word, value in words.items():
                statement = statement.replace(f"{{{word}}}", value)
            lines.append(f"  {statement}")
    for place, i in layout.late_outputs:
        tensor = graph.tensors[graph.outputs[i]]
        source = place if tensor.data is None else _constant_name(graph, name, tensor)
        lines.append(f"  memcpy({_ports(graph.outputs, 'out')[i]}, {source}, {tensor.size});")
    body = "\n".join(lines)
    return (
        f"{signature(graph, name)} {{\n"
        "  int8_t *const base = (int8_t *)arena;\n"
        "  if (base == 0 || ((uintptr_t)arena & 3u) != 0) {\n    return -1;\n  }\n"
        f"{body}\n  return 0;\n}}\n"
    )
