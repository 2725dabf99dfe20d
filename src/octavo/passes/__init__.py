"""Rewrites of float graphs: each a function from a graph to a graph and notes, with what it declares of itself."""

from octavo.passes.graph_pass import Pass, Rewrite, declared, graph_pass
from octavo.passes.run import PASSES, apply_pass, run_passes

__all__ = [
    "PASSES",
    "Pass",
    "Rewrite",
    "apply_pass",
    "declared",
    "graph_pass",
    "run_passes",
]
