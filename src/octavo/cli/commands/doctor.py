"""`octavo doctor`: what is installed."""

from __future__ import annotations

from dataclasses import asdict

import typer

from octavo.cli.exit_codes import CHECK_SAID_NO, DONE
from octavo.cli.options import Json
from octavo.cli.output import print_json


def doctor(as_json: Json = False) -> None:
    """Tell what is installed, what is missing and how to get it; exit 1 if Octavo cannot work."""
    from octavo.doctor import look_around
    from octavo.report.installation import installation_table, tools_table, verdict
    from octavo.report.terminal import console, print_lines, print_table

    installation = look_around()
    if as_json:
        print_json(asdict(installation))
    else:
        screen = console()
        print_table(screen, installation_table(installation))
        print_table(screen, tools_table(installation))
        print_lines(screen, verdict(installation))
    raise typer.Exit(CHECK_SAID_NO if installation.problems else DONE)
