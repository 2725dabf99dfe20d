"""Operators without weights in C: poolings, arithmetic on two tensors, reductions, resizing."""

from __future__ import annotations

import numpy as np

from octavo.ir.graph import operands, results
from octavo.ir.types import Graph, Node, Tensor
from octavo.numerics.fixed_point import Multiplier
from octavo.ops.activation import PReluConstants
from octavo.ops.elementwise_kernels import ProductConstants, SumConstants
from octavo.ops.pool import PoolConstants
from octavo.ops.prepare import prepared
from octavo.ops.reduce import SumOfManyConstants
from octavo.ops.resize import BilinearConstants
from octavo.write.c.call import Call, Lowering, Rows
from octavo.write.c.constants import DIMENSIONS, NarrowFactor, check_dimensions, narrow_sum, padded_places
from octavo.write.c.pointwise import over_all, over_rows
from octavo.write.c.text import braces, structure


def lower_pool(function: str) -> Lowering:
    """MAX_POOL_2D or AVERAGE_POOL_2D by the kernel `function`."""

    def lower(graph: Graph, node: Node, prefix: str) -> Call:
        (x,), (y,), constants = operands(graph, node), results(graph, node), prepared(graph, node)
        assert isinstance(constants, PoolConstants)
        window = constants.window
        fields = [
            ("in: height, width, channels", ", ".join(map(str, x.shape[1:]))),
            ("out: width", str(y.shape[2])),
            ("window", f"{window.height}, {window.width}"),
            ("stride", f"{window.stride_h}, {window.stride_w}"),
            ("padding", f"{window.pad_top}, {window.pad_left}"),
            ("low, high", f"{constants.clamp.low}, {constants.clamp.high}"),
        ]
        definition = structure("octavo_pool", f"{prefix}_op", fields)
        rows = Rows.under(f"{function}(&{prefix}_op, {{x0}}, {{y}}, {{begin}}, {{end}});", window)
        return Call(("pool",), (definition,), _images(function, prefix, x, y), rows=rows)

    return lower


def lower_sum(graph: Graph, node: Node, prefix: str) -> Call:
    """ADD or SUB; the usual one, of equal shapes and in 32 bits, has a kernel of its own."""
    (a, b), (y,), constants = operands(graph, node), results(graph, node), prepared(graph, node)
    assert isinstance(constants, SumConstants)
    narrow = narrow_sum(constants) if a.shape == b.shape else None
    if narrow is None:
        return lower_sum_of_places("octavo_sum")(graph, node, prefix)
    fields = [
        ("sign of b", str(_sign(constants.input_2_multiplier))),
        *((name, _narrow(factor)) for name, factor in zip(("a", "b", "out"), narrow, strict=True)),
        ("low, high", f"{constants.output.low}, {constants.output.high}"),
    ]
    definition = structure("octavo_narrow_sum", f"{prefix}_op", fields)
    call = f"octavo_sum_narrow(&{prefix}_op, {{x0}}{{from}}, {{x1}}{{from}}, {{y}}{{from}}, {{count}});"
    return Call(("sum",), (definition,), (over_all(call, y),), rows=over_rows(call, y))


def lower_sum_of_places(function: str) -> Lowering:
    """ADD, SUB or SQUARED_DIFFERENCE of shapes that broadcast, by the kernel `function`."""

    def lower(graph: Graph, node: Node, prefix: str) -> Call:
        (a, b), constants = operands(graph, node), prepared(graph, node)
        assert isinstance(constants, SumConstants)
        fields = [
            ("places", _places(node, a, b)),
            ("a: offset, multiplier, shift", _factor(constants.input_1_offset, constants.input_1_multiplier)),
            ("b", _factor(constants.input_2_offset, constants.input_2_multiplier)),
            ("sign of b", str(_sign(constants.input_2_multiplier))),
            ("left shift", str(constants.left_shift_bits)),
            ("out", _factor(constants.output.output_zero_point, constants.output_multiplier)),
            ("low, high", f"{constants.output.low}, {constants.output.high}"),
        ]
        definition = structure("octavo_elementwise", f"{prefix}_op", fields)
        call = f"{function}(&{prefix}_op, {{x0}}, {{x1}}, {{y}});"
        return Call(("elementwise",), (definition,), (call,))

    return lower


def lower_mul(function: str) -> Lowering:
    """MUL by the kernel `function`."""

    def lower(graph: Graph, node: Node, prefix: str) -> Call:
        (a, b), constants = operands(graph, node), prepared(graph, node)
        assert isinstance(constants, ProductConstants)
        fields = [
            ("places", _places(node, a, b)),
            ("a: offset", braces([constants.input_1_offset, 0, 0])),
            ("b: offset", braces([constants.input_2_offset, 0, 0])),
            ("sign of b, left shift", "1, 0"),
            (
                "out: zero point, multiplier, shift",
                _factor(constants.output.output_zero_point, constants.output_multiplier),
            ),
            ("low, high", f"{constants.output.low}, {constants.output.high}"),
        ]
        definition = structure("octavo_elementwise", f"{prefix}_op", fields)
        call = f"{function}(&{prefix}_op, {{x0}}, {{x1}}, {{y}});"
        return Call(("elementwise",), (definition,), (call,))

    return lower


