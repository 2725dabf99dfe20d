"""What goes wrong ends in four parts or a traceback, never in silence, and leaves nothing half-written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import octavo.doctor
from command_line import Run
from octavo.backend import start_keras
from octavo.cli.exit_codes import BAD_INPUT, CHECK_SAID_NO, INTERRUPTED, OUR_BUG
from octavo.data.labelled import read_test_set
from octavo.errors import DatasetError, MissingDependencyError, VerificationError


def fix_of(error: str) -> str:
    """The fix of an error as the command line prints it."""
    assert "Traceback" not in error
    assert all(part in error for part in ("got:", "expected:", "fix:"))
    return " ".join(error.partition("fix:")[2].split())


@pytest.mark.parametrize(
    ("arguments", "fix"),
    [
        (("quantize", "absent.keras"), "check the path"),
        (("quantize", "SMALL", "--scheme", "int9"), "did you mean 'int8'?"),
        (("quantize", "SMALL"), "pass data=x_train[:500]"),
        (("quantize", "SMALL", "--data", "absent.npz"), "check the path"),
        (("quantize", "SMALL", "--scheme", "float16", "--skip", "con"), "did you mean 'conv'?"),
        (("compare", "SMALL", "--test", "absent.npz"), "write it with numpy.savez('test.npz', x=x_test, y=y_test)"),
        (("compare", "absent.keras", "--test", "TEST", "--flash", "1XB"), "write it like 256KB or 1MB"),
        (("compare", "absent.keras", "--test", "TEST", "--ram", "many"), "write it like 256KB or 1MB"),
        (("compare", "SMALL", "--test", "TEST", "--schemes", "float32,int8"), "float32, float16, dynamic"),
        (("inspect", "absent.tflite"), "check the path"),
        (("inspect", "."), "check the path and its permissions"),
        (("inspect", "TEST"), "check that the file was written and copied completely"),
        (("demo", "--data", "absent.npz"), "pass the mnist.npz that Keras downloads"),
        (("demo", "--dataset", "minst"), "did you mean 'mnist'?"),
    ],
)
def test_bad_input_is_told_in_four_parts_and_writes_nothing(
    run: Run, small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], fix: str
) -> None:
    monkeypatch.chdir(tmp_path)
    files = {"SMALL": small, "TEST": small.with_name("test.npz")}
    failed = run(*(files.get(argument, argument) for argument in arguments))
    assert failed.code == BAD_INPUT
    assert failed.out == ""
    assert fix in fix_of(failed.err)
    assert list(tmp_path.iterdir()) == []


def test_with_json_the_error_is_an_object_on_standard_output(run: Run) -> None:
    failed = run("inspect", "absent.tflite", "--json")
    assert failed.code == BAD_INPUT
    assert failed.json["error"]["kind"] == "ModelFileError"
    assert set(failed.json["error"]) == {"kind", "what", "got", "expected", "fix"}


def test_what_python_calls_an_argument_is_named_as_an_option(run: Run, small: Path, tmp_path: Path) -> None:
    failed = run("quantize", small, "--out", tmp_path / "x.tflite")
    assert "pass data=x_train[:500], or choose scheme='dynamic'" in " ".join(failed.err.split())
    assert failed.err.endswith("On the command line: --data, --scheme.\n")


def test_an_unknown_option_is_bad_input(run: Run) -> None:
    assert run("quantize", "--colour", "red").code == BAD_INPUT
    failed = run("quantize", "--colour", "red", "--json")
    assert failed.code == BAD_INPUT
    assert failed.json["error"]["kind"] == "ConfigError"
    assert failed.json["error"]["got"] == "octavo quantize --colour red --json"
    assert "--colour" in failed.err


def test_a_place_that_cannot_be_written_is_told(run: Run, small: Path, tmp_path: Path) -> None:
    failed = run("quantize", small, "--scheme", "dynamic", "--out", tmp_path / "absent" / "x.tflite")
    assert failed.code == BAD_INPUT
    assert "mkdir -p" in fix_of(failed.err)


@pytest.mark.parametrize(
    ("raised", "code", "told"),
    [
        (KeyboardInterrupt(), INTERRUPTED, "Interrupted"),
        (MemoryError("no room"), BAD_INPUT, "use fewer samples"),
        (VerificationError("wrong.", got="1", expected="2", fix="report it"), CHECK_SAID_NO, "report it"),
        (ZeroDivisionError("ours"), OUR_BUG, "ZeroDivisionError: ours"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_exit_codes_tell_what_ended_a_command(
    run: Run, monkeypatch: pytest.MonkeyPatch, raised: BaseException, code: int, told: str
) -> None:
    def fail() -> None:
        raise raised

    monkeypatch.setattr(octavo.doctor, "look_around", fail)
    ended = run("doctor")
    assert ended.code == code
    assert told in ended.err
    assert ("Traceback" in ended.err) == (code == OUR_BUG)


def of_interrupt(error: Exception) -> Exception:
    error.__context__ = KeyboardInterrupt()
    return error


@pytest.mark.parametrize(
    "raised",
    [
        of_interrupt(RuntimeError("the pool is shut down")),
        of_interrupt(VerificationError("wrong.", got="1", expected="2", fix="report it")),
        RuntimeError("INTERNAL: CpuCallback error: KeyboardInterrupt: <EMPTY MESSAGE>"),
    ],
    ids=["in its place", "an error of ours in its place", "as XLA tells it"],
)
def test_what_code_makes_of_an_interrupt_is_one(run: Run, monkeypatch: pytest.MonkeyPatch, raised: Exception) -> None:
    def fail() -> None:
        raise raised

    monkeypatch.setattr(octavo.doctor, "look_around", fail)
    ended = run("doctor")
    assert (ended.code, "Traceback" in ended.err) == (INTERRUPTED, False)


@pytest.mark.parametrize("command", ["ops --markdown", "--help", "doctor"])
def test_a_reader_that_goes_away_makes_no_noise(command: str) -> None:
    piped = f"'{sys.executable}' -m octavo {command} | :"
    ended = subprocess.run(["bash", "-c", piped], capture_output=True, text=True, check=True)
    assert ended.stderr == ""


@pytest.mark.parametrize(
    ("raised", "code", "told"),
    [
        ("KeyboardInterrupt", 130, "Interrupted"),
        ("MemoryError('no room')", 2, "not enough memory"),
        ("ImportError('failed to map segment from shared object')", 2, "not enough memory"),
    ],
)
def test_what_happens_while_octavo_loads_is_one_line(raised: str, code: int, told: str) -> None:
    program = f"""
