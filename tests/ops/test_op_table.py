"""Rules that every row of the op table must obey, whatever its operator."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from octavo.config import QuantizeConfig
from octavo.dtypes import DType
from octavo.errors import GraphError, UnsupportedLayerError
from octavo.ir.inputs import Inputs
from octavo.ir.types import NoOptions, PerAxis, PerTensor, Tensor
from octavo.ops import convert
from octavo.ops.roles import Data, Fixed, Parameter, Weight
from octavo.ops.schema import camel_case
from octavo.ops.spec import Example, OpSpec
from octavo.ops.table import FAMILIES, KERAS_FORMS, OPS, spec_of
from octavo.run import reference
from single_op import (
    CASES,
    INTEGER_CASES,
    as_integers,
    as_real_graph,
    as_reals,
    float_graph,
    integer_graph,
    samples,
    steps_in_time,
)

rows = pytest.mark.parametrize("spec", OPS.values(), ids=OPS)
examples = pytest.mark.parametrize(("spec", "example"), CASES.values(), ids=CASES)
# A table for int16 covers a range around 0, where these are infinite: it cannot follow them there.
BOUNDED_CASES = {
    name: case
    for name, case in INTEGER_CASES.items()
    if case[0].name not in ("LOG", "RSQRT") or case[2].scheme != "int16x8"
}


@rows
def test_a_row_is_named_after_a_schema_operator(spec: OpSpec) -> None:
    assert hasattr(schema.BuiltinOperator, spec.name)


@rows
def test_options_have_the_fields_of_their_schema_table(spec: OpSpec) -> None:
    if spec.options is NoOptions:
        return
    assert hasattr(schema.BuiltinOptions, spec.options.table) or hasattr(schema.BuiltinOptions2, spec.options.table)
    table = getattr(schema, f"{spec.options.table}T")()
    names = [field.name for field in fields(spec.options)]  # type: ignore[arg-type]
    assert [name for name in names if not hasattr(table, camel_case(name))] == []


@rows
def test_a_row_shows_at_least_two_examples_with_its_own_options(spec: OpSpec) -> None:
    # What stands between float and integers has no place in a float graph, which examples are.
    assert len(spec.examples) >= (0 if spec in convert.SPECS else 2)
    assert all(type(example.options) is spec.options for example in spec.examples)


@rows
def test_biases_speak_of_data_and_of_weights(spec: OpSpec) -> None:
    for _, role in spec.biases:
        assert isinstance(spec.role(role.data), Data)
        assert isinstance(spec.role(role.weight), Weight)


@rows
def test_a_row_has_a_role_for_every_input_of_its_examples(spec: OpSpec) -> None:
    for example in spec.examples:
        for i, shape in enumerate(example.shapes):
            role = spec.role(i)
            assert shape is None or isinstance(role, Data) or i in example.dtypes
            if i in example.constants:
                assert isinstance(role, Parameter) == (example.constants[i].dtype.kind in "ib")
    if not spec.variadic:
        with pytest.raises(GraphError, match=r"fix: +take the inputs from the op table"):
            spec.role(len(spec.inputs))


@rows
def test_weights_have_kernels_beside_each_integer_type(spec: OpSpec) -> None:
    for _, role in spec.weights:
        assert set(role.types) - {DType.FLOAT32} == set(spec.activations)
        assert all(DType.INT8 in types for types in role.types.values())
        assert all(
            granularity in (PerTensor(), PerAxis(role.axis))
            for types in role.types.values()
            for granularity in types.values()
        )


@rows
def test_outputs_have_fixed_parameters_for_every_integer_type(spec: OpSpec) -> None:
    integer_types = set(spec.activations) if spec.integer is not None else set()
    for dtype in (DType.INT8, DType.INT16):
        if any(spec.on_integers(example.options, dtype) is not None for example in spec.examples):
            integer_types.add(dtype)
    assert all(set(rule.parameters) == integer_types for rule in spec.outputs if isinstance(rule, Fixed))


@rows
def test_micro_claims_no_integer_type_that_the_row_has_no_kernel_for(spec: OpSpec) -> None:
    integer_types = set(spec.activations) if spec.integer is not None else set()
    for dtype in (DType.INT8, DType.INT16):
        if any(spec.on_integers(example.options, dtype) is not None for example in spec.examples):
            integer_types.add(dtype)
    assert spec.micro <= integer_types | {DType.FLOAT32, DType.INT32, DType.BOOL}


def test_no_operator_and_no_keras_name_is_claimed_twice() -> None:
    specs = [spec for family in FAMILIES for spec in family.SPECS]
    assert len(specs) == len(OPS)
    claimed = [name for spec in specs for name in spec.keras]
    assert len(claimed) == len(set(claimed))
    assert set(claimed) <= set(KERAS_FORMS)


def test_an_unknown_operator_is_refused_with_a_way_out() -> None:
    with pytest.raises(UnsupportedLayerError, match="add a row for it"):
        spec_of("NO_SUCH_OPERATOR").shapes(NoOptions(), Inputs(()))


@examples
def test_the_shape_rule_says_what_the_float_kernel_makes(spec: OpSpec, example: Example) -> None:
    graph = float_graph(spec, example)
    results = reference.run(graph, samples(graph, example)[0])
    assert {name: array.shape for name, array in results.items()} == {
        name: graph.tensors[name].shape for name in graph.outputs
    }
    assert {name: DType.of(array) for name, array in results.items()} == {
        name: graph.tensors[name].dtype for name in graph.outputs
    }


@examples
def test_per_axis_weights_have_one_scale_for_each_output_channel(spec: OpSpec, example: Example) -> None:
    graph = float_graph(spec, example)
    for i, role in spec.weights:
        assert example.constants[i].shape[role.axis] == graph.tensors[graph.outputs[0]].shape[-1]


@pytest.mark.parametrize(("spec", "example", "config"), BOUNDED_CASES.values(), ids=BOUNDED_CASES)
def test_the_integer_kernel_computes_the_real_function(spec: OpSpec, example: Example, config: QuantizeConfig) -> None:
    inputs = samples(float_graph(spec, example), example)
    graph = integer_graph(float_graph(spec, example), inputs, config)
    real = as_real_graph(graph)
    for values in inputs:
        integers = as_integers(graph, values)
        results, reals = reference.run(graph, integers), reference.run(real, as_reals(graph, integers))
        for name, steps in results.items():
            tensor = graph.tensors[name]
            assert steps.dtype == tensor.dtype.numpy
            if tensor.quantization is None:
                assert np.array_equal(steps, reals[name])
                continue
            exact = reals[name] / float(tensor.quantization.scale[0]) + int(tensor.quantization.zero_point[0])
            clipped = np.clip(exact, *tensor.dtype.integer_range)
            assert np.abs(steps - clipped).max() <= allowed_steps(spec, tensor)


def allowed_steps(spec: OpSpec, output: Tensor) -> float:
    """How far an integer kernel may lie from the real function, in steps of its output.

    A kernel's two roundings err by half a step each, at each step in time of a recurrence, and those of the examples
    amplify nothing. Kernels of 16 bits interpolate tables and multiply with 15 bits;
    what they must keep is a step of eight bits. How each computes to the last bit, the interpreters say (tests/tflite).
    """
    smallest, largest = output.dtype.integer_range
    steps = 1.0 if output.dtype is DType.INT8 else (largest - smallest) / 255
    steps *= steps_in_time(spec, output)
    if spec.name == "RESIZE_BILINEAR":
        # Down and across, places count in steps rounded to 2**-10 cells, and weights have ten bits.
        steps += 2 * (max(output.shape) / 2 + 1) * 2.0**-10 * (largest - smallest)
    return steps


FLAT = {
    spec.name: role.flat_beyond
    for spec in OPS.values()
    for role in spec.inputs
    if isinstance(role, Data) and role.flat_beyond is not None
}


@pytest.mark.parametrize(("name", "magnitude"), FLAT.items())
def test_what_is_flat_beyond_a_magnitude_moves_by_less_than_half_a_step(name: str, magnitude: float) -> None:
    spec, rule = OPS[name], OPS[name].rule()
    assert isinstance(rule, Fixed)
    for sign in (-1, 1):
        x = np.array([sign * magnitude, sign * 1e30], np.float32)
        ((at_edge, far),) = spec.run_float(NoOptions(), Inputs([x]))
        assert abs(at_edge - far) < min(scale for scale, _ in rule.parameters.values()) / 2
