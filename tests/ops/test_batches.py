"""Reference kernels that compute run on any number of samples, though graphs hold a batch dimension of 1."""

from __future__ import annotations

import numpy as np
import pytest

from octavo.config import QuantizeConfig
from octavo.ops import conv, dense, pool, reduce
from octavo.ops.spec import Example, OpSpec
from octavo.run import reference
from single_op import INTEGER_CASES, as_integers, float_graph, integer_graph, samples

COMPUTING = {spec.name for family in (conv, dense, pool, reduce) for spec in family.SPECS}
CASES = {name: case for name, case in INTEGER_CASES.items() if case[0].name in COMPUTING}


@pytest.mark.parametrize(("spec", "example", "config"), CASES.values(), ids=CASES)
def test_several_samples_at_once_give_what_each_gives_alone(
    spec: OpSpec, example: Example, config: QuantizeConfig
) -> None:
    floats = samples(float_graph(spec, example), example)
    graph = integer_graph(float_graph(spec, example), floats, config)
    inputs = [as_integers(graph, values) for values in floats]
    alone = [reference.run(graph, values) for values in inputs]
    together = reference.run(graph, {name: np.concatenate([v[name] for v in inputs]) for name in graph.inputs})
    for name in graph.outputs:
        assert np.array_equal(together[name], np.concatenate([values[name] for values in alone]))
