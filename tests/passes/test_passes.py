"""Rules over all passes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pass_graphs import GRAPHS, activations, assert_same_values, graph_of

from octavo.errors import GraphError
from octavo.ir.graph import with_tensors
from octavo.ir.notes import Note
from octavo.ir.types import Graph
from octavo.ops.text import format_graph
from octavo.passes import PASSES, Pass, Rewrite, apply_pass, declared, graph_pass, run_passes
from octavo.passes.drop_dead import drop_dead


def pass_name(run: Pass | Rewrite) -> str:
    return declared(run).name


each_graph = pytest.mark.parametrize("name", GRAPHS)
each_pass = pytest.mark.parametrize("run", [*PASSES, run_passes], ids=pass_name)


@each_graph
@each_pass
def test_a_pass_does_what_it_declares(run: Pass | Rewrite, name: str) -> None:
    before = graph_of(name)
    after, _ = apply_pass(run, before)
    assert (after.name, after.inputs, after.outputs) == (before.name, before.inputs, before.outputs)
    if run is run_passes or declared(run).keeps_values:
        assert_same_values(before, after)
        assert_same_values(before, after, batch=3)
    if not declared(run).makes_activations:
        assert set(activations(after)) <= set(activations(before))


def test_what_a_pass_declares_falsely_is_found() -> None:
    @graph_pass(keeps_values=True, makes_activations=False)
    def double_weights(graph: Graph) -> tuple[Graph, tuple[Note, ...]]:
        """CONV => CONV of twice the weights."""
        kernel = graph.tensors["kernel"]
        assert kernel.data is not None
        return with_tensors(graph, [replace(kernel, data=kernel.data * np.float32(2))]), ()

    with pytest.raises(AssertionError):
        test_a_pass_does_what_it_declares(double_weights, "nothing to do")


def test_an_undeclared_pass_keeps_nothing() -> None:
    def undeclared(graph: Graph) -> tuple[Graph, tuple[Note, ...]]:
        return graph, ()

    assert (declared(undeclared).keeps_values, declared(undeclared).makes_activations) == (False, True)
    assert declared(PASSES[0]) is PASSES[0]


def test_all_passes_of_the_library_keep_values() -> None:
    assert [a_pass.name for a_pass in PASSES if not a_pass.keeps_values] == []


@each_graph
@each_pass
def test_a_second_run_changes_nothing(run: Pass | Rewrite, name: str) -> None:
    once, notes = run(graph_of(name))
    twice, again = run(once)
    assert twice is once
    assert set(again) <= set(notes)


@each_graph
@each_pass
def test_nothing_dead_is_left_behind(run: Pass | Rewrite, name: str) -> None:
    live, _ = drop_dead(graph_of(name))
    after, _ = run(live)
    assert drop_dead(after)[0] is after


@each_graph
@each_pass
def test_the_same_graph_comes_back_exactly_if_nothing_changed(run: Pass | Rewrite, name: str) -> None:
    before = graph_of(name)
    after, _ = run(before)
    assert (after is before) == (format_graph(after) == format_graph(before))


@each_pass
def test_a_pass_leaves_a_graph_without_its_pattern_alone(run: Pass | Rewrite) -> None:
    graph = graph_of("nothing to do")
    assert run(graph) == (graph, ())
    assert run(graph)[0] is graph


@each_graph
@each_pass
def test_notes_name_their_pass_and_a_layer(run: Pass | Rewrite, name: str) -> None:
    graph = graph_of(name)
    layers = {node.layer for node in graph.nodes}
    stages = {a_pass.name for a_pass in PASSES}
    for note in run(graph)[1]:
        assert note.subject in layers
        assert note.stage == pass_name(run) if run in PASSES else note.stage in stages
        assert note.text.endswith(".")


@each_pass
def test_each_pass_says_what_it_turns_into_what(run: Pass | Rewrite) -> None:
    assert "=>" in (getattr(run, "rewrite", run).__doc__ or "") or run is run_passes


def test_every_pass_has_a_graph_that_it_changes() -> None:
    assert [run for run in PASSES if all(run(graph_of(name))[0] is graph_of(name) for name in GRAPHS)] == []


def test_a_pass_that_breaks_the_graph_is_named() -> None:
    def forget_a_tensor(graph: Graph) -> tuple[Graph, tuple[Note, ...]]:
        return replace(graph, nodes=graph.nodes[1:]), ()

    with pytest.raises(GraphError, match=r"fix: .*report this") as error:
        apply_pass(forget_a_tensor, graph_of("a residual block"))
    assert error.value.what.startswith("pass forget_a_tensor broke the graph")
