"""The graph that is written, of whatever scheme."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from octavo.config import IO_TYPES, QuantizeConfig
from octavo.ir.check import check_quantized, check_structure
from octavo.ir.types import Graph
from octavo.numerics.affine import Range
from octavo.ops.check import check_scales
from octavo.plan.types import Plan
from octavo.quantization.assign import assign
from octavo.quantization.io_types import set_io_types
from octavo.quantization.shrink import shrink_weights

Limits = Mapping[str, np.ndarray]


def quantized_graph(
    graph: Graph, plan: Plan, config: QuantizeConfig, ranges: Mapping[str, Range], limits: Limits = MappingProxyType({})
) -> Graph:
    """The graph to write.

    Raises:
        ConfigError: if an input or output type is asked for that a float layer cannot give.
    """
    needs_data = plan.scheme.needs_data
    quantized = assign(graph, plan, ranges, limits) if needs_data else shrink_weights(graph, plan, limits)
    wanted = (None if name is None else IO_TYPES[name] for name in (config.input_type, config.output_type))
    quantized = set_io_types(quantized, *wanted)
    check_structure(quantized)
    check_quantized(quantized)
    check_scales(quantized)
    return quantized
