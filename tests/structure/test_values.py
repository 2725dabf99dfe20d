"""Values: what the package hands from stage to stage cannot be changed on the way."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from source_tree import modules


def dataclasses() -> Iterator[tuple[str, ast.ClassDef, set[str]]]:
    """Every dataclass with the options that are true of it."""
    for module, tree in modules().items():
        for node in ast.walk(tree):
            for decorator in getattr(node, "decorator_list", []):
                name, keywords = (
                    (decorator.func, decorator.keywords) if isinstance(decorator, ast.Call) else (decorator, [])
                )
                if isinstance(node, ast.ClassDef) and ast.unparse(name).endswith("dataclass"):
                    true = {str(each.arg) for each in keywords if ast.unparse(each.value) == "True"}
                    yield f"{module}.{node.name}", node, true


def keeps_what_it_computed(node: ast.ClassDef) -> bool:
    """Whether a class has a cached property, which needs a dictionary."""
    return any("cached_property" in map(ast.unparse, getattr(each, "decorator_list", [])) for each in node.body)


FOUND = list(dataclasses())


@pytest.mark.parametrize(("node", "options"), [each[1:] for each in FOUND], ids=[each[0] for each in FOUND])
def test_every_dataclass_is_frozen_and_slotted(node: ast.ClassDef, options: set[str]) -> None:
    assert options >= ({"frozen"} if keeps_what_it_computed(node) else {"frozen", "slots"})
