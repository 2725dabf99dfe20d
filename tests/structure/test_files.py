"""What the repository holds."""

from __future__ import annotations

import re

from source_tree import PACKAGE, ROOT, tracked_files

from octavo.report.operators import operators_page

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


def test_the_constraints_are_plain_pins() -> None:
    pins = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert pins
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", pin) for pin in pins)


def test_the_generated_operator_page_is_fresh() -> None:
    assert (ROOT / "docs" / "operators.md").read_text(encoding="utf-8") == operators_page(), "run `make docs`"
