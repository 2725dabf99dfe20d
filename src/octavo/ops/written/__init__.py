"""Keras operations as other operations of keras.ops, which have forms of their own.

A recipe is a Python function: it is given the operation, whose attributes are its options, and what the operation was
called on, and returns what it computes, written in keras.ops. It runs on symbols; arrays stay arrays.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from octavo.ops.spec import KerasForm
from octavo.ops.written import (
    arrays,
    bits,
    functions,
    images,
    layers,
    losses,
    matrices,
    products,
    reductions,
    segments,
    spectra,
)

FORMS: Mapping[str, KerasForm] = MappingProxyType(
    {
        **functions.FORMS,
        **bits.FORMS,
        **losses.FORMS,
        **reductions.FORMS,
        **arrays.FORMS,
        **products.FORMS,
        **matrices.FORMS,
        **images.FORMS,
        **segments.FORMS,
        **spectra.FORMS,
        **layers.FORMS,
    }
)
