"""Operators that say which matrix product they are compute that product."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from keras import ops

from octavo.ir.inputs import Inputs
from octavo.ops.fused import FusedActivation
from octavo.ops.roles import Weight
from octavo.ops.spec import Example, OpSpec
from octavo.ops.table import OPS
from single_op import CASES

PRODUCTS = {name: case for name, case in CASES.items() if case[0].matrix_form is not None}


@pytest.mark.parametrize(("spec", "example"), PRODUCTS.values(), ids=PRODUCTS)
def test_rows_times_matrices_are_the_operator(spec: OpSpec, example: Example) -> None:
    assert spec.matrix_form is not None
    ((weight_index, _),) = spec.weights
    ((_, bias_role),) = spec.biases
    assert len(example.shapes) > weight_index
    shape = example.shapes[bias_role.data]
    assert shape is not None
    x = np.random.default_rng(0).uniform(example.low, example.high, (2, *shape[1:])).astype(np.float32)
    weight = example.constants[weight_index]
    arrays = Inputs([x, *(example.constants[i] for i in range(1, len(example.shapes)))])
    options: Any = replace(example.options, fused_activation_function=FusedActivation.NONE)  # type: ignore[type-var]
    (wanted,) = spec.run_float(options, arrays)
    matrices = spec.matrix_form.matrices(x.shape, weight)
    sums = spec.matrix_form.rows(options, x, weight.shape, slice(None)) @ matrices
    found = sums.transpose(1, 0, 2).reshape(wanted.shape) + (arrays.get(2) if len(arrays) > 2 else 0)
    # Two orders of adding float32 products.
    bound = matrices.shape[1] * np.finfo(np.float32).eps * np.abs(x).max() * np.abs(matrices).sum(axis=1).max()
    assert np.abs(found - wanted).max() <= bound
    assert np.array_equal(spec.matrix_form.weight(matrices, weight.shape), weight)


@pytest.mark.every_backend
@pytest.mark.parametrize(("spec", "example"), PRODUCTS.values(), ids=PRODUCTS)
def test_on_tensors_of_a_backend_it_is_the_same_product(spec: OpSpec, example: Example) -> None:
    assert spec.matrix_form is not None
    data, weight = example.shapes[0], example.constants[1]
    assert data is not None
    x = np.random.default_rng(0).uniform(example.low, example.high, (2, *data[1:])).astype(np.float32)
    options: Any = replace(example.options, fused_activation_function=FusedActivation.NONE)  # type: ignore[type-var]
    (wanted,) = spec.run_float(options, Inputs([x, weight]))
    tensors = (ops.convert_to_tensor(each) for each in (x, weight))
    found = ops.convert_to_numpy(spec.matrix_form.on_tensors(ops, options, *tensors))
    matrices = spec.matrix_form.matrices(x.shape, weight)
    bound = matrices.shape[1] * np.finfo(np.float32).eps * np.abs(x).max() * np.abs(matrices).sum(axis=1).max()
    assert np.abs(found - wanted).max() <= bound


def test_what_has_one_weight_and_a_window_that_gathers_is_a_product() -> None:
    named = {name for name, spec in OPS.items() if spec.matrix_form is not None}
    assert named == {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"}
    assert all(isinstance(OPS[name].role(1), Weight) for name in named)
