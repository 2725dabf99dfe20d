"""Builds with CMSIS-NN's kernels compute the same bytes: one operator each, over examples and shapes."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from bundled import Bundle, random_bundle
from cmsis_nn_library import NEEDS_CMSIS_NN, library
from generated import NEEDS_COMPILER, NEEDS_EMULATOR
from kernel_shapes import SHAPES, shaped
from octavo.board.emulator import COMPILER, CORES
from octavo.ir.types import Graph
from octavo.write.c.cmsis_nn import LOWERINGS
from single_op import INTEGER_CASES, float_graph, integer_graph, samples

CASES = {
    name: case
    for name, case in INTEGER_CASES.items()
    if case[0].name in LOWERINGS and case[2].scheme in ("int8", "int8x4")
}


def example(name: str) -> Graph:
    spec, given, config = CASES[name]
    graph = float_graph(spec, given)
    return integer_graph(graph, samples(graph, given), config)


@cache
def every() -> Bundle:
    graphs = {**{name: example(name) for name in CASES}, **{name: shaped(name) for name in SHAPES}}
    return random_bundle(graphs, 10, cmsis_nn=True)


def different(ran: dict[str, np.ndarray]) -> list[str]:
    return [name for name, made in ran.items() if not np.array_equal(made, every().expected(name))]


@NEEDS_CMSIS_NN
@NEEDS_COMPILER
def test_operators_by_cmsis_nn_equal_the_reference_on_this_machine(tmp_path: Path) -> None:
    assert different(every().on_host(tmp_path, *library(tmp_path / "cmsis", "gcc"))) == []


@NEEDS_CMSIS_NN
@pytest.mark.parametrize("core", [pytest.param(core, marks=NEEDS_EMULATOR) for core in ("cortex-m4", "cortex-m55")])
def test_operators_by_cmsis_nn_equal_the_reference_on_a_core(core: str, tmp_path: Path) -> None:
    flags = library(tmp_path / "cmsis", COMPILER, "-mthumb", *CORES[core].flags)
    assert different(every().on_core(tmp_path, core, *flags)) == []


@pytest.mark.exhaustive
@NEEDS_COMPILER
def test_the_same_files_without_cmsis_nn_equal_the_reference(tmp_path: Path) -> None:
    assert different(every().on_host(tmp_path)) == []
