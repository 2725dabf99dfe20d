"""Graphs whose plans differ in kind, and what the tests of plans and of the files made by them share."""

from __future__ import annotations

import numpy as np

from octavo.config import QuantizeConfig, scheme_named
from octavo.ir.types import Graph, Quantization
from octavo.numerics.affine import Range
from octavo.ops.text import parse_graph
from octavo.plan.make import make_plan
from octavo.plan.types import Group, Plan
from octavo.quantization.assign import assign
from octavo.quantization.shrink import shrink_weights
from octavo.run import reference
from single_op import Values

GRAPHS: dict[str, str] = {
    "a chain that only moves values": """
        input x: float32[1,6,6,3]
        const k: float32[4,3,3,3] = normal(1) @conv
        const b: float32[4] = normal(2) @conv
        const flat: int32[2] = -1 36 @flatten
        const w: float32[5,36] = normal(3) @dense
        const c: float32[5] = normal(4) @dense
        y = CONV_2D(x, k, b) {fused_activation_function=RELU} @conv
        pool = MAX_POOL_2D(y) {stride_w=2, stride_h=2, filter_width=2, filter_height=2} @pool
        line = RESHAPE(pool, flat) @flatten
        z = FULLY_CONNECTED(line, w, c) @dense
        output z
    """,
    "free tensors concatenated": """
        input x: float32[1,4,4,2]
        const k1: float32[3,1,1,2] = normal(1) @small
        const b1: float32[3] = normal(2) @small
        const k2: float32[3,3,3,2] = normal(3) @large
        const b2: float32[3] = normal(4) @large
        small = CONV_2D(x, k1, b1) @small
        large = CONV_2D(x, k2, b2) @large
        joined = CONCATENATION(small, large) {axis=3} @join
        output joined
    """,
    "fixed tensors of two kinds and a free one concatenated": """
        input x: float32[1,8]
        sigmoid = LOGISTIC(x) @sigmoid
        tanh = TANH(x) @tanh
        free = RELU(x) @relu
        joined = CONCATENATION(sigmoid, tanh, free) {axis=1} @join
        output joined
    """,
    "readers that are flat far from zero": """
        input x: float32[1,8]
        const w: float32[8,8] = normal(1) @dense
        const flat: int32[2] = -1 8 @reshape
        wide = FULLY_CONNECTED(x, w) @dense
        line = RESHAPE(wide, flat) @reshape
        sigmoid = LOGISTIC(line) @sigmoid
        tanh = TANH(wide) @tanh
        shared = FULLY_CONNECTED(tanh, w) @second
        gate = LOGISTIC(shared) @gate
        gated = MUL(shared, gate) @gated
        output sigmoid, gated
    """,
    "fixed tensors alike concatenated": """
        input x: float32[1,8]
        const w: float32[8,8] = normal(1) @dense
        dense = FULLY_CONNECTED(x, w) @dense
        left = LOGISTIC(x) @left
        right = LOGISTIC(dense) @right
        joined = CONCATENATION(left, right) {axis=1} @join
        output joined
    """,
    "a softmax that is reshaped": """
        input x: float32[1,8]
        const w: float32[6,8] = normal(1) @dense
        const b: float32[6] = normal(2) @dense
        const shape: int32[3] = -1 2 3 @shape
        dense = FULLY_CONNECTED(x, w, b) @dense
        soft = SOFTMAX(dense) @softmax
        pairs = RESHAPE(soft, shape) @shape
        output pairs
    """,
    "constants added and concatenated": """
        input x: float32[1,4,3]
        const offset: float32[1,4,3] = normal(1) @add
        const prefix: float32[1,2,3] = normal(2) @join
        sum = ADD(x, offset) @add
        joined = CONCATENATION(prefix, sum) {axis=1} @join
        output joined
    """,
    "an input that is joined directly": """
        input x: float32[1,4,4,2]
        const k: float32[2,3,3,2] = normal(1) @conv
        const b: float32[2] = normal(2) @conv
        y = CONV_2D(x, k, b) @conv
        joined = CONCATENATION(x, y) {axis=3} @join
        output joined
    """,
    "an output that is also read, among several": """
        input x: float32[1,6]
        const w1: float32[5,6] = normal(1) @first
        const b1: float32[5] = normal(2) @first
        const w2: float32[4,5] = normal(3) @second
        const b2: float32[4] = normal(4) @second
        first = FULLY_CONNECTED(x, w1, b1) {fused_activation_function=RELU} @first
        second = FULLY_CONNECTED(first, w2, b2) @second
        third = LOGISTIC(second) @third
        output second, first, third
    """,
    "an input that is an output": """
        input x: float32[1,6]
        const w: float32[5,6] = normal(1) @dense
        y = FULLY_CONNECTED(x, w) @dense
        output y, x
    """,
    "a layer shared by inputs of different ranges": """
        input x: float32[1,6]
        const hundred: float32[] = 100 @scale
        const w: float32[5,6] = normal(1) @shared
        const b: float32[5] = normal(2) @shared
        near = FULLY_CONNECTED(x, w, b) @shared
        far_x = MUL(x, hundred) @scale
        far = FULLY_CONNECTED(far_x, w, b) @shared
        output near, far
    """,
    "two inputs": """
        input a: float32[1,6]
        input b: float32[1,6]
        sum = ADD(a, b) @add
        product = MUL(a, b) @mul
        output sum, product
    """,
    "a clip far beyond the values": """
        input x: float32[1,16]
        const low: float32[] = -1 @clip
        const high: float32[] = 1000000 @clip
        above = MAXIMUM(x, low) @clip
        between = MINIMUM(above, high) @clip
        output between
    """,
    "a clip shared by tensors of different ranges": """
        input x: float32[1,16]
        const hundred: float32[] = 100 @scale
        const low: float32[] = -0.5 @clip
        near = MAXIMUM(x, low) @clip
        far_x = MUL(x, hundred) @scale
        far = MAXIMUM(far_x, low) @clip
        output near, far
    """,
    "a clip beyond what a fixed tensor can hold": """
        input x: float32[1,16]
        const two: float32[] = 2 @clip
        sigmoid = LOGISTIC(x) @sigmoid
        above = MAXIMUM(sigmoid, two) @clip
        output above
    """,
    "an operator without integer kernels between others": """
        input x: float32[1,8]
        const w1: float32[8,8] = normal(1) @before
        const w2: float32[4,8] = normal(2) @after
        const w3: float32[4,8] = normal(3) @other
        before = FULLY_CONNECTED(x, w1) @before
        const axis: int32[1] = 1 @running
        running = CUMSUM(before, axis) @running
        again = CUMSUM(before, axis) @again
        after = FULLY_CONNECTED(running, w2) @after
        other = FULLY_CONNECTED(running, w3) @other
        output after, other, again
    """,
    "operators without int16 kernels": """
        input x: float32[1,4,4,3]
        const k: float32[4,3,3,3] = normal(1) @conv
        const b: float32[4] = normal(2) @conv
        const alpha: float32[1,1,4] = 0.1 0.2 0.3 0.4 @prelu
        const w: float32[3,64] = normal(4) @dense
        const shape: int32[2] = -1 64 @flatten
        y = CONV_2D(x, k, b) @conv
        prelu = PRELU(y, alpha) @prelu
        swish = HARD_SWISH(prelu) @swish
        flat = RESHAPE(swish, shape) @flatten
        z = FULLY_CONNECTED(flat, w) @dense
        output z
    """,
    "an operator of several results": """
        input x: float32[1,4,6]
        const w: float32[6,6] = normal(1) @dense
        const axis: int32[] = 2 @split
        const v: float32[4,3] = normal(2) @left
        y = FULLY_CONNECTED(x, w) {keep_num_dims=True} @dense
        l, r = SPLIT(axis, y) {num_splits=2} @split
        left = FULLY_CONNECTED(l, v) {keep_num_dims=True} @left
        gate = LOGISTIC(r) @gate
        gated = MUL(r, gate) @gated
        output left, gated
    """,
    "a transposed convolution": """
        input x: float32[1,3,3,4]
        const size: int32[4] = 1 6 6 6 @up
        const k: float32[6,8,8,4] = normal(1) @up
        y = TRANSPOSE_CONV(size, k, x) {stride_w=2, stride_h=2} @up
        output y
    """,
    "a layer large enough for hybrid kernels and one that is not": """
        input x: float32[1,64]
        const w1: float32[32,64] = normal(1) @large
        const b1: float32[32] = normal(2) @large
        const w2: float32[4,32] = normal(3) @small
        large = FULLY_CONNECTED(x, w1, b1) {fused_activation_function=RELU} @large
        small = FULLY_CONNECTED(large, w2) @small
        output small
    """,
}

