"""Pictures of real screens: runs commands of the first minute at several widths, and draws what they print as SVG.

`python tools/screens.py FOLDER` writes FOLDER/NAME-WIDTH.svg for each; the README's picture is one of them.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

WIDTHS = (60, 80, 120)
# Of a demo's folder; what each is called in pictures, and the command.
SCREENS = {
    "compare": "compare digits.keras --data samples.npz --test test.npz --schemes float32,dynamic,int8,int16x8,int8x4",
    "quantize": "quantize digits.keras --data samples.npz -o digits.tflite --force",
    "inspect": "inspect digits_int8.tflite",
    "fit": "fit digits_int8.tflite --board nano33ble",
    "verify": "verify digits_int8.tflite --cores none",
    "diagnose": "diagnose digits.keras --data samples.npz --test test.npz",
    "error": "quantize digits.keras --scheme int9 --data samples.npz",
    "help": "quantize --help",
}
# Web fonts that Rich names: a picture is drawn with the reader's own.
FONTS = re.compile(r"@font-face\s*\{.*?\}\s*", re.DOTALL)


def screen(command: str, folder: Path, width: int) -> str:
    """What a command prints on a terminal this wide, as SVG."""
    environment = {**os.environ, "COLUMNS": str(width), "FORCE_COLOR": "1", "PYTHONWARNINGS": "ignore"}
    called = subprocess.run(
        [sys.executable, "-m", "octavo", *command.split()],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    recorder = Console(record=True, width=width, file=io.StringIO(), force_terminal=True)
    # Progress, which comes and goes, is on standard error; so are errors, and then nothing else is there.
    recorder.print(Text.from_ansi(called.stdout or called.stderr))
    title = f"octavo {command}" if len(command) < width // 2 else f"octavo {command.split()[0]} ..."
    return FONTS.sub("", recorder.export_svg(title=title))


def main(out: Path) -> None:
    """Draw every screen at every width."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        demo = Path(folder, "demo")
        subprocess.run([sys.executable, "-m", "octavo", "demo", "--out", str(demo)], check=True, capture_output=True)
        for name, command in SCREENS.items():
            for width in WIDTHS:
                (out / f"{name}-{width}.svg").write_text(screen(command, demo, width), encoding="utf-8")
                print(out / f"{name}-{width}.svg")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
