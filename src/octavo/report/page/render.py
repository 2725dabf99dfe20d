"""The page itself: content, charts drawn beforehand, and the script that makes them answer to the reader."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from octavo.errors import MissingDependencyError
from octavo.report.page.charts import better_is_up, charts, layer

# The width charts are drawn in for readers without JavaScript.
STATIC_WIDTH = 680


def render(content: Mapping[str, Any]) -> str:
    """The HTML of a page, in one piece: nothing is fetched when it is opened.

    Raises:
        MissingDependencyError: without Jinja2 or vl-convert-python.
    """
    try:
        from jinja2 import Environment, PackageLoader, StrictUndefined
    except ImportError as error:
        raise _missing(error) from error
    specs = charts(content)
    environment = Environment(
        loader=PackageLoader("octavo.report.page", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["share"] = lambda value: f"{100 * value:.2f} %"
    environment.filters["count"] = lambda value: f"{value:,}"
    environment.filters["short"] = lambda value: "-" if value is None else f"{value:.4g}"
    folder = files("octavo.report.page")
    return environment.get_template("page.html.j2").render(
        content=content,
        rises=better_is_up(content),
        static={name: _static(spec) for name, spec in specs.items()},
        specs=_in_script({**specs, "layers": [layer(view) for view in content.get("views", [])]}),
        library=_library(),
        style=folder.joinpath("page.css").read_text(encoding="utf-8"),
        script=folder.joinpath("page.js").read_text(encoding="utf-8"),
    )


def _static(spec: Mapping[str, Any]) -> str:
    """A chart as SVG."""
    try:
        import vl_convert
    except ImportError as error:
        raise _missing(error) from error
    return str(vl_convert.vegalite_to_svg({**spec, "width": STATIC_WIDTH}))


@cache
def _library() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script that sets `window.vegaEmbed`."""
    try:
        import vl_convert
    except ImportError as error:
        raise _missing(error) from error
    script = str(vl_convert.javascript_bundle())  # type: ignore[call-arg]
    return script.replace("</script", "<\\/script")


def _in_script(value: object) -> str:
    """JSON that may stand within a script element."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")


def _missing(error: ImportError) -> MissingDependencyError:
    return MissingDependencyError(
        "a page needs Jinja2 and vl-convert-python.",
        got=str(error),
        expected="the extra 'report'",
        fix='pip install "octavo[report]"',
    )
