"""The float network with its channels scaled as those of a file are, so that the two can be compared layer by layer.

Whoever made the file may have scaled channels (Nagel et al. 2019, "Data-Free Quantization Through Weight Equalization
and Bias Correction", section 4.1), as `effort="good"` does: its layers then hold other numbers, and none is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from octavo.condition.scaling import Linear, Scalable, linear_nodes, per_input, scalable, scaled
from octavo.ir.graph import with_tensors
from octavo.ir.types import Graph, Node
from octavo.numerics.affine import dequantize
from octavo.ops.table import spec_of

# What rounding weights to four bits may look like; channels that were scaled differ by more.
ROUNDING = 1.25
# Half of a layer's channels have weights at least so alike, or they are those of another training.
ALIKE = 0.9


def rescaled(floats: Graph, integers: Graph, nodes: Mapping[str, Node]) -> Graph:
    """The float graph with channels scaled as a file's are, which changes no result but what a maker clips, as there.

    Args:
        floats: The float graph.
        integers: The file's.
        nodes: The file's operator, by the first output of the float one.

    Returns:
        The same object where no channels were scaled.
    """
    sets = scalable(floats)
    for each, factors in zip(sets, _factors(floats, integers, nodes, sets), strict=True):
        if (np.abs(np.log(factors)) > np.log(ROUNDING)).any():
            changes = scaled(floats, each, factors)
            floats = with_tensors(floats, (replace(floats.tensors[n], data=data) for n, data in changes.items()))
    return floats


def _factors(floats: Graph, integers: Graph, nodes: Mapping[str, Node], sets: tuple[Scalable, ...]) -> list[np.ndarray]:
    """Of each set the factor of each channel: by the first layer that makes it, whose own inputs' factors are known."""
    number = {name: i for i, each in enumerate(sets) for name in each.tensors}
    found = [np.full(each.count, np.nan) for each in sets]
    linear = linear_nodes(floats)
    for node in floats.nodes:
        name = node.outputs[0]
        if name not in linear or name not in number or name not in nodes:
            continue
        own = linear[name]
        known = found[number[own.data]] if own.data in number else None
        entering = (
            None if known is None else sets[number[own.data]].of_channels(own.data, np.nan_to_num(known, nan=1.0))
        )
        places, made = sets[number[name]].places[name], found[number[name]]
        ratios = _ratios(floats, own, _real(integers, nodes[name], own), entering)
        fresh = (places >= 0) & np.isnan(made[places])
        made[places[fresh]] = ratios[fresh]
    return [np.nan_to_num(each, nan=1.0) for each in found]


def _ratios(floats: Graph, own: Linear, stored: np.ndarray | None, entering: np.ndarray | None) -> np.ndarray:
    """What each channel of a layer's results was multiplied by, by least squares; 1 where its weights do not tell."""
    shape, weight = floats.tensors[own.data].shape, floats.tensors[own.weight].values
    if stored is None or stored.shape != weight.shape:
        return np.ones(floats.tensors[own.node.outputs[0]].shape[-1])
    wanted, held = (own.form.matrices(shape, each.astype(np.float64)) for each in (weight, stored))
    if entering is not None:
        wanted = wanted / per_input(entering, wanted.shape)
    power, own_power = (np.square(each).sum(axis=1).reshape(-1) for each in (wanted, held))
    common = (wanted * held).sum(axis=1).reshape(-1)
    lives = (common > 0) & (power > 0)
    cosines = common[lives] / np.sqrt(power * own_power)[lives]
    if not lives.any() or np.median(cosines) < ALIKE:
        return np.ones_like(power)
    return np.where(lives, common / np.where(lives, power, 1.0), 1.0)


def _real(integers: Graph, node: Node, own: Linear) -> np.ndarray | None:
    """A layer's weight in the file, as the reals it stands for; None where it is computed, as of float16."""
    (index, _) = spec_of(own.node.op).weights[0]
    tensor = integers.tensors[str(node.inputs[index])]
    if tensor.data is None:
        return None
    return tensor.values if tensor.quantization is None else dequantize(tensor.values, tensor.quantization)
