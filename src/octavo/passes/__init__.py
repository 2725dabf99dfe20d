"""Rewrites of float graphs: each a function from a graph to a graph and notes."""

from octavo.passes.run import PASSES, PASSES_WITHOUT_NEW_ACTIVATIONS, Pass, apply_pass, run_passes

__all__ = ["PASSES", "PASSES_WITHOUT_NEW_ACTIVATIONS", "Pass", "apply_pass", "run_passes"]
