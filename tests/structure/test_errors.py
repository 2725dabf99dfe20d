"""Errors have four parts, everywhere."""

from __future__ import annotations

import ast
import inspect

from source_tree import modules

import octavo.errors
from octavo.errors import OctavoError

KINDS = {name for name, kind in inspect.getmembers(octavo.errors, inspect.isclass) if issubclass(kind, OctavoError)}
PARTS = {"got", "expected", "fix"}


def constructed() -> list[tuple[str, ast.Call]]:
    """Every place that makes one of the errors: (where, call)."""
    return [
        (f"{name}:{node.lineno}", node)
        for name, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in KINDS
    ]


def test_every_error_made_in_the_source_has_what_got_expected_and_fix() -> None:
    incomplete = [
        where for where, call in constructed() if len(call.args) != 1 or {word.arg for word in call.keywords} != PARTS
    ]
    assert not incomplete


def test_every_kind_of_error_is_made_somewhere() -> None:
    made = {call.func.id for _, call in constructed() if isinstance(call.func, ast.Name)}
    parents = {base.__name__ for name in KINDS for base in getattr(octavo.errors, name).__bases__}
    assert KINDS - parents <= made


def test_the_tree_drawn_in_the_docstring_is_the_tree_of_classes() -> None:
    drawing = octavo.errors.__doc__ or ""
    assert all(name in drawing for name in KINDS)
