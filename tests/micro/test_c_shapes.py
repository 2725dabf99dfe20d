"""Kernels with weights over shapes that take every way through them equal the reference."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from bundled import Bundle, random_bundle
from generated import NEEDS_COMPILER, NEEDS_EMULATOR
from kernel_shapes import SHAPES, shaped

EIGHT_BITS = ("int8", "int8x4")
SCHEMES = (*EIGHT_BITS, "int16x8")
NAMES = [f"{name}, {scheme}" for name in SHAPES for scheme in SCHEMES]


@cache
def all_shapes(schemes: tuple[str, ...] = SCHEMES) -> Bundle:
    graphs = {f"{name}, {scheme}": shaped(name, scheme) for name in SHAPES for scheme in schemes}
    return random_bundle(graphs, 10)


@pytest.fixture(scope="module")
def from_host(tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    return all_shapes().on_host(tmp_path_factory.mktemp("host"))


@NEEDS_COMPILER
@pytest.mark.parametrize("name", NAMES)
def test_any_shape_equals_the_reference_on_the_host(name: str, from_host: dict[str, np.ndarray]) -> None:
    np.testing.assert_array_equal(from_host[name], all_shapes().expected(name))


# The DSP extension, and the vector extension, which sixteen bits do not use.
@pytest.mark.parametrize(
    ("core", "schemes"),
    [
        pytest.param("cortex-m4", SCHEMES, marks=NEEDS_EMULATOR),
        pytest.param("cortex-m55", EIGHT_BITS, marks=NEEDS_EMULATOR),
    ],
)
def test_any_shape_equals_the_reference_on_a_core(core: str, schemes: tuple[str, ...], tmp_path: Path) -> None:
    shapes = all_shapes(schemes)
    ran = shapes.on_core(tmp_path, core)
    assert [name for name in ran if not np.array_equal(ran[name], shapes.expected(name))] == []


@cache
def widened() -> Bundle:
    """The convolutions with weights of eight bits held in sixteen."""
    shapes = {name: shaped(name) for name in SHAPES if SHAPES[name][0] == "CONV_2D"}
    return random_bundle(shapes, 10, fast=True)


@NEEDS_COMPILER
def test_widened_weights_equal_the_reference_on_the_host(tmp_path: Path) -> None:
    ran = widened().on_host(tmp_path)
    assert [name for name in ran if not np.array_equal(ran[name], widened().expected(name))] == []


@pytest.mark.parametrize("core", [pytest.param(core, marks=NEEDS_EMULATOR) for core in ("cortex-m4", "cortex-m55")])
def test_widened_weights_equal_the_reference_on_a_core(core: str, tmp_path: Path) -> None:
    ran = widened().on_core(tmp_path, core)
    assert [name for name in ran if not np.array_equal(ran[name], widened().expected(name))] == []
