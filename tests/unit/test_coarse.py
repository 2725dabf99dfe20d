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
    known = {"joined": (min(low for low, _ in ranges.values()), max(high for _, high in ranges.values())), **ranges}
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


SUM = """
    graph sum
    input x: float32[1,4]
    input y: float32[1,4]
    joined = ADD(x, y) @plus
    output joined
"""


@pytest.mark.parametrize("op", ["ADD", "SUB"])
@pytest.mark.parametrize(("y", "told"), [((0.0, 3.0), True), ((0.0, 5.0), False), ((0.0, 0.0), False)])
def test_what_is_added_to_something_far_larger_is_told(op: str, y: tuple[float, float], told: bool) -> None:
    found = found_in(SUM.replace("ADD", op), x=(0.0, 255.0), y=y)
    assert [each.tensor for each in found] == ["y"] * told
    assert all("adds its operands up in one scale, and 'y'" in each.note.text for each in found)


def test_a_small_constant_is_added_on_purpose() -> None:
    text = SUM.replace("input y: float32[1,4]", "const y: float32[1,1] = 0.001 @plus")
    assert found_in(text, x=(0.0, 255.0)) == ()
    (found,) = found_in(text.replace("= 0.001", "= 1000"), x=(0.0, 2.0), joined=(0.0, 1002.0))
    assert found.tensor == "x"


@pytest.mark.parametrize(("y", "told"), [((0.0, 1.5), True), ((0.0, 2.55), False)])
def test_what_is_chosen_may_be_a_hundredth_of_the_other(y: tuple[float, float], told: bool) -> None:
    text = SUM.replace("ADD(x, y)", "SELECT_V2(z, x, y)").replace("input y:", "input z: bool[1,4]\n input y:")
    assert len(found_in(text, x=(0.0, 255.0), y=y)) == told
