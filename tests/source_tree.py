"""The package's source as syntax trees, for tests of the source itself."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "octavo"


@cache
def modules() -> dict[str, ast.Module]:
    """Syntax tree by dotted module name; a package stands under its own name."""
    trees = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        trees[name] = ast.parse(path.read_text(encoding="utf-8"), str(path))
    return trees


def imports(name: str) -> Iterator[str]:
    """Modules of the package that module `name` imports, anywhere in its text; those for type checkers included."""
    for node in ast.walk(modules()[name]):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "octavo")
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} has a relative import in line {node.lineno}"
            for alias in node.names:
                target = f"{node.module}.{alias.name}"
                if str(node.module).split(".")[0] == "octavo":
                    yield target if target in modules() else str(node.module)


def tracked_files() -> list[Path]:
    """Files git tracks, or, outside a checkout, every file that is not hidden or generated."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listing.returncode == 0:
        return [path for name in listing.stdout.split("\0") if name and (path := ROOT / name).is_file()]
    kept = ("src", "tests", "bench", "docs", "examples", "tools", "changelog.d")
    return [path for path in ROOT.rglob("*") if path.is_file() and path.relative_to(ROOT).parts[0] in kept]
