"""A small network of several operators, as graphs and files: what tests of the runtimes and of verification share."""

from __future__ import annotations

from functools import cache

import numpy as np

from octavo.config import QuantizeConfig, scheme_named
from octavo.ir.types import Graph
from octavo.ops.build import GraphBuilder
from octavo.ops.conv import Conv2DOptions
from octavo.ops.dense import FullyConnectedOptions
from octavo.ops.fused import FusedActivation
from octavo.ops.shape import emit_reshape
from octavo.plan.make import make_plan
from octavo.quantization.assign import assign
from octavo.quantization.shrink import shrink_weights
from octavo.run import reference
from single_op import Values

CLASSES = 7
COUNT = 6


@cache
def float_network() -> Graph:
    """conv (8 channels, relu) -> flatten -> dense (7 classes), on 6x6x3 images; input "image", output "scores"."""
    rng = np.random.default_rng(3)
    b = GraphBuilder("small")
    image = b.input("image", (1, 6, 6, 3))
    b.layer = "features"
    kernel = b.constant(rng.normal(size=(8, 3, 3, 3)).astype(np.float32), "kernel")
    bias = b.constant(rng.normal(size=8).astype(np.float32), "bias")
    x = b.emit("CONV_2D", [image, kernel, bias], Conv2DOptions(fused_activation_function=FusedActivation.RELU))
    b.layer = "flat"
    x = emit_reshape(b, x, (1, 288))
    b.layer = "scores"
    weights = b.constant(rng.normal(size=(CLASSES, 288)).astype(np.float32), "weights")
    offset = b.constant(rng.normal(size=CLASSES).astype(np.float32), "offset")
    return b.finish([b.emit("FULLY_CONNECTED", [x, weights, offset], FullyConnectedOptions())])


@cache
def images() -> np.ndarray:
    """Samples of the network, shape (6, 6, 6, 3)."""
    return np.random.default_rng(5).normal(size=(COUNT, 6, 6, 3)).astype(np.float32)


def samples() -> list[Values]:
    """The same, each with a batch of 1 and by input name."""
    return [{"image": images()[i : i + 1]} for i in range(COUNT)]


@cache
def network(scheme: str) -> Graph:
    """The network under a scheme."""
    graph, config = float_network(), QuantizeConfig(scheme=scheme)
    plan = make_plan(graph, config)
    if not scheme_named(scheme).needs_data:
        return shrink_weights(graph, plan)
    values = reference.run(graph, {"image": images()}, keep=tuple(plan.observed))
    return assign(graph, plan, {name: (float(array.min()), float(array.max())) for name, array in values.items()})