import runpy, sys
class Finder:
    def find_spec(self, name, *rest):
        if name == "typer":
            raise {raised}
sys.meta_path.insert(0, Finder())
runpy.run_module("octavo", run_name="__main__")
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ended.returncode == code
    assert told in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
@pytest.mark.parametrize("at", ["typer", "octavo.report"])
def test_an_interrupt_that_is_swallowed_ends_the_process_all_the_same(at: str) -> None:
    """As XLA's callbacks swallow it, and kernels that run for long; while Octavo loads, and while it works."""
    program = f"""
import os, runpy, signal, sys, threading, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background ignores it
class Finder:
    def find_spec(self, name, *rest):
        if name == "{at}":
            threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
            while True:
                try:
                    time.sleep(60)
                except KeyboardInterrupt:
                    pass
sys.meta_path.insert(0, Finder())
sys.argv = ["octavo", "ops"]
runpy.run_module("octavo", run_name="__main__")
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert (ended.returncode, ended.stdout) == (INTERRUPTED, "")
    assert ended.stderr == "Interrupted; what was not finished is given up.\n"


@pytest.mark.parametrize(("command", "code"), [("--version", 0), ("no-such-command", BAD_INPUT)])
def test_what_is_done_ends_before_python_gives_the_signals_back(command: str, code: int) -> None:
    """An interrupt while modules are taken apart would end the process by the signal, beside a file that is whole."""
    program = f"""
