"""Inputs of which some are absent, and what only some tensors have."""

from __future__ import annotations

import numpy as np
import pytest

from octavo.dtypes import DType
from octavo.errors import GraphError
from octavo.ir.inputs import Inputs
from octavo.ir.types import Quantization, Tensor


def test_present_inputs_are_indexed_iterated_and_unpacked() -> None:
    inputs = Inputs(["x", "kernel"])
    first, second = inputs
    assert (first, second, inputs[0], inputs.get(1)) == ("x", "kernel", "x", "kernel")
    assert len(inputs) == 2
    assert list(inputs) == ["x", "kernel"]


def test_an_optional_input_that_is_absent_or_beyond_the_last_is_none() -> None:
    inputs = Inputs(["x", None])
    assert inputs.get(1) is inputs.get(2) is None
    assert inputs.items == ("x", None)


@pytest.mark.parametrize("index", [1, 3], ids=["absent", "beyond the last"])
def test_a_required_input_that_is_absent_is_named(index: int) -> None:
    with pytest.raises(GraphError, match=rf"(?s)input {index} .*inputs 0, 2.*fix: +give the operator every input"):
        Inputs(["x", None, "bias"])[index]


def test_iterating_takes_every_input_for_required() -> None:
    with pytest.raises(GraphError, match=r"(?s)input 0 .*got: +inputs none"):
        list(Inputs([None]))


def test_a_constant_has_values_and_a_quantized_tensor_parameters() -> None:
    data = np.array([1, 2], np.int8)
    tensor = Tensor("w", (2,), DType.INT8, data, Quantization(np.array(0.1), np.array(-3)))
    assert np.array_equal(tensor.values, data)
    assert tensor.parameters is tensor.quantization
    assert (tensor.scale, tensor.zero_point) == (float(np.float32(0.1)), -3)


def test_values_of_what_is_not_constant_are_refused() -> None:
    with pytest.raises(GraphError, match=r"(?s)'x' of layer 'conv' must be constant.*fix: +compute it before"):
        _ = Tensor("x", (2,), layer="conv").values


def test_parameters_of_what_is_not_quantized_are_refused() -> None:
    with pytest.raises(GraphError, match=r"(?s)'x' .*has no quantization.*fix: +take the graph that"):
        _ = Tensor("x", (2,)).parameters
