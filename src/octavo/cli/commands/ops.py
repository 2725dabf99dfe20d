"""`octavo ops`: the support matrix."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from octavo.cli.options import Json
from octavo.cli.output import print_json


def ops(
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the page docs/operators.md.")] = False,
    as_json: Json = False,
) -> None:
    """List the operators: from which Keras layers, in which schemes, on which runtimes."""
    from octavo.report.operators import LEGEND, composed_forms, operator_rows, operators_page, short_table
    from octavo.report.terminal import console, print_lines, print_table

    if as_json:
        print_json({"operators": [asdict(row) for row in operator_rows()], "composed": composed_forms()})
    elif markdown:
        print(operators_page(), end="")
    else:
        print_table(console(), short_table())
        print_lines(console(), [LEGEND, "int8x4, output scales and notes: octavo ops --markdown."])
