"""MEAN, SUM, REDUCE_MAX, REDUCE_MIN: dimensions folded away."""

from __future__ import annotations

from octavo.ops.spec import OpSpec

SPECS: tuple[OpSpec, ...] = ()