def lower_prelu(graph: Graph, node: Node, prefix: str) -> Call:
    """PRELU."""
    (x, alpha), constants = operands(graph, node), prepared(graph, node)
    assert isinstance(constants, PReluConstants)
    fields = [
        ("places", _places(node, x, alpha)),
        ("x: offset, multiplier, shift", _factor(constants.input_offset, constants.identity)),
        ("slope, product", _factor(constants.alpha_offset, constants.alpha)),
        ("sign of b, left shift", "1, 0"),
        ("out: zero point", braces([constants.output.output_zero_point, 0, 0])),
        ("low, high", f"{constants.output.low}, {constants.output.high}"),
    ]
    definition = structure("octavo_elementwise", f"{prefix}_op", fields)
    call = f"octavo_prelu(&{prefix}_op, {{x0}}, {{x1}}, {{y}});"
    return Call(("elementwise",), (definition,), (call,))


def lower_extreme(function: str) -> Lowering:
    """MAXIMUM or MINIMUM by the kernel `function`."""

    def lower(graph: Graph, node: Node, prefix: str) -> Call:
        a, b = operands(graph, node)
        definition = f"static const octavo_places {prefix}_op = {_places(node, a, b)};\n"
        call = f"{function}(&{prefix}_op, {{x0}}, {{x1}}, {{y}});"
        return Call(("elementwise",), (definition,), (call,))

    return lower


def lower_reduce(function: str) -> Lowering:
    """MEAN, SUM, REDUCE_MAX or REDUCE_MIN by the kernel `function`."""

    def lower(graph: Graph, node: Node, prefix: str) -> Call:
        inputs, constants = operands(graph, node), prepared(graph, node)
        x, axes = inputs[0], inputs[1].data
        assert axes is not None
        reduced = {int(axis) % len(x.shape) for axis in axes.ravel()}
        steps = [int(np.prod(x.shape[i + 1 :], dtype=np.int64)) for i in range(len(x.shape))]
        dimensions = [
            _joined([(x.shape[i], steps[i]) for i in range(len(x.shape)) if (i in reduced) == wanted])
            for wanted in (False, True)
        ]
        check_dimensions(node, max(map(len, dimensions)))
        sums = isinstance(constants, SumOfManyConstants)
        fields = [
            *((name, _sizes_and_steps(d)) for name, d in zip(("kept", "reduced"), dimensions, strict=True)),
            ("offset of a sum", str(constants.sum_offset if sums else 0)),
            (
                "out: zero point, multiplier, shift",
                _factor(constants.output.output_zero_point, constants.multiplier) if sums else braces([0, 0, 0]),
            ),
        ]
        definition = structure("octavo_reduce", f"{prefix}_op", fields)
        return Call(("reduce",), (definition,), (f"{function}(&{prefix}_op, {{x0}}, {{y}});",))

    return lower


def lower_resize_bilinear(function: str) -> Lowering:
    """RESIZE_BILINEAR by the kernel `function`."""

    def lower(graph: Graph, node: Node, prefix: str) -> Call:
        x, (y,), constants = operands(graph, node)[0], results(graph, node), prepared(graph, node)
        assert isinstance(constants, BilinearConstants)
        fields = [
            ("in: height, width, channels", ", ".join(map(str, x.shape[1:]))),
            ("out: width", str(y.shape[2])),
            ("scale", f"{constants.scales_q10[0]}, {constants.scales_q10[1]}"),
            ("start", f"{constants.offsets_q10[0]}, {constants.offsets_q10[1]}"),
        ]
        calls = _images(function, prefix, x, y)
        return Call(("resize",), (structure("octavo_resize", f"{prefix}_op", fields),), calls)

    return lower


def _images(function: str, prefix: str, x: Tensor, y: Tensor) -> tuple[str, ...]:
    """A call for all rows of each image."""
    steps = [tensor.size // tensor.shape[0] for tensor in (x, y)]
    return tuple(
        f"{function}(&{prefix}_op, {{x0}} + {i * steps[0]}, {{y}} + {i * steps[1]}, 0, {y.shape[1]});"
        for i in range(x.shape[0])
    )


def _places(node: Node, a: Tensor, b: Tensor) -> str:
    sizes, steps = padded_places(node, [a.shape, b.shape])
    return braces([braces(sizes), *map(braces, steps)])


def _factor(offset: int, multiplier: Multiplier) -> str:
    return braces([offset, abs(multiplier.multiplier_q31), multiplier.shift_bits])


def _sign(multiplier: Multiplier) -> int:
    return -1 if multiplier.multiplier_q31 < 0 else 1


def _narrow(factor: NarrowFactor) -> str:
    return braces([factor.steps, factor.before, factor.multiplier, factor.offset, factor.right])


def _joined(dimensions: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """(size, step) of dimensions, those that follow on each other as one."""
    joined: list[tuple[int, int]] = []
    for size, step in dimensions:
        if joined and joined[-1][1] == size * step:
            joined[-1] = (joined[-1][0] * size, step)
        elif size > 1:
            joined.append((size, step))
    return joined


def _sizes_and_steps(dimensions: list[tuple[int, int]]) -> str:
    padded = [(1, 0)] * (DIMENSIONS - len(dimensions)) + dimensions
    return f"{braces(size for size, _ in padded)}, {braces(step for _, step in padded)}"
