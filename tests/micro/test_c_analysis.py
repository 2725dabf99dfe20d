"""All kernels in one file: what compilers and static analysis say of them, which is nothing."""

from __future__ import annotations

import shutil
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest

from octavo.board.host import WARNINGS

# Those that others build upon come first.
FIRST = ("common.h", "sums_16.c", "interpolate.c", "reciprocal.c", "sigmoid.c")
FIRST += ("helium.c", "conv_layout.c", "conv_dsp.c", "conv_helium.c", "conv_plain.c")
FIRST += ("depthwise_layout.c", "depthwise_lines.c", "depthwise_dsp.c", "depthwise_helium.c")
CORTEX_M = ("-mthumb", "-ffreestanding")
COMPILERS = {
    "gcc": ("gcc", "-std=c99", "-O2"),
    "g++": ("g++", "-x", "c++", "-std=c++11"),
    "clang": ("clang", "-std=c99"),
    "gcc for a Cortex-M0": ("arm-none-eabi-gcc", "-std=c99", "-O2", "-mcpu=cortex-m0", *CORTEX_M),
    "gcc for a Cortex-M4": ("arm-none-eabi-gcc", "-std=c99", "-O2", "-mcpu=cortex-m4", *CORTEX_M),
    "g++ for a Cortex-M55": ("arm-none-eabi-g++", "-x", "c++", "-std=c++11", "-mcpu=cortex-m55", *CORTEX_M),
}
# Not asked: what every compiler for these cores does (arithmetic shifts to the right), what is so on 32 bits alone (an
# int that becomes an offset), and what is a matter of taste.
CPPCHECK = ("--std=c99", "--enable=warning,portability,performance", "--suppress=shiftTooManyBitsSigned")
TIDY = (
    "-*",
    "clang-analyzer-*",
    "bugprone-*",
    "-bugprone-easily-swappable-parameters",
    "-bugprone-macro-parentheses",
    "-bugprone-narrowing-conversions",
    "-bugprone-implicit-widening-of-multiplication-result",
)


@pytest.fixture(scope="module")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = files("octavo") / "kernels"
    names = sorted(
        item.name for item in folder.iterdir() if item.name.endswith((".h", ".c")) and item.name not in FIRST
    )
    path = tmp_path_factory.mktemp("kernels") / "kernels.c"
    texts = [(folder / name).read_text(encoding="utf-8") for name in (*FIRST, *names)]
    path.write_text("#define OCTAVO_WEIGHTS\n" + "\n".join(texts))
    return path


def quiet(*command: str | Path) -> None:
    """Run a program that must not complain; skip where it is not installed."""
    if shutil.which(str(command[0])) is None:
        pytest.skip(f"no {command[0]}")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("compiler", COMPILERS)
def test_compilers_have_nothing_to_say_of_any_kernel(compiler: str, kernels: Path) -> None:
    quiet(*COMPILERS[compiler], *WARNINGS, "-c", kernels, "-o", kernels.with_suffix(".o"))


def test_cppcheck_is_quiet(kernels: Path) -> None:
    quiet("cppcheck", "--quiet", "--error-exitcode=3", *CPPCHECK, kernels)


@pytest.mark.exhaustive
def test_clang_tidy_is_quiet(kernels: Path) -> None:
    checks = f"--checks={','.join(TIDY)}"
    quiet("clang-tidy", "--quiet", "--warnings-as-errors=*", checks, kernels, "--", "-std=c99")
