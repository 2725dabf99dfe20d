"""The function that runs a model: a call for each operator, or rows of some of them in turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from octavo.ir.graph import results
from octavo.ir.types import Graph, Node, Tensor
from octavo.ops.table import spec_of
from octavo.write.c.call import Call
from octavo.write.c.header import rows_signature, signature
from octavo.write.c.layout import Layout
from octavo.write.c.ports import BYTE, constant_name, port_type, ports, read_as, written_as
from octavo.write.c.row_order import READ, RowOrder, row_bytes
from octavo.write.c.table import data_operands
from octavo.write.c.text import braces, comment, rows
from octavo.write.c.trace import told, traced

_CHECK = "  if (base == 0 || ((uintptr_t)arena & 3u) != 0) {\n    return -1;\n  }\n"


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
        if not _stays(graph, node, layout):
            lines += [f"  {_filled(statement, words)}" for statement in call.statements]
        made = enumerate(results(graph, node))
        lines += [f"  {told(name, i, node, words[f'y{k}'], str(tensor.bytes))}" for k, tensor in made]
    for place, i in layout.late_outputs:
        tensor = graph.tensors[graph.outputs[i]]
        source = place if tensor.data is None else constant_name(graph, name, tensor.name)
        lines.append(f"  memcpy({ports(graph.outputs, 'out')[i]}, {source}, {tensor.bytes});")
    body = "\n".join(lines)
    streams = order is not None and order.streamed is not None
    head = rows_signature(graph, name) if streams else signature(graph, name)
    text = f"{head} {{\n  int8_t *const base = (int8_t *)arena;\n{_CHECK}{body}\n  return 0;\n}}\n"
    return traced(name) + _table(name, order) + text + (_reading_from_memory(graph, name) if streams else "")


def _words(graph: Graph, prefix: str, layout: Layout, step: int) -> dict[str, str]:
    node, places = graph.nodes[step], layout.places

    def given(tensor: Tensor) -> str:
        if tensor.data is not None or tensor.name not in places:
            return constant_name(graph, prefix, tensor.name)
        return read_as(tensor, places[tensor.name], _lies_as(graph, places[tensor.name]))

    words = {f"x{k}": given(tensor) for k, tensor in enumerate(data_operands(graph, node))}
    words |= {f"i{k}": given(graph.tensors[name]) for k, name in enumerate(node.inputs) if name is not None}
    made = [written_as(t, places[t.name], _lies_as(graph, places[t.name])) for t in results(graph, node)]
    words |= {f"y{k}": place for k, place in enumerate(made)}
    return words | {"y": made[0], "scratch": layout.scratch.get(step, "")}


def _lies_as(graph: Graph, place: str) -> str:
    """What C takes a place for: a buffer of the caller's has a type, the arena is bytes."""
    for buffer, names in (("in", graph.inputs), ("out", graph.outputs)):
        if place in ports(names, buffer):
            return port_type(graph, names)
    return BYTE


def _stays(graph: Graph, node: Node, layout: Layout) -> bool:
    """Whether an operator that only gives values another shape has its result where its operand is."""
    x = data_operands(graph, node)[0].name
    return spec_of(node.op).reshapes and layout.places.get(x) == layout.places[node.outputs[0]]


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
        fields = (layout.places[tensor], row_bytes(graph.tensors[tensor]), order.held[tensor], 0)
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
        statements = [
            _row_statement(graph, name, calls, layout, held, i),
            _rows_told(graph, name, layout, held, i),
        ]
        lines += _turn(graph.nodes[i], i - order.first, statements, held)
    if order.streamed is not None:
        lines += _read(graph, order.streamed, order.last - order.first, held, layout)
    return [*lines, "        default:", "          break;", "      }", "    }", "  }"]


def _row_statement(
    graph: Graph, name: str, calls: Sequence[Call], layout: Layout, held: Mapping[str, int], step: int
) -> str:
    words, found = _row_words(graph, name, layout, held, step), calls[step].rows
    assert found is not None
    return _filled(found.statement, words | {"begin": "begin", "end": "end"})


def _row_words(graph: Graph, name: str, layout: Layout, held: Mapping[str, int], step: int) -> dict[str, str]:
    """Places of the operands and of the result's row 0."""
    node = graph.nodes[step]
    words = _words(graph, name, layout, step)
    for k, tensor in enumerate(data_operands(graph, node)):
        if tensor.name in held:
            words[f"x{k}"] = read_as(tensor, f"octavo_row_zero(&held[{held[tensor.name]}])")
    (made,) = results(graph, node)
    if made.name in held:
        words["y"] = written_as(made, f"octavo_row_zero(&held[{held[made.name]}])")
    return words


def _rows_told(graph: Graph, name: str, layout: Layout, held: Mapping[str, int], step: int) -> str:
    size = row_bytes(results(graph, graph.nodes[step])[0])
    place = f"(const int8_t *){_row_words(graph, name, layout, held, step)['y']} + begin * {size}"
    return told(name, step, graph.nodes[step], place, f"(end - begin) * {size}")


def _turn(node: Node, case: int, statements: Sequence[str], held: Mapping[str, int]) -> list[str]:
    slide = [f"          octavo_slide(&held[{held[node.outputs[0]]}], end);"] if node.outputs[0] in held else []
    head = f"        case {case}: /* {node.op}, {comment(node.layer)} */"
    return [head, *slide, *(f"          {statement}" for statement in statements), "          break;"]


def _read(graph: Graph, streamed: str, case: int, held: Mapping[str, int], layout: Layout) -> list[str]:
    tensor = graph.tensors[streamed]
    slide = [f"          octavo_slide(&held[{held[streamed]}], end);"] if streamed in held else []
    place = f"octavo_row_zero(&held[{held[streamed]}])" if streamed in held else layout.places[streamed]
    place = written_as(tensor, f"({place} + row * {row_bytes(tensor)})")
    return [
        f"        case {case}: {{ /* the input */",
        "          int32_t row;",
        *slide,
        "          for (row = begin; row < end; row++) {",
        f"            if (read(context, row, {place}) != 0) {{",
        "              return -2;",
        "            }",
        "          }",
        "          break;",
        "        }",
    ]


def _reading_from_memory(graph: Graph, name: str) -> str:
    """`NAME_invoke` of a model whose input is streamed."""
    image, kind = graph.tensors[graph.inputs[0]], port_type(graph, graph.inputs)
    step, size = image.shape[2] * image.shape[3], row_bytes(image)
    return (
        f"\nstatic int {name}_read(void *context, int32_t row, {kind} *to) {{\n"
        f"  memcpy(to, *(const {kind} *const *)context + row * {step}, {size});\n  return 0;\n}}\n\n"
        f"{signature(graph, name)} {{\n  return {name}_invoke_rows({name}_read, (void *)&in, out, arena);\n}}\n"
    )
