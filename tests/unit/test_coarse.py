"""Operands that share a scale with larger ones: which are told, by the range of what was only moved or made."""

from __future__ import annotations

import pytest

from octavo.quantization.coarse import FEW_STEPS, CoarseOperand, coarse_operands
from octavo.quantization.parameters import settle_parameters
from plan_graphs import planned

JOINED = """
    graph detector
    input x: float32[1,4]
    input y: float32[1,2,2]
    const line: int32[2] = -1 4 @flat
    small = RESHAPE(y, line) @flat
    joined = CONCATENATION(x, small) {axis=1} @join
    output joined
"""
SIGMOID = JOINED.replace("RESHAPE(y, line)", "RESHAPE(s, line)").replace("small =", "s = LOGISTIC(y) @gate\n small =")
CONSTANT = """
    graph detector
    input x: float32[1,4]
    const prefix: float32[1,2] = 0.5 -1 @join
    joined = CONCATENATION(x, prefix) {axis=1} @join
    output joined
"""


def found_in(text: str, scheme: str = "int8", **ranges: tuple[float, float]) -> tuple[CoarseOperand, ...]:
    graph, plan = planned(text, scheme)
    known = {**ranges, "joined": (min(low for low, _ in ranges.values()), max(high for _, high in ranges.values()))}
    return coarse_operands(graph, plan, settle_parameters(graph, plan, known).activations, known)


def test_what_is_left_with_few_steps_is_told_with_its_range_and_its_steps() -> None:
    (found,) = found_in(JOINED, x=(0.0, 255.0), y=(-2.0, 1.0))
    assert (found.tensor, found.operand, found.op, found.layer) == ("small", "flat", "CONCATENATION", "join")
    assert (found.low, found.high) == (-2.0, 1.0)
    assert found.steps == pytest.approx(3.0, rel=0.02)
    assert found.is_output
    assert found.layers == ("join",)


@pytest.mark.parametrize("y", [(-17.0, 1.0), (0.0, 0.0), (0.0, FEW_STEPS + 0.5)])
def test_what_keeps_steps_or_is_nothing_but_zeros_is_not(y: tuple[float, float]) -> None:
    assert found_in(JOINED, x=(0.0, 255.0), y=y) == ()


def test_int16_leaves_more() -> None:
    assert found_in(JOINED, "int16x8", x=(-255.0, 255.0), y=(-2.0, 1.0)) == ()
    (found,) = found_in(JOINED, "int16x8", x=(-32767.0, 32767.0), y=(-2.0, 1.0))
    assert found.steps == pytest.approx(3.0, rel=0.02)


def test_what_a_kernel_fixes_has_the_range_it_fixes() -> None:
    (found,) = found_in(SIGMOID, x=(0.0, 2550.0), y=(-2.0, 1.0))
    assert (found.tensor, found.low, found.high) == ("small", 0.0, pytest.approx(255 / 256))


def test_a_constant_has_its_own_range() -> None:
    (found,) = found_in(CONSTANT, x=(0.0, 255.0))
    assert (found.tensor, found.low, found.high) == ("prefix", -1.0, 0.5)


def test_of_what_was_joined_before_nothing_is_known_but_all_of_it() -> None:
    twice = JOINED.replace("output joined", "both = CONCATENATION(joined, joined) {axis=1} @twice\n output both")
    (found,) = found_in(twice, x=(0.0, 255.0), y=(-2.0, 1.0))
    assert found.tensor == "small"
    assert found.layers == ("join", "twice")


def test_an_operator_that_moves_nothing_together_is_not_looked_at() -> None:
    text = JOINED.replace("CONCATENATION(x, small) {axis=1}", "MAXIMUM(x, small)")
    assert found_in(text, x=(0.0, 255.0), y=(-2.0, 1.0)) == ()
