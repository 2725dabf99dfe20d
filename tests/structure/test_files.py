"""What the repository holds."""

from __future__ import annotations

import re
import tomllib

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from octavo.cli import app
from octavo.report.operators import operators_page
from source_tree import PACKAGE, ROOT, tracked_files

LONGEST_MODULE_LINES = 400
# Modules allowed to be longer, each with its reason.
LONGER: dict[str, str] = {}

MACHINE_PATH = re.compile(r"(?<![\w.])/(home|Users|root|work|tmp|farm)/\w+")
TEXT_SUFFIXES = {".py", ".md", ".toml", ".txt", ".json", ".yml", ".yaml", ".c", ".h", ".j2", ""}


def test_no_module_is_longer_than_it_should_be() -> None:
    lines = {str(path.relative_to(PACKAGE)): len(path.read_text().splitlines()) for path in PACKAGE.rglob("*.py")}
    long = {name for name, count in lines.items() if count > LONGEST_MODULE_LINES}
    assert long == set(LONGER)


def test_no_tracked_file_names_a_path_of_somebodys_machine() -> None:
    texts = {path: path.read_text(encoding="utf-8") for path in tracked_files() if path.suffix in TEXT_SUFFIXES}
    found = {
        str(path.relative_to(ROOT)): match.group()
        for path, text in texts.items()
        if (match := MACHINE_PATH.search(text))
    }
    assert not found


def pins() -> dict[str, str]:
    """Version by package, in the normal form of its name."""
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line) for line in lines)
    return {canonicalize_name(name): version for name, version in (line.split("==") for line in lines)}


def test_every_dependency_is_pinned_to_a_plain_version_it_allows() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [project["dependencies"], *project["optional-dependencies"].values()]
    for requirement in (Requirement(text) for part in wanted for text in part):
        version = pins()[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version, prereleases=True), requirement


def test_commands_that_pages_name_exist() -> None:
    pages = "".join((ROOT / name).read_text() for name in ("README.md", "CONTRIBUTING.md", "docs/decisions.md"))
    (named,) = re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    targets = set(named.split())
    commands = {command.callback.__name__ for command in app.registered_commands if command.callback}
    assert set(re.findall(r"(?:^|`|  )make ([\w-]+)", pages, re.MULTILINE)) <= targets
    assert set(re.findall(r"(?:^|`)octavo (\w+)", pages, re.MULTILINE)) <= commands


def test_the_generated_operator_page_is_fresh() -> None:
    assert (ROOT / "docs" / "operators.md").read_text(encoding="utf-8") == operators_page(), "run `make docs`"
