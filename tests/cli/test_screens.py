"""What people see and do at a terminal: narrow ones, pipes, files that exist, names, and the habits of other tools."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from command_line import Ran, Run
from octavo.cli.exit_codes import BAD_INPUT
from octavo.report.tables import TextTable
from octavo.report.terminal import fitted

TABLE = TextTable(
    "Costs",
    ("scheme", "accuracy", "file bytes", "remark"),
    (("int8", "97.15 %", "22,800", "a word or more"), ("int16x8", "100.00 %", "1,022,912", "")),
    frozenset({1, 2}),
)


@pytest.fixture
def data(small: Path) -> tuple[object, ...]:
    return "--data", small.with_name("samples.npz")


def program(*arguments: object, columns: str | None = None) -> subprocess.CompletedProcess[str]:
    """`octavo` in a process of its own, its output in a pipe."""
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    environment |= {} if columns is None else {"COLUMNS": columns}
    command = [sys.executable, "-m", "octavo", *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("width", range(20, 60, 3))
def test_numbers_are_whole_or_left_out_by_name(width: int) -> None:
    shown, left_out = fitted(TABLE, width)
    assert (*shown.header, *left_out) == TABLE.header
    assert [row[: len(shown.header)] for row in TABLE.rows] == list(shown.rows)
    widths = [max(map(len, column)) for column in zip(shown.header, *shown.rows, strict=True)]
    whole = sum(w for index, w in enumerate(widths) if index in shown.numeric or index == 0)
    assert len(shown.header) == 2 or whole + 2 * (len(shown.header) - 1) <= width


def test_a_table_that_has_room_is_whole() -> None:
    assert fitted(TABLE, 80) == (TABLE, ())


def test_a_narrow_comparison_names_what_it_left_out(
    run: Run, small: Path, data: tuple[object, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    options = (small, *data, "--test", small.with_name("test.npz"), "--schemes", "float32,int8")
    monkeypatch.setenv("COLUMNS", "60")
    shown = run("compare", *options).out
    assert "No room for: arena bytes, ms 1 thread; --json has all." in shown
    assert all(len(line) <= 60 for line in shown.splitlines())


def test_a_pipe_takes_lines_of_any_length(small: Path) -> None:
    shown = program("ops").stdout.splitlines()
    assert max(map(len, shown)) > 80
    assert [len(line.split()) > 3 for line in shown if line.startswith("CONV_2D ")] == [True]


def test_a_reader_that_has_enough_is_no_failure() -> None:
    command = f"{sys.executable} -m octavo ops --markdown | true; exit ${{PIPESTATUS[0]}}"
    ended = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")


def fix_of(failed: Ran) -> str:
    assert failed.code == BAD_INPUT
    return " ".join(failed.err.partition("fix:")[2].split())


def test_a_file_that_exists_is_kept_unless_forced(
    run: Run, small: Path, data: tuple[object, ...], tmp_path: Path
) -> None:
    out = tmp_path / "m.tflite"
    out.write_bytes(b"of somebody")
    assert fix_of(run("quantize", small, *data, "-o", out)) == "say --force to replace it, or --out for another place"
    assert out.read_bytes() == b"of somebody"
    assert run("quantize", small, *data, "-o", out, "-f").code == 0
    assert out.read_bytes()[4:8] == b"TFL3"


@pytest.mark.parametrize(("command", "option"), [("search", "--out"), ("diagnose", "--apply")])
def test_what_is_searched_or_mended_is_written_as_what_is_quantized(
    run: Run, small: Path, data: tuple[object, ...], tmp_path: Path, command: str, option: str
) -> None:
    out = tmp_path / "m.cc"
    out.write_bytes(b"of somebody")
    refused = fix_of(run(command, small, *data, option, out))
    assert refused == f"say --force to replace it, or {option} for another place"
    assert "name it" in fix_of(run(command, small, *data, option, tmp_path / "m.txt"))
    assert out.read_bytes() == b"of somebody"
    assert run(command, small, *data, option, out, "--force").code == 0
    assert "m_len" in out.read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["m.cc"]


PAGES = [("report", "--out"), ("compare", "--report"), ("quantize", "--report"), ("diagnose", "--report")]


@pytest.mark.parametrize(("command", "option"), PAGES)
@pytest.mark.parametrize("there", ["page.html", "page.json"])
def test_a_page_and_its_figures_are_kept_unless_forced(
    run: Run, small: Path, data: tuple[object, ...], tmp_path: Path, command: str, option: str, there: str
) -> None:
    (tmp_path / there).write_bytes(b"of somebody")
    test = ("--test", data[1]) if command in ("report", "compare") else ()
    failed = run(command, small, *data, *test, option, tmp_path / "page.html")
    assert fix_of(failed) == f"say --force to replace it, or {option} for another place"
    assert (tmp_path / there).read_bytes() == b"of somebody"
    other = run(command, small, *data, *test, option, tmp_path / "page.json", "--force")
    assert fix_of(other) == f"say {option} {tmp_path / 'page.html'}"
    assert [path.name for path in tmp_path.iterdir()] == [there]


def test_a_picture_of_the_arena_is_kept_unless_forced(run: Run, small: Path, tmp_path: Path) -> None:
    picture = tmp_path / "arena.png"
    picture.write_bytes(b"of somebody")
    told = fix_of(run("fit", small, "--schemes", "int8", "--picture", picture))
    assert told == "say --force to replace it, or --picture for another place"
    assert picture.read_bytes() == b"of somebody"
    assert run("fit", small, "--schemes", "int8", "--picture", picture, "--force").code == 0
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", ["m.txt", "m"])
def test_an_ending_that_says_nothing_is_refused_before_any_work(
    run: Run, small: Path, tmp_path: Path, name: str
) -> None:
    failed = run("quantize", small, "--data", "absent.npz", "-o", tmp_path / name)
    assert fix_of(failed).startswith(f"name it '{tmp_path / 'm.tflite'}', or say to='tflite'")
    assert run("quantize", small, "--scheme", "dynamic", "-o", tmp_path / name, "--to", "tflite").code == 0
    assert (tmp_path / name).read_bytes()[4:8] == b"TFL3"


@pytest.mark.parametrize(("name", "compiler"), [("m.h", "gcc"), ("m.c", "gcc"), ("m.cc", "g++"), ("m.h", "g++")])
def test_an_array_in_c_holds_the_files_bytes(run: Run, small: Path, tmp_path: Path, name: str, compiler: str) -> None:
    run("quantize", small, "--scheme", "dynamic", "-o", tmp_path / "m.tflite")
    assert run("quantize", small, "--scheme", "dynamic", "-o", tmp_path / name).code == 0
    declared = "extern const unsigned char m[]; extern const unsigned int m_len;"
    declared = f'#include "{name}"' if name == "m.h" else declared
    declared = f'extern "C" {{ {declared} }}' if name == "m.cc" else declared
    main = tmp_path / f"main.{'c' if compiler == 'gcc' else 'cc'}"
    main.write_text(
        f"#include <stdio.h>\n#include <stdint.h>\n{declared}\n"
        "int main(void) { fwrite(m, 1, m_len, stdout); return (uintptr_t)m % 16 != 0; }\n"
    )
    sources = [main] if name == "m.h" else [main, tmp_path / name]
    standard = "-std=c99" if compiler == "gcc" else "-std=c++11"
    build = [compiler, standard, "-Wall", "-Wextra", "-Werror", *sources, "-o", tmp_path / "main"]
    try:
        subprocess.run(build, check=True)
    except FileNotFoundError:
        pytest.skip(f"no {compiler}")
    assert (
        subprocess.run([tmp_path / "main"], capture_output=True, check=True).stdout
        == (tmp_path / "m.tflite").read_bytes()
    )


def test_an_unknown_form_is_told(run: Run, small: Path, tmp_path: Path) -> None:
    assert "did you mean 'array'?" in fix_of(run("quantize", small, "-o", tmp_path / "m.cc", "--to", "arrays"))


def test_data_of_one_array_is_read(run: Run, small: Path, data: tuple[object, ...], tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.load(data[1])["x"])  # type: ignore[arg-type]
    files = tmp_path / "a.tflite", tmp_path / "b.tflite"
    assert run("quantize", small, "--data", tmp_path / "x.npy", "-o", files[0]).code == 0
    assert run("quantize", small, *data, "-o", files[1]).code == 0
    assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY\x01\x00", b"no array"], ids=["empty", "cut", "other"])
def test_a_damaged_array_is_told(run: Run, small: Path, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.npy").write_bytes(content)
    failed = run("quantize", small, "--data", tmp_path / "x.npy", "-o", tmp_path / "m.tflite")
    assert fix_of(failed) == "write the file again with numpy.save(path, array)"


def test_an_array_larger_than_its_file_is_told_before_it_is_read(run: Run, small: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((4, 6, 6, 2), np.float32))
    whole = (tmp_path / "x.npy").read_bytes()
    (tmp_path / "x.npy").write_bytes(whole.replace(b"(4, 6", b"(9, 6"))
    failed = run("quantize", small, "--data", tmp_path / "x.npy", "-o", tmp_path / "m.tflite")
    assert "is not all there" in failed.err


def test_inspect_shows_the_layers_of_a_keras_file(run: Run, small: Path) -> None:
    shown = run("inspect", small).out
    assert "'small': a float Keras model (Sequential), 271 parameters in 3 layers" in shown
    assert ["conv", "Conv2D", "4x4x4", "76"] in [line.split() for line in shown.splitlines()]
    assert run("inspect", small, "--json").json["layers"][2]["parameters"] == 195


def test_inspect_counts_work_and_ram_by_operator(
    run: Run, small: Path, data: tuple[object, ...], tmp_path: Path
) -> None:
    run("quantize", small, *data, "-o", tmp_path / "m.tflite")
    seen = run("inspect", tmp_path / "m.tflite", "--json").json
    # 4x4x4 results of 3x3x2 taps; 3 results of 64 inputs
    assert [line["products"] for line in seen["operators"]] == [1152, 0, 192]
    # 6x6x2 in and 4x4x4 out; twice 64; 64 in and 3 out
    assert [line["live_bytes"] for line in seen["operators"]] == [136, 128, 67]
    assert seen["arena_bytes"] > 136


def test_what_other_tools_take_is_taken(run: Run, small: Path) -> None:
    assert run("-V").out == run("--version").out
    assert "--install-completion" in run("--help").out
    assert run("help").out == run("--help").out
    assert run("help", "quantize").out == run("quantize", "--help").out
    assert fix_of(run("help", "quantise")) == "did you mean 'quantize'?"
    sized = ("--schemes", "float32", "--flash", "1M", "--ram", "256K")
    assert run("compare", small, "--test", small.with_name("test.npz"), *sized).code == 0


def test_an_error_lists_the_nearest_few_of_many_names(run: Run, tmp_path: Path) -> None:
    import keras

    layers = [keras.layers.Dense(2, name=f"dense_{number}") for number in range(30)]
    keras.Sequential([keras.Input((2,)), *layers]).save(tmp_path / "deep.keras")
    failed = run("quantize", tmp_path / "deep.keras", "--scheme", "dynamic", "--skip", "dens_17")
    assert "did you mean 'dense_17'?" in failed.err
    assert "and 26 more; `octavo inspect` of its file shows all" in " ".join(failed.err.split())
    assert failed.err.count("dense_") < 8


def test_what_has_no_length_is_counted_with_its_rate_and_no_total() -> None:
    from rich.progress import Progress

    from octavo.report.progress import CountColumn

    ticks = iter(range(100))
    with Progress(get_time=lambda: float(next(ticks)), disable=True) as bars:
        known, unknown, uncounted = (bars.add_task("stage", total=total) for total in (12, None, None))
        bars.update(known, completed=5)
        for done in (10, 20, 30):
            bars.update(unknown, completed=done)
        told = {task.id: str(CountColumn().render(task)) for task in bars.tasks}
    assert told[known] == "5/12"
    assert told[unknown].startswith("30, ")
    assert told[unknown].endswith("/s")
    assert told[uncounted] == ""
