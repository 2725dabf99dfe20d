"""Passes over random graphs: neighbours no one thought of."""

from __future__ import annotations

import random

import pytest
from pass_graphs import activations, assert_same_values

from octavo.ops.text import parse_graph
from octavo.passes import PASSES, Pass, apply_pass, run_passes
from octavo.passes.drop_dead import drop_dead

PREAMBLE = """
input x: float32[1,4,4,3]
const one: float32[] = 1
const half: float32[] = 0.5
const zeros: float32[3] = 0
const channels: float32[1,1,1,3] = 2 -1 0.5
const pixels: float32[1,4,4,3] = normal(1)
const rows: float32[4,1] = normal(2)
const kernel: float32[3,3,3,3] = normal(3)
const point: float32[3,1,1,3] = normal(4)
const cells: float32[1,3,3,3] = normal(5)
const bias: float32[3] = 1 -2 3
const pads: int32[4,2] = 0 0 1 1 1 1 0 0
const flat: int32[2] = -1 48
const image: int32[4] = -1 4 4 3
const straight: int32[4] = 0 1 2 3
const crossed: int32[4] = 0 2 1 3
"""
CONSTANTS = ("one", "half", "zeros", "channels", "pixels", "rows")
STEPS = (
    "{y} = MUL({x}, {c}){act}",
    "{y} = ADD({c}, {x}){act}",
    "{y} = SUB({x}, {c}){act}",
    "{y} = SUB({c}, {x}){act}",
    "{y} = DIV({x}, half){act}",
    "k{y} = ADD({c}, half)\n{y} = MUL({x}, k{y})",
    "{y} = RELU({x})",
    "{y} = RELU6({x})",
    "{y} = CONV_2D({x}, kernel, bias){act}",
    "{y} = CONV_2D({x}, point, bias){act}",
    "{y} = DEPTHWISE_CONV_2D({x}, cells, bias){act}",
    "p{y} = PAD({x}, pads)\n{y} = CONV_2D(p{y}, kernel, bias) {{padding=VALID}}",
    "r{y} = RESHAPE({x}, flat)\n{y} = RESHAPE(r{y}, image)",
    "{y} = TRANSPOSE({x}, straight)",
    "{y} = TRANSPOSE({x}, crossed)",
    "{y} = ADD({x}, {other}){act}",
)
ACTIVATIONS = ("", "", "", " {fused_activation_function=RELU}")


def random_graph(seed: int) -> str:
    """A graph of up to 14 steps, each on one of the last three values; the last and sometimes another are outputs."""
    choose = random.Random(seed)
    values, lines = ["x"], []
    for i in range(choose.randint(2, 14)):
        step = choose.choice(STEPS).format(
            y=f"v{i}",
            x=choose.choice(values[-3:]),
            c=choose.choice(CONSTANTS),
            other=choose.choice(values),
            act=choose.choice(ACTIVATIONS),
        )
        lines.append(step)
        values.append(f"v{i}")
    outputs = {values[-1]: None, choose.choice([*values[1:], values[-1]]): None}
    return "\n".join([PREAMBLE, *lines, f"output {', '.join(outputs)}"])


@pytest.mark.parametrize("seed", range(80))
def test_all_passes_keep_values_and_leave_nothing_to_do(seed: int) -> None:
    before = parse_graph(random_graph(seed))
    after, _ = run_passes(before)
    assert_same_values(before, after, batch=2)
    assert run_passes(after)[0] is after
    assert drop_dead(after)[0] is after


@pytest.mark.parametrize("seed", range(0, 80, 4))
@pytest.mark.parametrize("run", PASSES, ids=lambda run: run.name)
def test_each_pass_does_what_it_declares(run: Pass, seed: int) -> None:
    before = parse_graph(random_graph(seed))
    after, _ = apply_pass(run, before)
    if run.keeps_values:
        assert_same_values(before, after, batch=2)
    if not run.makes_activations:
        assert set(activations(after)) <= set(activations(before))