SAMPLES = 8


def graph_of(name: str) -> Graph:
    """One of the graphs by its name, or the graph of a text."""
    return parse_graph(GRAPHS.get(name, name))


def planned(name: str, scheme: str = "int8", **options: object) -> tuple[Graph, Plan]:
    """One of the graphs and its plan."""
    graph = graph_of(name)
    return graph, make_plan(graph, QuantizeConfig.from_mapping({"scheme": scheme, **options}))


def group_of(plan: Plan, name: str) -> Group:
    """The group a tensor belongs to."""
    (group,) = (group for group in plan.groups if name in group.tensors)
    return group


def samples(graph: Graph) -> list[Values]:
    """Standard normal inputs, the same on every call."""
    rng = np.random.default_rng(7)
    shapes = {name: graph.tensors[name].shape for name in graph.inputs}
    return [{name: rng.normal(size=shapes[name]).astype(np.float32) for name in shapes} for _ in range(SAMPLES)]


def ranges_of(graph: Graph, plan: Plan) -> dict[str, Range]:
    """Ranges of what the plan observes, on the samples."""
    names = [name for name in plan.observed if not graph.tensors[name].is_constant]
    runs = [reference.run(graph, values, keep=names) for values in samples(graph)]
    return {name: (min(float(r[name].min()) for r in runs), max(float(r[name].max()) for r in runs)) for name in names}