import sys, octavo.__main__
class Module:
    def __del__(self):
        print("taken apart")
kept = Module()
sys.argv = ["octavo", "{command}"]
octavo.__main__.main()
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == code
    assert "taken apart" not in ended.stdout


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize("told", ["ops --markdown", "ops --json --unknown"])
def test_an_output_that_takes_nothing_is_told_in_one_line(told: str) -> None:
    command = f"'{sys.executable}' -m octavo {told} > /dev/full"
    ended = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1] == "Standard output cannot be written to: No space left on device."
    assert "Traceback" not in ended.stderr


def under_limit(megabytes: int, command: str) -> subprocess.CompletedProcess[str]:
    line = f"ulimit -v {megabytes << 10}; '{sys.executable}' {command}"
    return subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.skipif(sys.platform != "linux", reason="address space is limited on Linux alone")
def test_too_little_memory_for_keras_is_told_before_it_starts(small: Path) -> None:
    ended = under_limit(1500, f"-m octavo quantize '{small}' --scheme dynamic")
    assert (ended.returncode, "ulimit -v" in ended.stderr, "Traceback" in ended.stderr) == (2, True, False)


@pytest.mark.skipif(sys.platform != "linux", reason="address space is limited on Linux alone")
@pytest.mark.parametrize(("death", "code"), [("SIGSEGV", 2), ("SIGABRT", 2), ("SIGTERM", 143)])
def test_what_dies_under_a_limit_of_memory_is_told(tmp_path: Path, death: str, code: int) -> None:
    program = tmp_path / "dies.py"
    program.write_text(
        f"""import os, signal, sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "octavo.cli":
            os.kill(os.getpid(), signal.{death})
sys.meta_path.insert(0, Finder())
import octavo.__main__
octavo.__main__.main()
"""
    )
    ended = under_limit(4000, str(program))
    assert ended.returncode == code
    assert ("not enough memory" in ended.stderr) == (code == 2)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_where_nothing_can_be_told_the_exit_code_tells() -> None:
    command = f"'{sys.executable}' -m octavo inspect absent.tflite > /dev/full 2>&1"
    assert subprocess.run(["bash", "-c", command], check=False).returncode == 2


def test_links_that_lead_in_a_circle_are_told(run: Run, small: Path, tmp_path: Path) -> None:
    for name, other in (("a.tflite", "b.tflite"), ("b.tflite", "a.tflite")):
        (tmp_path / name).symlink_to(tmp_path / other)
    read = run("inspect", tmp_path / "a.tflite")
    assert (read.code, "leads nowhere, or in a circle" in read.err) == (2, True)
    written = run("quantize", small, "--scheme", "dynamic", "--out", tmp_path / "a.tflite")
    assert (written.code, "remove the links that lead in a circle" in written.err) == (2, True)


def test_an_absent_backend_is_told_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "abacus")
    for name in [name for name in sys.modules if name.split(".")[0] == "keras"]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(MissingDependencyError, match=r'fix: +pip install "octavo\[jax\]", or set KERAS_BACKEND'):
        start_keras()


def test_integer_test_samples_need_a_divisor(tmp_path: Path) -> None:
    np.savez(tmp_path / "test.npz", x_test=np.full((2, 4), 255, np.uint8), y_test=np.zeros(2))
    with pytest.raises(DatasetError, match=r"fix: +say --integer-divisor 255"):
        read_test_set(tmp_path / "test.npz")
    x, y = read_test_set(tmp_path / "test.npz", 255)
    assert x.dtype == np.float32
    assert (x == 1).all()
    assert y is not None


def test_a_test_set_without_samples_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "test.npz", pictures=np.zeros((2, 4)))
    with pytest.raises(DatasetError, match=r"got: +arrays named pictures\n(.*\n)* +fix: +write it with numpy.savez"):
        read_test_set(tmp_path / "test.npz")
