"""RESIZE_NEAREST_NEIGHBOR, RESIZE_BILINEAR: images made larger or smaller."""

from __future__ import annotations

from octavo.ops.spec import OpSpec

SPECS: tuple[OpSpec, ...] = ()
