"""What several commands do."""

from __future__ import annotations

import json
import shlex
import sys
from contextvars import ContextVar
from pathlib import Path

import typer

from octavo.errors import OctavoError, OutputError

# The arguments of the command that runs.
CALLED_WITH: ContextVar[tuple[str, ...]] = ContextVar("CALLED_WITH", default=())


def start_keras_for(model: Path) -> None:
    """Start Keras if the model is one of its files."""
    from octavo.load.paths import KERAS_ENDINGS, existing

    if existing(model).suffix in KERAS_ENDINGS:
        from octavo.backend import start_keras

        start_keras()


def command_line() -> str:
    """The command that runs, as it can be typed again."""
    return shlex.join(["octavo", *CALLED_WITH.get()])


def check_free(option: str, path: Path, force: bool) -> None:
    """Refuse a place that cannot be written to, or holds a file; on a terminal the user is asked.

    Args:
        option: Which names another place.
        path: Of the file to write.
        force: Whether it may be replaced.

    Raises:
        OutputError: if it may not, or cannot be.
    """
    from octavo.files import check_place

    check_place(path)
    if not path.exists() or force:
        return
    asked = sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()
    if not (asked and typer.confirm(f"'{path}' exists. Replace it?", err=True)):
        raise OutputError(
            f"'{path}' exists.",
            got=f"a file of {path.stat().st_size:,} bytes",
            expected="a new name",
            fix=f"say --force to replace it, or {option} for another place",
        )


def check_page_free(option: str, page: Path, force: bool) -> None:
    """As `check_free`, of a page and of its figures, which lie beside it.

    Raises:
        OutputError: as `check_free`; and for a page without the ending of one.
    """
    from octavo.files import figures_beside

    if page.suffix.lower() not in (".html", ".htm"):
        raise OutputError(
            f"'{page}' is no name of a page.",
            got=f"the ending '{page.suffix}'" if page.suffix else "no ending",
            expected="a name that ends in .html; the figures lie beside it as .json",
            fix=f"say {option} {page.with_suffix('.html')}",
        )
    for path in (page, figures_beside(page)):
        check_free(option, path, force)


def marked(model: Path, *marks: str) -> str:
    """The name of a model's file with what was made of it, once.

    >>> marked(Path("net.keras"), "int8", "qat"), marked(Path("net_int8_qat.keras"), "int8", "qat")
    ('net_int8_qat', 'net_int8_qat')
    """
    end = "_" + "_".join(marks)
    return model.stem.removesuffix(end) + end


def print_json(value: object) -> None:
    """Print one object on standard output."""
    print(json.dumps(value, indent=2, default=str))


def print_json_error(error: OctavoError) -> None:
    """Print an error as one line of JSON on standard output."""
    parts = {"what": error.what, "got": error.got, "expected": error.expected, "fix": error.fix}
    print(json.dumps({"error": {"kind": type(error).__name__, **parts}}))
