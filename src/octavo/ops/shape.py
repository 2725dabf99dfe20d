"""RESHAPE, TRANSPOSE, PAD, SLICE, STRIDED_SLICE: values move, none changes."""

from __future__ import annotations

from octavo.ops.spec import OpSpec

SPECS: tuple[OpSpec, ...] = ()
