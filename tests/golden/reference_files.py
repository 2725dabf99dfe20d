"""Files whose bytes a refactoring must not change, and the digests they had when that was last meant.

Run as a program it writes the digests anew:

    python tests/golden/reference_files.py

Nothing here depends on the machine: constants are drawn uniformly from numpy's frozen generator, ranges are given, and
every operation on the way to the file is one that IEEE arithmetic rounds correctly.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np

from octavo.config import SCHEMES, QuantizeConfig
from octavo.dtypes import DType
from octavo.ir.types import Graph, Tensor
from octavo.ops.text import parse_graph
from octavo.passes import run_passes
from octavo.plan.make import make_plan
from octavo.quantization.quantize import quantized_graph
from octavo.write.tflite import write_tflite

DIGESTS = Path(__file__).with_name("digests.json")

GRAPHS: Mapping[str, str] = MappingProxyType(
    {
        "residual classifier": """
            graph residual
            input image: float32[1,8,8,3]
            const k1: float32[8,3,3,3] = 0 @stem
            const b1: float32[8] = 0 @stem
            const s1: float32[8] = 0 @norm
            const o1: float32[8] = 0 @norm
            const k2: float32[8,3,3,8] = 0 @block
            const b2: float32[8] = 0 @block
            const axes: int32[2] = 1 2 @mean
            const w: float32[10,8] = 0 @scores
            const c: float32[10] = 0 @scores
            stem = CONV_2D(image, k1, b1) @stem
            scaled = MUL(stem, s1) @norm
            norm = ADD(scaled, o1) @norm
            relu = RELU(norm) @relu
            block = CONV_2D(relu, k2, b2) {fused_activation_function=RELU} @block
            sum = ADD(relu, block) @sum
            mean = MEAN(sum, axes) @mean
            scores = FULLY_CONNECTED(mean, w, c) @scores
            soft = SOFTMAX(scores) @soft
            output soft
        """,
        "depthwise network": """
            graph depthwise
            input image: float32[1,9,9,4]
            const around: int32[4,2] = 0 0 1 1 1 1 0 0 @pad
            const k1: float32[1,3,3,8] = 0 @depthwise
            const b1: float32[8] = 0 @depthwise
            const k2: float32[16,1,1,8] = 0 @pointwise
            const b2: float32[16] = 0 @pointwise
            const flat: int32[2] = -1 256 @flatten
            const w: float32[5,256] = 0 @dense
            pad = PAD(image, around) @pad
            depthwise = DEPTHWISE_CONV_2D(pad, k1, b1) {padding=VALID, depth_multiplier=2} @depthwise
            relu6 = RELU6(depthwise) @relu6
            pointwise = CONV_2D(relu6, k2, b2) @pointwise
            pool = MAX_POOL_2D(pointwise) {stride_w=2, stride_h=2, filter_width=3, filter_height=3, padding=VALID} @pool
            flatten = RESHAPE(pool, flat) @flatten
            dense = FULLY_CONNECTED(flatten, w, _) @dense
            output dense, pool
        """,
        "joined gates": """
            graph gates
            input left: float32[1,6]
            input right: float32[1,6]
            const w: float32[6,6] = 0 @shared
            const b: float32[6] = 0 @shared
            const offset: float32[6] = 0 @offset
            a = FULLY_CONNECTED(left, w, b) @shared
            c = FULLY_CONNECTED(right, w, b) @shared
            gate = LOGISTIC(a) @gate
            state = TANH(c) @state
            product = MUL(gate, state) @product
            moved = ADD(right, offset) @offset
            joined = CONCATENATION(gate, state, moved) {axis=1} @joined
            output product, joined
        """,
        "decoder": """
            graph decoder
            input code: float32[1,3,3,4]
            const size: int32[4] = 1 6 6 6 @up
            const k1: float32[6,3,3,4] = 0 @up
            const alpha: float32[1,1,6] = 0 @prelu
            const k2: float32[2,3,3,6] = 0 @conv
            const b2: float32[2] = 0 @conv
            const twice: int32[2] = 12 12 @resize
            up = TRANSPOSE_CONV(size, k1, code) {stride_w=2, stride_h=2} @up
            prelu = PRELU(up, alpha) @prelu
            resize = RESIZE_NEAREST_NEIGHBOR(prelu, twice) @resize
            conv = CONV_2D(resize, k2, b2) @conv
            output conv
        """,
    }
)

CONFIGS: Mapping[str, QuantizeConfig] = MappingProxyType(
    {name: QuantizeConfig(name) for name in SCHEMES}
    | {
        "int8 per tensor": QuantizeConfig("int8", per_axis=False),
        "int8 of uint8 to float32": QuantizeConfig("int8", input_type="uint8", output_type="float32"),
        "int16x8 of int8 to int8": QuantizeConfig("int16x8", input_type="int8", output_type="int8"),
        "int8 with float islands": QuantizeConfig("int8", skip=("[mp]*",)),
    }
)
CASES = [(graph, config) for graph in GRAPHS for config in CONFIGS]


def reference_file(graph_name: str, config_name: str) -> bytes:
    """The file of a graph under a configuration, after the passes, from fixed ranges."""
    graph, _ = run_passes(with_drawn_constants(parse_graph(GRAPHS[graph_name])))
    config = CONFIGS[config_name]
    plan = make_plan(graph, config)
    ranges = {name: (-1 - i / 4, 2 + i / 2) for i, name in enumerate(plan.observed)}
    return write_tflite(quantized_graph(graph, plan, config, ranges))


def with_drawn_constants(graph: Graph) -> Graph:
    """The graph with float constants uniform in -1..1, each drawn by a seed of its own."""
    tensors = {name: _drawn(seed, tensor) for seed, (name, tensor) in enumerate(graph.tensors.items())}
    return replace(graph, tensors=tensors)


def _drawn(seed: int, tensor: Tensor) -> Tensor:
    if not tensor.is_constant or tensor.dtype is not DType.FLOAT32:
        return tensor
    return replace(tensor, data=np.random.RandomState(seed).uniform(-1, 1, tensor.shape).astype(np.float32))


def digest(content: bytes) -> str:
    """Size and SHA-256 of a file, on one line."""
    return f"{len(content)} bytes, {hashlib.sha256(content).hexdigest()}"


def recorded() -> dict[str, dict[str, str]]:
    """Digests by graph and configuration, as last written."""
    return json.loads(DIGESTS.read_text(encoding="utf-8"))


def main() -> None:
    """Write the digests anew."""
    digests: dict[str, dict[str, str]] = {graph: {} for graph in GRAPHS}
    for graph, config in CASES:
        digests[graph][config] = digest(reference_file(graph, config))
    DIGESTS.write_text(json.dumps(digests, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
