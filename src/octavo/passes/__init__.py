"""Rewrites of float graphs: each a function from a graph to a graph and notes."""

from octavo.passes.run import PASSES, Pass, apply_pass, run_passes

__all__ = ["PASSES", "Pass", "apply_pass", "run_passes"]
