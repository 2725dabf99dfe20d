"""The types of a model's inputs and outputs, whatever it works on."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from octavo.dtypes import DType
from octavo.errors import ConfigError
from octavo.ir.check import check_quantized, check_structure
from octavo.ir.types import Graph
from octavo.numerics.affine import representable
from octavo.ops.check import check_shapes
from octavo.quantization.io_types import set_io_types
from plan_graphs import executed, ops, parameters, planned

FLOAT32, INT8, INT16, UINT8 = DType.FLOAT32, DType.INT8, DType.INT16, DType.UINT8
TYPES = (None, FLOAT32, INT8, UINT8, INT16)


def retyped(
    name: str, input_type: DType | None, output_type: DType | None, scheme: str = "int8", **options: object
) -> Graph:
    return set_io_types(executed(*planned(name, scheme, **options)), input_type, output_type)


@pytest.mark.parametrize(("input_type", "output_type"), [*product(TYPES, TYPES)])
@pytest.mark.parametrize("scheme", ["int8", "int16x8"])
@pytest.mark.parametrize(
    "name",
    [
        "an output that is also read, among several",
        "an input that is joined directly",
        "two inputs",
        "an input that is an output",
    ],
)
def test_every_input_and_output_has_the_type_asked_for(
    name: str, scheme: str, input_type: DType | None, output_type: DType | None
) -> None:
    graph = retyped(name, input_type, output_type, scheme)
    own = INT8 if scheme == "int8" else INT16
    check_structure(graph)
    check_shapes(graph)
    check_quantized(graph)
    assert {graph.tensors[each].dtype for each in graph.inputs} == {input_type or own}
    assert {graph.tensors[each].dtype for each in graph.outputs} == {output_type or own}
    before, _ = planned(name)
    assert graph.inputs == before.inputs
    assert [each.partition("/")[0] for each in graph.outputs] == list(before.outputs)


def test_nothing_is_added_where_the_types_are_right() -> None:
    graph = executed(*planned("two inputs"))
    assert set_io_types(graph, INT8, INT8) is graph


def test_uint8_is_int8_with_another_zero_point() -> None:
    graph = retyped("a softmax that is reshaped", UINT8, UINT8)
    assert ops(graph) == ["QUANTIZE", "FULLY_CONNECTED", "SOFTMAX", "RESHAPE", "QUANTIZE"]
    assert parameters(graph, "pairs").scale[0] == np.float32(1 / 256)
    assert parameters(graph, "pairs").zero_point[0] == 0


@pytest.mark.parametrize(("scheme", "dtype"), [("int8", INT16), ("int16x8", INT8), ("int16x8", UINT8)])
def test_between_8_and_16_bits_every_value_keeps_a_place(scheme: str, dtype: DType) -> None:
    plain, graph = retyped("two inputs", None, None, scheme), retyped("two inputs", dtype, None, scheme)
    own = INT8 if scheme == "int8" else INT16
    inner, outer = representable(parameters(plain, "a"), own), representable(parameters(graph, "a"), dtype)
    # The smallest value of a symmetric type stands one step beyond the largest's negative; its place is the largest's.
    step = float(parameters(graph, "a").scale[0])
    assert outer[0] - step <= inner[0]
    assert inner[1] <= outer[1] + step / 2
    assert outer[1] == pytest.approx(max(-inner[0], inner[1]), rel=1e-6)


@pytest.mark.parametrize("scheme", ["float32", "float16", "dynamic"])
def test_a_float_model_cannot_take_integers(scheme: str) -> None:
    with pytest.raises(ConfigError, match=r"fix: +leave the type out, or do not skip the layer there"):
        retyped("two inputs", INT8, None, scheme)
    assert retyped("two inputs", FLOAT32, FLOAT32, scheme).tensors["a"].dtype is FLOAT32


def test_an_island_at_the_end_cannot_hand_out_integers() -> None:
    with pytest.raises(ConfigError, match="'z' cannot be uint8"):
        retyped("a chain that only moves values", None, UINT8, skip=["dense"])
