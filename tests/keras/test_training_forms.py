"""The forms that rows have in training compute what the operators compute."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from keras import ops

from octavo.ir.inputs import Inputs
from octavo.ops.fused import FusedActivation
from octavo.ops.spec import Example, OpSpec
from octavo.passes.affine import fused_activation
from single_op import CASES, float_graph, rounding_bound, samples

TRAINED = {
    name: (spec, example)
    for name, (spec, example) in CASES.items()
    if spec.training is not None
    and getattr(example.options, "fused_activation_function", FusedActivation.NONE) is FusedActivation.NONE
}


@pytest.mark.every_backend
@pytest.mark.parametrize(("spec", "example"), TRAINED.values(), ids=TRAINED)
def test_a_form_in_training_computes_what_the_float_kernel_does(spec: OpSpec, example: Example) -> None:
    assert spec.training is not None
    graph = float_graph(spec, example)
    (node,) = graph.nodes
    assert fused_activation(node) is FusedActivation.NONE
    function = spec.training(ops)
    options = {
        name: getattr(node.options, name)
        for name in inspect.signature(function).parameters
        if hasattr(node.options, name)
    }
    for values in samples(graph, example):
        arrays = [None if name is None else values.get(name, graph.tensors[name].data) for name in node.inputs]
        wanted = spec.run_float(node.options, Inputs(arrays))
        made = function(*(_tensor(array) for array in arrays), **options)
        for expected, tensor in zip(wanted, made if len(wanted) > 1 else [made], strict=True):
            result = ops.convert_to_numpy(tensor)
            # Elementary functions of all backends are good to some units in the last place.
            bound = rounding_bound(graph, values) + 16 * np.finfo(np.float32).eps * np.abs(expected).max()
            assert np.abs(result.astype(np.float64) - expected.astype(np.float64)).max() <= bound


def _tensor(array: np.ndarray | None) -> object:
    """Floats as tensors; shapes and axes as the numbers they are."""
    return array if array is None or array.dtype.kind == "i" else ops.convert_to_tensor(array)
