"""Samples that a network's first layers get in numbers far smaller than those they were trained on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from octavo.evaluate.predict import one_by_one
from octavo.evaluate.saturation import MEND
from octavo.ir.graph import consumers, drop_dead, with_tensors
from octavo.ir.notes import Note
from octavo.ir.types import Graph, Node, Options, Tensor
from octavo.ops.fused import FusedActivation, activation_of
from octavo.ops.operands import data_inputs
from octavo.ops.roles import Bias, SameAsInput
from octavo.ops.table import spec_of
from octavo.write.tflite import write_tflite

Values = Mapping[str, np.ndarray]

# Samples whose products are looked at.
SAMPLES = 8
# A model that divides its inputs by so much was trained on numbers that reach about as far.
LEAST_DIVISOR = 100.0
# And what reaches a fiftieth of that has been divided before.
LEAST_REACH = 1 / 50
# Biases of trained layers are of the size of their products, or smaller; a normalization folded into them included.
LARGEST_BIAS = 24.0


def divided_twice(divisors: Mapping[str, float], x: Values) -> Iterator[Note]:
    """A note for each input whose values are far smaller than what the model divides them by.

    Args:
        divisors: By input, as `divisors_of` finds them.
        x: Real inputs by name.
    """
    for name, divisor in divisors.items():
        reach = float(np.abs(x[name]).max(initial=0.0))
        if divisor >= LEAST_DIVISOR and reach < divisor * LEAST_REACH:
            text = f"the samples reach no farther than {reach:.3g}, and the model itself divides them by {divisor:.4g}"
            yield Note("data", name, f"{text}: give them as they were before a division, integer_divisor=1")


def divisors_of(graph: Graph) -> dict[str, float]:
    """What the model itself divides each input by before anything else; inputs it does not divide are left out."""
    readers = consumers(graph)
    found = {name: {_divisor(graph, node) for node in readers[name]} for name in graph.inputs}
    return {name: max(each) for name, each in found.items() if each and min(each) > 1}


def drowned(graph: Graph, x: Values) -> Iterator[Note]:
    """A note for the first layers whose products are lost beside their biases, on some samples.

    Of inputs that were trained 255 times as large, a layer hears nothing but its biases. The other way round nothing
    tells: without biases of any size a network is the same at all scales.

    Args:
        graph: The float graph.
        x: Real inputs by name, first axis the sample.
    """
    first = {node.outputs[0]: (node, bias, values) for node, bias, values in _first_layers(graph)}
    if not first:
        return
    bare = [
        replace(node, options=_without_activation(node.options)) if node.outputs[0] in first else node
        for node in graph.nodes
    ]
    silent = [replace(bias, data=np.zeros_like(values)) for _, bias, values in first.values()]
    products = drop_dead(replace(with_tensors(graph, silent), nodes=tuple(bare), outputs=tuple(first)))
    few = {name: array[:SAMPLES] for name, array in x.items()}
    runs = list(one_by_one(write_tflite(products), few))
    for name, (node, _, values) in first.items():
        squares = np.mean([np.square(run[name].reshape(-1, values.size), dtype=np.float64).mean(0) for run in runs], 0)
        size = np.abs(values.ravel().astype(np.float64))
        told = (size > 0) & (squares > 0)
        ratio = float(np.median(size[told] / np.sqrt(squares[told]))) if 2 * told.sum() > told.size else 0.0
        if ratio > LARGEST_BIAS:
            text = f"its biases are {ratio:.0f} times as large as what the samples bring it"
            yield Note("data", node.layer, f"{text}, as of samples too small: {MEND}")


def _divisor(graph: Graph, node: Node) -> float:
    """What a node divides its operand by: one over the number it multiplies by; 0 if it does something else."""
    operands = node.inputs[1:] if node.op == "DIV" else node.inputs
    factors = [graph.tensors[name].data for name in operands if name is not None and graph.tensors[name].size == 1]
    if node.op not in ("MUL", "DIV") or len(factors) != 1 or factors[0] is None:
        return 0.0
    factor = abs(float(factors[0].reshape(-1)[0]))
    return factor if node.op == "DIV" else 1 / factor if factor else 0.0


def _first_layers(graph: Graph) -> Iterator[tuple[Node, Tensor, np.ndarray]]:
    """Nodes with weights and a bias that read inputs, perhaps moved or padded, and these biases."""
    reached = set(graph.inputs)
    for node in graph.nodes:
        spec = spec_of(node.op)
        if not any(name in reached for _, name in data_inputs(graph, node)):
            continue
        if not spec.weights:
            reached |= set(node.outputs) if isinstance(spec.rule(), SameAsInput) else set()
            continue
        biases = [graph.tensors[name] for i, name in enumerate(node.inputs) if name and isinstance(spec.role(i), Bias)]
        if len(biases) == 1 and biases[0].data is not None and biases[0].data.any():
            yield node, biases[0], biases[0].data


def _without_activation(options: Options) -> Options:
    none = FusedActivation.NONE
    if activation_of(options) is none:
        return options
    return replace(options, fused_activation_function=none)  # type: ignore[type-var]
