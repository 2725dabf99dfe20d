"""Models in C whose tensors have several types: bytes with and without a sign, 16 bits, places, truth values."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from generated import NEEDS_COMPILER, NEEDS_EMULATOR, expected, on_core, on_host, random_vectors, write
from octavo.dtypes import DType
from octavo.errors import UnsupportedLayerError
from octavo.ir.types import Graph, Node, Options, Quantization, Tensor
from octavo.ops.indices import IndexType
from octavo.ops.ranking import ArgMaxOptions
from octavo.ops.table import OPS

SHAPE = (1, 5, 7)
AXIS = Tensor("axis", (), DType.INT32, np.array(1, np.int32))


def tensor(name: str, dtype: DType, scale: float = 0.1, zero_point: int = 0, shape: Sequence[int] = SHAPE) -> Tensor:
    stands = (
        None if dtype in (DType.BOOL, DType.INT32, DType.INT64) else Quantization(np.array(scale), np.array(zero_point))
    )
    return Tensor(name, tuple(shape), dtype, quantization=stands)


def node(op: str, inputs: Sequence[str], output: str, options: Options | None = None) -> Node:
    return Node(op, tuple(inputs), (output,), options or OPS[op].options(), layer=output)


def mixed() -> Graph:
    """Bytes without a sign in and out, an island of 16 bits, a choice by truth values, and places of the largest."""
    tensors = [
        tensor("x", DType.UINT8, 0.05, 120),
        tensor("chosen", DType.BOOL),
        tensor("signed", DType.INT8, 0.05, -8),
        tensor("wide", DType.INT16, 0.0002),
        tensor("magnitude", DType.INT16, 0.0003),
        tensor("narrow", DType.INT8, 0.06, 3),
        tensor("either", DType.INT8, 0.05, -8),
        tensor("again", DType.INT8, 0.05, -8),
        tensor("out", DType.UINT8, 0.07, 100),
        tensor("from_wide", DType.UINT8, 0.04, 9),
        tensor("places", DType.INT32, shape=(1, 7)),
        AXIS,
    ]
    nodes = [
        node("QUANTIZE", ["x"], "signed"),
        node("QUANTIZE", ["signed"], "wide"),
        node("ABS", ["wide"], "magnitude"),
        node("QUANTIZE", ["magnitude"], "narrow"),
        node("QUANTIZE", ["narrow"], "again"),
        node("SELECT_V2", ["chosen", "signed", "again"], "either"),
        node("QUANTIZE", ["either"], "out"),
        node("QUANTIZE", ["magnitude"], "from_wide"),
        node("ARG_MAX", ["either", "axis"], "places"),
    ]
    return Graph(
        "mixed", {t.name: t for t in tensors}, tuple(nodes), ("x", "chosen"), ("out", "places", "from_wide", "wide")
    )


@NEEDS_COMPILER
def test_tensors_of_all_types_meet_in_one_model(tmp_path: Path) -> None:
    graph = mixed()
    vectors = random_vectors(graph, 20)
    np.testing.assert_array_equal(on_host(graph, vectors, tmp_path), expected(graph, vectors))


@pytest.mark.parametrize("core", [pytest.param(core, marks=NEEDS_EMULATOR) for core in ("cortex-m0", "cortex-m4")])
def test_wide_values_lie_where_a_core_can_read_them(core: str, tmp_path: Path) -> None:
    graph = mixed()
    vectors = random_vectors(graph, 3)
    np.testing.assert_array_equal(on_core(graph, vectors, tmp_path, core).outputs, expected(graph, vectors))


def test_the_header_names_types_and_says_nothing_of_scales_where_there_are_none(tmp_path: Path) -> None:
    header = write(mixed(), tmp_path).files["network.h"]
    assert "int network_invoke(const void *const *in, void *const *out, void *arena);" in header
    assert "static inline uint8_t network_quantize_uint8(float real" in header
    assert "static inline int16_t network_quantize_int16(float real" in header
    assert "#define NETWORK_OUTPUT_1_BYTES 28" in header
    assert "NETWORK_OUTPUT_1_SCALE" not in header


def test_places_of_64_bits_are_refused_with_a_way_out(tmp_path: Path) -> None:
    tensors = [tensor("x", DType.INT8), tensor("places", DType.INT64, shape=(1, 7)), AXIS]
    search = node("ARG_MAX", ["x", "axis"], "places", ArgMaxOptions(IndexType.INT64))
    graph = Graph("far", {t.name: t for t in tensors}, (search,), ("x",), ("places",))
    with pytest.raises(UnsupportedLayerError, match=r"fix: +ask for output_type int32"):
        write(graph, tmp_path)
