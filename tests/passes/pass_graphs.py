"""Graphs that the rules over all passes run on, and what the tests of single passes share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from octavo.dtypes import DType
from octavo.ir.types import Graph
from octavo.ops.text import parse_graph
from octavo.run import reference

GRAPHS: dict[str, str] = {
    "nothing to do": """
        input x: float32[1,5,6,3]
        const kernel: float32[4,3,3,3] = normal(1) @conv
        const bias: float32[4] = normal(2) @conv
        const shape: int32[2] = -1 120
        y = CONV_2D(x, kernel, bias) {fused_activation_function=RELU} @conv
        z = RESHAPE(y, shape) @flatten
        output z
    """,
    "batch norm after each kind of layer": """
        input x: float32[1,5,6,3]
        const k1: float32[4,3,3,3] = normal(1) @conv
        const b1: float32[4] = normal(2) @conv
        const s1: float32[4] = 0.5 -2 1 3 @bn_1
        const o1: float32[4] = 1 2 -3 0 @bn_1
        const k2: float32[1,3,3,8] = normal(3) @depthwise
        const b2: float32[8] = 0 @depthwise
        const s2: float32[1,1,1,8] = normal(4) @bn_2
        const o2: float32[8] = normal(5) @bn_2
        const size: int32[4] = 1 10 12 2 @transpose
        const k3: float32[2,3,3,8] = normal(6) @transpose
        const s3: float32[2] = 2 0.25 @bn_3
        const shape: int32[2] = -1 240
        const k4: float32[3,240] = normal(7) @dense
        const s4: float32[] = 0.125
        const o4: float32[1,3] = 1 2 3
        conv = CONV_2D(x, k1, b1) @conv
        conv_s = MUL(conv, s1) @bn_1
        bn_1 = ADD(conv_s, o1) @bn_1
        relu_1 = RELU6(bn_1) @relu_1
        depthwise = DEPTHWISE_CONV_2D(relu_1, k2, b2) {depth_multiplier=2} @depthwise
        depthwise_s = MUL(s2, depthwise) @bn_2
        bn_2 = ADD(depthwise_s, o2) @bn_2
        relu_2 = RELU(bn_2) @relu_2
        transpose = TRANSPOSE_CONV(size, k3, relu_2) {stride_w=2, stride_h=2} @transpose
        bn_3 = MUL(transpose, s3) @bn_3
        flat = RESHAPE(bn_3, shape) @flatten
        dense = FULLY_CONNECTED(flat, k4, _) @dense
        dense_s = MUL(dense, s4) @bn_4
        bn_4 = ADD(dense_s, o4) @bn_4
        output bn_4
    """,
    "divisions": """
        input x: float32[1,4,6]
        const axis: int32[1] = -1
        const least: float32[] = 0.25
        squared = MUL(x, x) @std
        mean = MEAN(squared, axis) {keep_dims=True} @std
        above = ADD(mean, least) @std
        std = SQRT(above) @std
        scaled = DIV(x, std) @scaled
        relative = DIV(scaled, above) {fused_activation_function=RELU} @relative
        signed = ADD(x, least) @signed
        quotient = DIV(relative, signed) @quotient
        held = MAXIMUM(signed, least) @held
        last = DIV(quotient, held) @last
        output last
    """,
    "a mask that is added, then chosen": """
        input x: float32[1,4,6]
        input seen: bool[1,1,6]
        const far: float32[] = 1e9
        below = SUB(x, far) @attention
        scores = SELECT_V2(seen, x, below) @attention
        weights = SOFTMAX(scores) @attention
        output weights
    """,
    "indices as one-hot vectors": """
        input x: float32[1,3,5]
        input number: float32[1,5]
        const n: int32[] = 3
        const on: float32[] = 0.5
        const off: float32[] = -1
        ids: int32[1,5] = CAST(number) {in_data_type=FLOAT32, out_data_type=INT32} @ids
        hot = ONE_HOT(ids, n, on, off) {axis=1} @hot
        y = MUL(hot, x) @scaled
        output y
    """,
    "batch norm of a sequence": """
        input x: float32[1,7,3]
        const image: int32[4] = -1 1 7 3 @conv
        const sequence: int32[3] = -1 7 4 @conv
        const k: float32[4,1,3,3] = normal(1) @conv
        const b: float32[4] = normal(2) @conv
        const s: float32[1,1,4] = 0.5 -2 1 3 @bn
        const o: float32[4] = 1 2 -3 0 @bn
        as_image = RESHAPE(x, image) @conv
        filtered = CONV_2D(as_image, k, b) @conv
        conv = RESHAPE(filtered, sequence) @conv
        conv_s = MUL(conv, s) @bn
        bn = ADD(conv_s, o) @bn
        relu = RELU(bn) @relu
        output relu
    """,
    "a residual block": """
        input x: float32[1,4,4,2]
        const k1: float32[2,3,3,2] = normal(1) @conv
        const b1: float32[2] = normal(2) @conv
        const s1: float32[2] = 0.5 2 @bn
        const o1: float32[2] = 1 -1 @bn
        conv = CONV_2D(x, k1, b1) @conv
        scaled = MUL(conv, s1) @bn
        bn = ADD(scaled, o1) @bn
        sum = ADD(x, bn) @add
        relu = RELU(sum) @relu
        conv_2 = CONV_2D(relu, k1, b1) @conv_2
        relu_2 = RELU(conv_2) @relu_2
        sum_2 = ADD(relu, relu_2) @add_2
        output sum_2
    """,
    "values read twice and values that are outputs": """
        input x: float32[1,4,4,2]
        const k: float32[2,1,1,2] = normal(1) @conv
        const b: float32[2] = normal(2) @conv
        const s: float32[2] = 0.5 2
        conv = CONV_2D(x, k, b) @conv
        scaled = MUL(conv, s) @scale
        relu = RELU(conv) @relu
        conv_2 = CONV_2D(scaled, k, b) @conv_2
        relu_2 = RELU(conv_2) @relu_2
        scaled_2 = MUL(relu_2, s) @scale_2
        conv_3 = CONV_2D(scaled_2, k, b) @conv_3
        output relu, conv_2, scaled_2, conv_3
    """,
    "a normalized image": """
        input x: float32[1,6,6,3]
        const a: float32[] = 0.5 @rescale
        const b: float32[] = -1 @rescale
        const mean: float32[1,1,1,3] = 0.5 1 2 @normalize
        const deviation: float32[1,1,1,3] = 2 4 8 @normalize
        const k: float32[4,3,3,3] = normal(1) @conv
        const c: float32[4] = normal(2) @conv
        x_a = MUL(x, a) @rescale
        x_b = ADD(x_a, b) @rescale
        x_c = SUB(x_b, mean) @normalize
        x_d = MUL(x_c, deviation) @normalize
        y = CONV_2D(x_d, k, c) {padding=VALID, fused_activation_function=RELU} @conv
        output y
    """,
    "scalings before padded, grouped and depthwise layers": """
        input x: float32[1,5,5,4]
        const s: float32[4] = 1 2 -3 0.5
        const o: float32[4] = 1 2 3 4
        const k1: float32[6,3,3,4] = normal(1) @same
        const k2: float32[6,1,1,4] = normal(2) @pointwise
        const k3: float32[6,3,3,2] = normal(3) @grouped
        const k4: float32[1,3,3,8] = normal(4) @depthwise
        const b6: float32[6] = normal(5)
        const b8: float32[8] = normal(6)
        const two: float32[] = 2
        o_1 = ADD(x, o) @offset_1
        y_1 = CONV_2D(o_1, k1, b6) @same
        o_2 = ADD(x, o) @offset_2
        y_2 = CONV_2D(o_2, k2, b6) @pointwise
        s_3 = MUL(x, s) @scale_3
        y_3 = CONV_2D(s_3, k3, b6) @grouped
        s_4 = MUL(x, s) @scale_4
        y_4 = DEPTHWISE_CONV_2D(s_4, k4, b8) {depth_multiplier=2} @depthwise
        s_5 = MUL(x, two) @scale_5
        y_5 = CONV_2D(s_5, k3, b6) @grouped_2
        output y_1, y_2, y_3, y_4, y_5
    """,
    "padding": """
        input x: float32[1,8,8,3]
        const after: int32[4,2] = 0 0 0 1 0 1 0 0 @pad
        const around: int32[4,2] = 0 0 1 1 1 1 0 0 @pad
        const s: float32[] = 0.5
        const k1: float32[1,3,3,3] = normal(1) @depthwise
        const b1: float32[3] = normal(2) @depthwise
        const k2: float32[4,3,3,3] = normal(3) @conv
        const b2: float32[4] = normal(4) @conv
        half = MUL(x, s) @half
        pad_1 = PAD(half, after) @pad_1
        y_1 = DEPTHWISE_CONV_2D(pad_1, k1, b1) {padding=VALID, stride_w=2, stride_h=2} @depthwise
        pad_2 = PAD(x, around) @pad_2
        y_2 = CONV_2D(pad_2, k2, b2) {padding=VALID, stride_w=2, stride_h=2} @strided
        y_3 = CONV_2D(pad_2, k2, b2) {padding=VALID} @conv
        relu = RELU(x) @relu
        pad_4 = PAD(relu, after) @pad_4
        y_4 = MAX_POOL_2D(pad_4) {padding=VALID, stride_w=2, stride_h=2, filter_width=3, filter_height=3} @max
        y_5 = MAX_POOL_2D(pad_1) {padding=VALID, stride_w=2, stride_h=2, filter_width=3, filter_height=3} @max_signed
        y_6 = AVERAGE_POOL_2D(pad_4) {padding=VALID, stride_w=2, stride_h=2, filter_width=3, filter_height=3} @mean
        output y_1, y_2, y_3, y_4, y_5, y_6
    """,
    "identities": """
        input x: float32[1,4,6]
        const one: float32[6] = 1
        const unit: float32[] = 1
        const zero: float32[] = 0
        const shape: int32[3] = -1 4 6
        const flat: int32[2] = -1 24
        const image: int32[4] = -1 2 2 6
        const straight: int32[3] = 0 1 2
        const crossed: int32[3] = 0 2 1
        const axis: int32[1] = 1
        a = RESHAPE(x, shape) @a
        b = MUL(a, one) @b
        c = ADD(b, zero) @c
        d = TRANSPOSE(c, straight) @d
        e = RESHAPE(d, flat) @e
        f = RESHAPE(e, image) @f
        g = EXPAND_DIMS(f, axis) @g
        h = RESHAPE(g, shape) @h
        i = TRANSPOSE(h, crossed) @i
        j = RESHAPE(i, flat) @j
        k = RELU(j) @k
        l = MUL(k, unit) @l
        m = RELU(k) @m
        output l, m, e
    """,
    "an input that is nearly an output": """
        input x: float32[1,4]
        const one: float32[] = 1
        y = MUL(x, one) @y
        z = MUL(y, one) @z
        output y, z, x
    """,
    "computed constants": """
        input x: float32[1,3,3,2]
        const hwio: float32[1,1,2,4] = normal(1) @conv
        const order: int32[4] = 3 0 1 2 @conv
        const half: float32[4] = normal(2) @conv
        kernel = TRANSPOSE(hwio, order) @conv
        bias = ADD(half, half) @conv
        y = CONV_2D(x, kernel, bias) @conv
        alone = MUL(half, half) @alone
        output y, alone
    """,
    "results that hold nothing": """
        input x: float32[1,6]
        const none: int32[2] = 0 0
        const one: int32[2] = 1 1
        nothing = STRIDED_SLICE(x, none, none, one) {begin_mask=1, end_mask=1} @slice
        above = RELU(nothing) @relu
        doubled = ADD(x, x) @double
        y = CONCATENATION(above, doubled) {axis=1} @join
        output y
    """,
    "dead ends": """
        input x: float32[1,4]
        const k: float32[3,4] = normal(1) @dense
        a = RELU(x) @a
        b = RELU6(a) @b
        c = FULLY_CONNECTED(a, k) @dense
        y = TANH(x) @tanh
        output y
    """,
    "activations in a row": """
        input x: float32[1,4]
        const k: float32[4,4] = normal(1) @dense
        const b: float32[4] = normal(2) @dense
        a = FULLY_CONNECTED(x, k, b) {fused_activation_function=RELU6} @dense
        b1 = RELU(a) @b1
        c = FULLY_CONNECTED(b1, k, b) @dense_2
        d = TANH(c) @tanh
        e = RELU(d) @e
        f = ADD(e, x) @add
        g = RELU6(f) @g
        output g
    """,
}


def graph_of(name: str) -> Graph:
    """One of the graphs."""
    return parse_graph(GRAPHS[name])


def random_inputs(graph: Graph, batch: int = 1) -> dict[str, np.ndarray]:
    """Inputs of a graph, the same on every call."""
    rng = np.random.default_rng(5)
    return {name: rng.normal(size=(batch, *graph.tensors[name].shape[1:])).astype(np.float32) for name in graph.inputs}


def results_in_both(before: Graph, after: Graph) -> list[str]:
    """Names of values, of inputs, nodes and outputs, that both graphs have."""
    return [name for name in (*after.inputs, *results(after)) if name in {*before.inputs, *results(before)}]


def results(graph: Graph) -> Iterator[str]:
    """Names of the values that nodes make."""
    return (name for node in graph.nodes for name in node.outputs)


def assert_same_values(before: Graph, after: Graph, batch: int = 1) -> None:
    """Every value that both graphs name is the same in both, within float32 rounding."""
    inputs, names = random_inputs(before, batch), results_in_both(before, after)
    assert set(before.outputs) <= {*names, *(t.name for t in after.tensors.values() if t.is_constant)}
    expected, got = reference.run(before, inputs, names), reference.run(after, inputs, names)
    bound = rounding_bound(before, inputs)
    for name in names:
        np.testing.assert_allclose(got[name], expected[name], rtol=0, atol=bound, err_msg=name)


def rounding_bound(graph: Graph, inputs: dict[str, np.ndarray]) -> float:
    """How far two float32 evaluations of a graph, in any order, may lie apart.

    A sum of n products errs by at most n * eps times the sum of their magnitudes, and that is what the graph
    computes of the magnitudes of its inputs and constants. The n of all operators add up along the graph; the folded
    constants are rounded once more, hence the 2.
    """
    floats = {n: t for n, t in graph.tensors.items() if t.data is not None and t.dtype is DType.FLOAT32}
    magnitudes = replace(
        graph,
        tensors={**graph.tensors, **{n: replace(t, data=np.abs(t.data)) for n, t in floats.items()}},
        nodes=tuple(replace(node, op="ADD") if node.op == "SUB" else node for node in graph.nodes),
    )
    values = reference.run(magnitudes, {n: np.abs(v) for n, v in inputs.items()}, list(results(graph)))
    largest = max(float(np.abs(value).max(initial=0.0)) for value in values.values())
    terms = sum(max(floats[n].size if n in floats else 1 for n in node.inputs if n) for node in graph.nodes)
    return 2 * terms * float(np.finfo(np.float32).eps) * largest


def activations(graph: Graph) -> list[str]:
    """What operators make that is no constant."""
    return [name for node in graph.nodes for name in node.outputs]
