"""The function that runs a model: a call for each operator, or rows of some of them in turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from octavo.ir.types import Graph, Node
from octavo.ops.table import spec_of
from octavo.write.c.call import Call
from octavo.write.c.header import rows_signature, signature
from octavo.write.c.layout import Layout
from octavo.write.c.row_order import READ, RowOrder
from octavo.write.c.table import data_operands
from octavo.write.c.text import braces, comment, rows

_CHECK = "  if (base == 0 || ((uintptr_t)arena & 3u) != 0) {\n    return -1;\n  }\n"


def ports(names: Sequence[str], buffer: str) -> list[str]:
    """C expressions of the caller's buffers."""
    return [buffer] if len(names) == 1 else [f"{buffer}[{i}]" for i in range(len(names))]


def constant_name(graph: Graph, prefix: str, name: str) -> str:
    """Of the array that holds a constant tensor."""
    return f"{prefix}_constant_{list(graph.tensors).index(name)}"


def invoke(graph: Graph, name: str, calls: Sequence[Call], layout: Layout, order: RowOrder | None) -> str:
    """The function, and of a streamed input the one that reads it."""
    lines: list[str] = []
    for i, (node, call) in enumerate(zip(graph.nodes, calls, strict=True)):
        if order is not None and order.covers(i):
            if i == order.first:
                lines += _by_rows(graph, name, calls, layout, order)
            continue
        lines.append(f"  /* {i}: {node.op}, {comment(node.layer)} */")
        words = _words(graph, name, layout, i)
        if not (spec_of(node.op).reshapes and words["x0"] == words["y"]):
            lines += [f"  {_filled(statement, words)}" for statement in call.statements]
    for place, i in layout.late_outputs:
        tensor = graph.tensors[graph.outputs[i]]
        source = place if tensor.data is None else constant_name(graph, name, tensor.name)
        lines.append(f"  memcpy({ports(graph.outputs, 'out')[i]}, {source}, {tensor.size});")
    body = "\n".join(lines)
    streams = order is not None and order.streamed is not None
    head = rows_signature(graph, name) if streams else signature(graph, name)
    text = f"{head} {{\n  int8_t *const base = (int8_t *)arena;\n{_CHECK}{body}\n  return 0;\n}}\n"
    return _table(name, order) + text + (_reading_from_memory(graph, name) if streams else "")


def _words(graph: Graph, prefix: str, layout: Layout, step: int) -> dict[str, str]:
    node = graph.nodes[step]
    words = {
        f"x{k}": constant_name(graph, prefix, t.name) if t.data is not None else layout.places[t.name]
        for k, t in enumerate(data_operands(graph, node))
    }
    return words | {"y": layout.places[node.outputs[0]], "scratch": layout.scratch.get(step, "")}


def _filled(statement: str, words: Mapping[str, str]) -> str:
    for word, value in words.items():
        statement = statement.replace(f"{{{word}}}", value)
    return statement


def _table(name: str, order: RowOrder | None) -> str:
    if order is None:
        return ""
    read = order.last - order.first
    pairs = [braces((read if step == READ else step - order.first, count)) for step, count in order.order]
    return f"/* Which operator is next, and how many of its rows. */\n{rows('octavo_turn', f'{name}_turns', pairs)}\n"


def _by_rows(graph: Graph, name: str, calls: Sequence[Call], layout: Layout, order: RowOrder) -> list[str]:
    """The operators of a part in turns."""
    held = {tensor: k for k, tensor in enumerate(order.held)}
    buffers = list(order.held)
    held |= {tensor: held[result] for tensor, result in order.lies_in.items() if result in held}
    lines = [f"  {{ /* {order.first} to {order.last - 1}, row by row */"]
    if buffers:
        lines.append(f"    octavo_held held[{len(buffers)}];")
    lines += [f"    int32_t done[{order.last - order.first + 1}] = {{0}};", "    int32_t turn;"]
    for k, tensor in enumerate(buffers):
        shape = graph.tensors[tensor].shape
        fields = (layout.places[tensor], shape[2] * shape[3], order.held[tensor], 0)
        for field, value in zip(("rows", "bytes", "capacity", "first"), fields, strict=True):
            lines.append(f"    held[{k}].{field} = {value};")
    lines += [
        f"    for (turn = 0; turn < {len(order.order)}; turn++) {{",
        f"      const int32_t operation = {name}_turns[turn].operation, begin = done[operation];",
        f"      const int32_t end = begin + {name}_turns[turn].rows;",
        "      done[operation] = end;",
        "      switch (operation) {",
    ]
    for i in range(order.first, order.last):
        lines += _turn(graph.nodes[i], i - order.first, _row_statement(graph, name, calls, layout, held, i), held)
    if order.streamed is not None:
        lines += _read(graph, order.streamed, order.last - order.first, held, layout)
    return [*lines, "        default:", "          break;", "      }", "    }", "  }"]


def _row_statement(
    graph: Graph, name: str, calls: Sequence[Call], layout: Layout, held: Mapping[str, int], step: int
) -> str:
    found, node = calls[step].rows, graph.nodes[step]
    assert found is not None
    words = _words(graph, name, layout, step)
    for k, tensor in enumerate(data_operands(graph, node)):
        if tensor.name in held:
            words[f"x{k}"] = f"octavo_row_zero(&held[{held[tensor.name]}])"
    if node.outputs[0] in held:
        words["y"] = f"octavo_row_zero(&held[{held[node.outputs[0]]}])"
    return _filled(found.statement, words | {"begin": "begin", "end": "end"})


def _turn(node: Node, case: int, statement: str, held: Mapping[str, int]) -> list[str]:
    slide = [f"          octavo_slide(&held[{held[node.outputs[0]]}], end);"] if node.outputs[0] in held else []
    head = f"        case {case}: /* {node.op}, {comment(node.layer)} */"
    return [head, *slide, f"          {statement}", "          break;"]


def _read(graph: Graph, streamed: str, case: int, held: Mapping[str, int], layout: Layout) -> list[str]:
    shape = graph.tensors[streamed].shape
    row_bytes = shape[2] * shape[3]
    slide = [f"          octavo_slide(&held[{held[streamed]}], end);"] if streamed in held else []
    place = f"octavo_row_zero(&held[{held[streamed]}])" if streamed in held else layout.places[streamed]
    return [
        f"        case {case}: {{ /* the input */",
        "          int32_t row;",
        *slide,
        "          for (row = begin; row < end; row++) {",
        f"            if (read(context, row, {place} + row * {row_bytes}) != 0) {{",
        "              return -2;",
        "            }",
        "          }",
        "          break;",
        "        }",
    ]


def _reading_from_memory(graph: Graph, name: str) -> str:
    """`NAME_invoke` of a model whose input is streamed."""
    shape = graph.tensors[graph.inputs[0]].shape
    row_bytes = shape[2] * shape[3]
    return (
        f"\nstatic int {name}_read(void *context, int32_t row, int8_t *to) {{\n"
        f"  memcpy(to, *(const int8_t *const *)context + row * {row_bytes}, {row_bytes});\n  return 0;\n}}\n\n"
        f"{signature(graph, name)} {{\n  return {name}_invoke_rows({name}_read, (void *)&in, out, arena);\n}}\n"
    )
