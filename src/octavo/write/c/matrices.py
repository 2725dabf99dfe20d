"""BATCH_MATMUL in C."""

from __future__ import annotations

from octavo.ir.graph import operands, results
from octavo.ir.types import Graph, Node, Shape
from octavo.ops.dense import BatchMatMulConstants
from octavo.ops.prepare import prepared
from octavo.write.c.call import Call, Lowering
from octavo.write.c.constants import padded_places
from octavo.write.c.constants_16 import requantization_16
from octavo.write.c.text import braces, structure


def lower_batch_matmul(function: str, *, sixteen: bool) -> Lowering:
    """BATCH_MATMUL by the kernel `function`, of sixteen bits or eight."""

    def lower(graph: Graph, node: Node, prefix: str) -> Call:
        (a, b), (y,), constants = operands(graph, node), results(graph, node), prepared(graph, node)
        assert isinstance(constants, BatchMatMulConstants)
        output = constants.requantization.output
        if sixteen:
            ((multiplier, shift),) = requantization_16(node, (a, b, y), constants.requantization, 1)
        else:
            rules = constants.requantization
            multiplier, shift = int(rules.multiplier_q31[0]), int(rules.shift_bits[0])
        sizes, steps = padded_places(node, [(*each.shape[:-2], 1, 1) for each in (a, b)])
        matrices = [each.shape[-2] * each.shape[-1] for each in (a, b)]
        a_row, a_depth = _steps(a.shape, transposed=constants.adj_x)
        b_depth, b_column = _steps(b.shape, transposed=constants.adj_y)
        wide, zero_point = int(constants.requantization.wide), output.output_zero_point
        fields = [
            ("leading dimensions", braces(sizes)),
            *((f"step of {name}", braces(step * size for step in each))
              for name, each, size in zip("ab", steps, matrices, strict=True)),
            ("rows, columns", f"{y.shape[-2]}, {y.shape[-1]}"),
            ("depth", str(a.shape[-2 if constants.adj_x else -1])),
            ("steps: a's row, depth; b's depth, column", f"{a_row}, {a_depth}, {b_depth}, {b_column}"),
            ("offsets", f"{constants.input_offset}, {constants.second_input_offset}"),
            ("multiplier, shift, wide", f"{multiplier}, {shift}, {wide}"),
            ("out: zero point, low, high", f"{zero_point}, {output.low}, {output.high}"),
        ]  # fmt: skip
        definition = structure("octavo_batch_matmul", f"{prefix}_op", fields)
        call = f"{function}(&{prefix}_op, {{x0}}, {{x1}}, {{y}});"
        return Call(("sums_16", "batch_matmul"), (definition,), (call,))

    return lower


def _steps(shape: Shape, *, transposed: bool) -> tuple[int, int]:
    """Elements from a row of the matrix to the next, and from a column to the next."""
    return (1, shape[-1]) if transposed else (shape[-1], 1)
