"""Build the documentation as a site: the pages of docs/, README, CONTRIBUTING and SKILL, and the API of docstrings.

    python tools/site.py site

The tutorial is the notebook of examples/, run when the site is built; `--no-run` leaves its outputs out.
Pages of the repository link to each other as files; a site has them all in one folder, which is made first.
"""

from __future__ import annotations

import inspect
import os
import re
import shutil
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import octavo
from notebook import as_markdown

ROOT = Path(__file__).resolve().parents[1]
# Pages that stand outside docs/, and their names in the site.
OUTSIDE = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "SKILL.md": "skill.md"}
TUTORIAL = ROOT / "examples" / "first_hour.ipynb"
# A link that leads out of the site becomes the name of what it leads to.
LINK = re.compile(r"\[([^\]]+)\]\((?!https?:|#)([^)#\s]+)(#[^)]*)?\)")


def gather(folder: Path) -> None:
    """Copy all pages into one folder, with links between them that hold there."""
    names = {ROOT / "docs" / path.name: path.name for path in (ROOT / "docs").glob("*.md")}
    names.pop(ROOT / "docs" / "README.md")
    names |= {ROOT / source: name for source, name in OUTSIDE.items()}
    for source, name in names.items():
        text = source.read_text(encoding="utf-8")
        if source.name == "SKILL.md":
            text = text.split("---", 2)[2].lstrip()
        (folder / name).write_text(LINK.sub(partial(_link, source=source, names=names), text), encoding="utf-8")


def api_page() -> str:
    """A page of every name that `import octavo` offers, from its docstring."""
    lines = ["# API", "", "What `import octavo` offers; importing it loads neither Keras nor TensorFlow.", ""]
    offered = {name: getattr(octavo, name) for name in octavo.__all__}
    for name, what in sorted(offered.items(), key=lambda pair: (not inspect.isfunction(pair[1]), pair[0])):
        if inspect.isfunction(what) or inspect.isclass(what):
            lines += [f"::: {what.__module__}.{name}", ""]
    return "\n".join(lines)


def _link(match: re.Match[str], source: Path, names: dict[Path, str]) -> str:
    text, target, anchor = match.group(1), match.group(2), match.group(3) or ""
    place = (source.parent / target).resolve()
    if place == ROOT / "docs" / "README.md":
        return f"[{text}](index.md)"
    return f"[{text}]({names[place]}{anchor})" if place in names else text


def main() -> int:
    """Build into the folder named; 0 if every page and every link is right."""
    given = [each for each in sys.argv[1:] if each != "--no-run"]
    target = Path(given[0] if given else "site").resolve()
    with tempfile.TemporaryDirectory() as made:
        pages = Path(made) / "docs"
        pages.mkdir()
        gather(pages)
        (pages / "api.md").write_text(api_page(), encoding="utf-8")
        (pages / "tutorial.md").write_text(as_markdown(TUTORIAL, "--no-run" not in sys.argv), encoding="utf-8")
        config = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
        config = config.replace("docs_dir: docs", f"docs_dir: {pages}").replace("paths: [src]", f"paths: [{ROOT}/src]")
        (Path(made) / "mkdocs.yml").write_text(config, encoding="utf-8")
        built = Path(made) / "site"
        command = [sys.executable, "-m", "mkdocs", "build", "-q", "-f", f"{made}/mkdocs.yml", "-d", str(built)]
        code = subprocess.run(command, check=False, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}).returncode
        if code == 0:
            shutil.rmtree(target, ignore_errors=True)
            shutil.move(built, target)
    return code


if __name__ == "__main__":
    sys.exit(main())
