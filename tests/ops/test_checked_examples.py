"""Every example of the op table, in float and quantized, is a graph that the checks accept."""

from __future__ import annotations

import pytest

from octavo.config import QuantizeConfig
from octavo.ir.check import check_float, check_quantized, check_structure
from octavo.ops.check import check_scales, check_shapes
from octavo.ops.spec import Example, OpSpec
from single_op import CASES, INTEGER_CASES, float_graph, integer_graph, samples


@pytest.mark.parametrize(("spec", "example"), CASES.values(), ids=CASES)
def test_a_float_example_is_a_good_graph(spec: OpSpec, example: Example) -> None:
    graph = float_graph(spec, example)
    check_structure(graph)
    check_shapes(graph)
    check_float(graph)


@pytest.mark.parametrize(("spec", "example", "config"), INTEGER_CASES.values(), ids=INTEGER_CASES)
def test_a_quantized_example_is_a_good_graph(spec: OpSpec, example: Example, config: QuantizeConfig) -> None:
    graph = float_graph(spec, example)
    graph = integer_graph(graph, samples(graph, example), config)
    check_structure(graph)
    check_shapes(graph)
    check_quantized(graph)
    check_scales(graph)