def executed(graph: Graph, plan: Plan) -> Graph:
    """The graph the plan makes."""
    return assign(graph, plan, ranges_of(graph, plan)) if plan.scheme.needs_data else shrink_weights(graph, plan)


def parameters(graph: Graph, name: str) -> Quantization:
    """What the integers of a tensor stand for."""
    found = graph.tensors[name].quantization
    assert found is not None
    return found


def ops(graph: Graph) -> list[str]:
    """Names of a graph's operators, in execution order."""
    return [node.op for node in graph.nodes]


def least_sqnr_db(graph: Graph, scheme: str) -> float:
    """The signal to quantization noise ratio that a correct execution reaches.

    A rounding in steps of s adds noise of power s^2 / 12 (Widrow 1956). A tensor that reaches k standard deviations on
    either side has steps of 2k / 2^bits deviations; k is 6 at most for tensors of this size. A float16 errs by at most
    2^-11 of its value. At worst each rounding, of every tensor and every constant, is one of the coarsest and adds its
    noise to the output.
    """
    types = [dtype for dtype in (scheme_named(scheme).activations, scheme_named(scheme).weights) if dtype]
    bits = [dtype.bits for dtype in types if not dtype.is_float]
    one_rounding = (2 * 6 / 2.0 ** min(bits)) ** 2 / 12 if bits else 2.0**-22
    roundings = sum(tensor.dtype.is_float for tensor in graph.tensors.values())
    return -10 * float(np.log10(one_rounding * roundings))
