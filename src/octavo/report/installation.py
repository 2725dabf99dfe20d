"""The state of an installation as text."""

from __future__ import annotations

from octavo.doctor import Installation
from octavo.report.tables import TextTable


def installation_table(installation: Installation) -> TextTable:
    """One row a package."""
    rows = tuple(
        (finding.package.module, finding.version or f"missing: {finding.fix}", finding.package.purpose)
        for finding in installation.findings
    )
    return TextTable("Packages", ("package", "version", "for"), rows)


def tools_table(installation: Installation) -> TextTable:
    """One row a program."""
    rows = tuple(
        (" or ".join(tool.commands), tool.path or f"missing: {tool.fix}", tool.purpose) for tool in installation.tools
    )
    return TextTable("Programs", ("program", "where", "for"), rows)


def verdict(installation: Installation) -> list[str]:
    """The machine, the backend, the runtimes, and what is wrong."""
    machine = f"Python {installation.python} on {installation.machine}, {installation.cores} cores"
    return [
        f"{machine}; Keras backend: {installation.keras_backend or 'none'}",
        *installation.runtimes,
        *(installation.problems or ("Everything Octavo needs is here.",)),
    ]
