"""The state of an installation as text."""

from __future__ import annotations

from octavo.doctor import Diagnosis
from octavo.report.tables import TextTable


def diagnosis_table(diagnosis: Diagnosis) -> TextTable:
    """One row a package."""
    rows = tuple(
        (finding.package.module, finding.version or f"missing: {finding.fix}", finding.package.purpose)
        for finding in diagnosis.findings
    )
    return TextTable("Packages", ("package", "version", "for"), rows)


def tools_table(diagnosis: Diagnosis) -> TextTable:
    """One row a program."""
    rows = tuple(
        (" or ".join(tool.commands), tool.path or f"missing: {tool.fix}", tool.purpose) for tool in diagnosis.tools
    )
    return TextTable("Programs", ("program", "where", "for"), rows)


def verdict(diagnosis: Diagnosis) -> list[str]:
    """The machine, the backend, the runtimes, and what is wrong."""
    machine = f"Python {diagnosis.python} on {diagnosis.machine}, {diagnosis.cores} cores"
    return [
        f"{machine}; Keras backend: {diagnosis.keras_backend or 'none'}",
        *diagnosis.runtimes,
        *(diagnosis.problems or ("Everything Octavo needs is here.",)),
    ]
