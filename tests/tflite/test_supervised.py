"""Native code runs in child processes: whatever becomes of those, this process lives and says what happened."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from octavo.calibration.runner import calibrate
from octavo.config import LayerConfig, QuantizeConfig
from octavo.errors import ConfigError, ModelFileError, OctavoError, RuntimeEndedError, RuntimeLimitError
from octavo.evaluate.evaluation import evaluate
from octavo.evaluate.memory import memory
from octavo.evaluate.predict import predict
from octavo.evaluate.verify import verify
from octavo.ir.graph import with_tensors
from octavo.ir.types import Graph, Quantization
from octavo.ops.build import GraphBuilder
from octavo.ops.elementwise_kernels import AddOptions
from octavo.ops.softmax import SoftmaxOptions
from octavo.plan.make import make_plan, operator_name
from octavo.quantization.assign import assign
from octavo.run import reference
from octavo.run.limits import MEMORY_VARIABLE, SECONDS_VARIABLE
from octavo.run.supervised import Remote, in_child
from octavo.run.targets import DEFAULT, MICRO, REFERENCE, TARGETS
from octavo.run.worker import PACKAGE, import_path, pool
from octavo.write.tflite import write_tflite
from small_network import images, network

pytest.importorskip("tflite_micro")

Values = dict[str, np.ndarray]


def quantized(graph: Graph, values: Values) -> Graph:
    """An int8 graph by the ranges that its tensors have on some values, a softmax over very many of them too."""
    named = tuple(LayerConfig(operator_name(node), activations="int8") for node in graph.nodes)
    plan = make_plan(graph, QuantizeConfig("int8", layers=named))
    measured = reference.run(graph, values, keep=[n for n in plan.observed if not graph.tensors[n].is_constant])
    return assign(graph, plan, {name: (float(a.min()), float(a.max())) for name, a in measured.items()})


@cache
def wide_softmax() -> tuple[Graph, Values]:
    """A softmax of so many nearly equal values that the sum of int8 kernels overflows: they abort as they run it."""
    b = GraphBuilder("wide")
    b.layer = "first"
    x = b.emit("RELU", [b.input("x", (1, 4000))])
    b.layer = "answers"
    x = b.emit("SOFTMAX", [x], SoftmaxOptions())
    b.layer = "last"
    values = {"x": np.random.default_rng(0).uniform(0, 0.01, (1, 4000)).astype(np.float32)}
    return quantized(b.finish([b.emit("RELU", [x])]), values), values


@cache
def sum_in_too_fine_steps() -> tuple[Graph, Values]:
    """A sum whose scale no plan would choose: kernels abort on its multiplier."""
    b = GraphBuilder("sum")
    x = b.input("x", (1, 8))
    b.layer = "fine"
    values = {"x": np.ones((1, 8), np.float32)}
    graph = quantized(b.finish([b.emit("ADD", [x, x], AddOptions())]), values)
    (result,) = (graph.tensors[name] for name in graph.outputs)
    return with_tensors(graph, [replace(result, quantization=Quantization(np.array(1e-12), np.array(0)))]), values


def content() -> bytes:
    return write_tflite(network("int8"))


def own_id(held: object) -> int:
    return os.getpid()


def kill_oneself(*held: object) -> None:
    sys.stderr.write("unseen")
    os.write(2, b"INFO: all is well\nan assertion failed\n")
    os.kill(os.getpid(), signal.SIGKILL)


def take_memory() -> int:
    return np.ones(1 << 33, np.uint8).size


def say(held: object) -> None:
    print("a word from below", file=sys.stderr)


def gone(process_id: int) -> bool:
    """Whether a process has ended and was waited for, within ten seconds."""
    for _ in range(200):
        try:
            os.kill(process_id, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


# Deaths that are known ------------------------------------------------------------------------------------------------


def test_a_softmax_that_ends_micro_is_a_told_failure_of_that_operator() -> None:
    graph, values = wide_softmax()
    checks = {check.runtime: check for check in verify(write_tflite(graph), graph, [values]).runtimes}
    check = checks[MICRO.name]
    assert (check.inputs, check.ok) == (0, True)
    assert "ends the process on these inputs" in check.reason
    assert "SIGABRT" in check.reason
    assert check.reason.endswith("its SOFTMAX of 'answers' does that")
    assert checks[DEFAULT.name].ok


def test_a_file_that_ends_every_runtime_as_it_is_loaded_fails_its_verification() -> None:
    graph, values = sum_in_too_fine_steps()
    verification = verify(write_tflite(graph), graph, [values])
    assert not verification.ok
    for check in verification.runtimes:
        assert "ends the process as it loads the model" in check.reason
        assert check.reason.endswith("its ADD of 'fine' does that")


def test_such_a_file_is_a_told_error_wherever_it_is_run() -> None:
    graph, values = sum_in_too_fine_steps()
    model = write_tflite(graph)
    with pytest.raises(RuntimeEndedError, match=r"LiteRT default ends the process(?s:.*)fix: +calibrate on data as in"):
        predict(model, values)
    with pytest.raises(RuntimeEndedError, match="LiteRT default ends the process"):
        evaluate(model, values, time_it=False)
    used = memory(model)
    assert used.arena_bytes is None
    assert "TensorFlow Lite Micro ends the process" in used.arena_reason


@pytest.mark.parametrize("seed", range(12))
def test_damaged_bytes_are_refused_or_run_and_never_end_this_process(seed: int) -> None:
    rng, damaged = np.random.default_rng(seed), bytearray(content())
    for place in rng.integers(8, len(damaged), 6):
        damaged[place] ^= int(rng.integers(1, 256))
    for target in TARGETS:
        with suppress(OctavoError), target.open(bytes(damaged)) as runtime:
            runtime.run_each({port.name: np.zeros(port.shape, port.dtype.numpy) for port in runtime.inputs})
    assert predict(content(), images()[:1])["scores"].shape == (1, 7)


# Children ------------------------------------------------------------------------------------------------------------


def test_a_killed_child_is_told_with_its_last_words_and_the_next_call_works() -> None:
    with pytest.raises(RuntimeEndedError, match=r"LiteRT ends the process(?s:.*)SIGKILL: an assertion failed\n"):
        in_child("LiteRT", kill_oneself)
    assert predict(content(), images()[:1])["scores"].shape == (1, 7)


def test_a_child_killed_between_two_calls_is_told_and_waited_for() -> None:
    with DEFAULT.open(content()) as runtime:
        child = runtime.ask(own_id)
        os.kill(child, signal.SIGKILL)
        with pytest.raises(RuntimeEndedError, match="SIGKILL"):
            runtime.reset()
    assert gone(child)


def test_calls_share_a_warm_child_and_open_models_have_each_their_own() -> None:
    with Remote("one", dict) as one:
        first = one.ask(own_id)
        with Remote("two", dict) as two:
            assert two.ask(own_id) != first
    with Remote("three", dict) as three, Remote("four", dict) as four:
        assert first in {three.ask(own_id), four.ask(own_id)}


def test_a_model_that_is_forgotten_gives_its_child_back() -> None:
    forgotten = DEFAULT.open(content())
    child = forgotten.ask(own_id)
    del forgotten
    taken = pool().take()
    assert taken.process_id == child
    pool().give_back(taken)


def test_threads_run_models_at_the_same_time() -> None:
    expected = predict(content(), images())["scores"]
    found: list[np.ndarray] = []

    def run() -> None:
        found.append(predict(content(), images())["scores"])

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert all(np.array_equal(each, expected) for each in found)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_a_supervised_runtime_answers_as_the_runtime_itself_does(target: object) -> None:
    inputs = {"image": np.random.default_rng(1).integers(-128, 128, (3, 6, 6, 3)).astype(np.int8)}
    one = {"image": inputs["image"][:1]}
    own, supervised = target.opener(content(), keep_all=True), target.open(content(), keep_all=True)
    assert (supervised.inputs, supervised.outputs) == (own.inputs, own.outputs)
    for each in (own, supervised):
        each.reset()
    np.testing.assert_array_equal(supervised.run(one)["scores"], own.run(one)["scores"])
    np.testing.assert_array_equal(supervised.tensor("features"), own.tensor("features"))
    assert supervised.tensors(["features", "scores"]).keys() == {"features", "scores"}
    np.testing.assert_array_equal(supervised.run_each(inputs)["scores"], own.run_each(inputs)["scores"])
    with pytest.raises(KeyError):
        supervised.tensor("nothing")
    supervised.close()
    own.close()


def test_what_python_prints_in_a_child_is_printed_here(capfd: pytest.CaptureFixture[str]) -> None:
    with Remote("a word", dict) as remote:
        remote.ask(say)
    assert capfd.readouterr() == ("", "a word from below\n")


def test_samples_that_end_calibration_are_named_with_the_model() -> None:
    b = GraphBuilder("sleepy")
    b.layer = "negative"
    graph = b.finish([b.emit("NEG", [b.input("image", (1, 6, 6, 3))])])

    def source() -> Iterator[np.ndarray]:
        yield np.concatenate([images()] * 1000)
        os.kill(worker.process_id, signal.SIGKILL)
        yield np.concatenate([images()] * 1000)

    worker = pool().take()
    pool().give_back(worker)  # the next to be taken
    with pytest.raises(RuntimeEndedError, match=r"LiteRT ends the process on samples \d+ to \d+ of model 'sleepy'"):
        calibrate(graph, list(graph.outputs), source, threads=1, samples=100_000)
    assert calibrate(graph, list(graph.outputs), images(), threads=1).samples == len(images())


# Limits --------------------------------------------------------------------------------------------------------------


def test_a_time_limit_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SECONDS_VARIABLE, "0.5")
    with pytest.raises(
        RuntimeLimitError, match=rf"LiteRT takes too long(?s:.*)0\.5 s(?s:.*)fix: +set .*{SECONDS_VARIABLE}"
    ):
        in_child("LiteRT", time.sleep, 600)
    assert predict(content(), images()[:1])["scores"].shape == (1, 7)


def test_a_memory_limit_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MEMORY_VARIABLE, "2000")
    with pytest.raises(
        RuntimeLimitError,
        match=rf"LiteRT takes too much memory(?s:.*)at most 2000 megabytes(?s:.*)fix: .*{MEMORY_VARIABLE}",
    ):
        in_child("LiteRT", take_memory)


def test_a_model_too_large_for_the_limit_is_told_by_every_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MEMORY_VARIABLE, "1500")
    b = GraphBuilder("large")
    model = write_tflite(b.finish([b.emit("RELU", [b.input("x", (1, 1 << 29))])]))
    for target in (MICRO, REFERENCE, DEFAULT):
        with pytest.raises((RuntimeEndedError, ModelFileError)):
            target.open(model)


@pytest.mark.parametrize("variable", [SECONDS_VARIABLE, MEMORY_VARIABLE])
@pytest.mark.parametrize("value", ["much", "0", "-1", "inf", "nan"])
def test_a_limit_that_is_no_number_is_refused(variable: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError, match=rf"fix: +set {variable} to one, or unset it"):
        predict(content(), images()[:1])


# What surrounds a child -----------------------------------------------------------------------------------------------


def test_where_no_child_starts_no_model_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    pool().empty()
    monkeypatch.setattr(sys, "executable", str(PACKAGE / "no python"))
    with pytest.raises(RuntimeEndedError, match=r"no model is run without it(?s:.*)fix: +check sys\.executable"):
        predict(content(), images()[:1])


def test_a_child_looks_neither_in_the_current_folder_nor_beside_the_script(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for entry in ("", ".", str(tmp_path)):
        monkeypatch.syspath_prepend(entry)
    assert not {"", ".", str(tmp_path)} & set(import_path())


@pytest.mark.parametrize("module", ["octavo", "numpy", "ai_edge_litert", "json", "octavo.run.litert"])
def test_modules_beside_a_downloaded_model_are_never_imported(module: str, tmp_path: Path) -> None:
    (tmp_path / "model.tflite").write_bytes(content())
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    program = f"""
        import os
        import numpy as np
        from octavo.evaluate.predict import predict
        os.chdir({str(tmp_path)!r})
        import sys
        sys.path.insert(0, "")
        predict(open("model.tflite", "rb").read(), np.zeros((1, 6, 6, 3), np.float32))
    """
    (tmp_path / f"{module}.py").write_text(f"open({str(tmp_path / 'imported')!r}, 'w')\n")
    run_program(program, cwd=elsewhere)
    assert not (tmp_path / "imported").exists()


def started(program: str, cwd: Path | None = None, limit_s: float = 60) -> subprocess.Popen[str]:
    environment = {
        **os.environ,
        SECONDS_VARIABLE: str(limit_s),
        "PYTHONPATH": os.pathsep.join([str(PACKAGE.parent), str(Path(__file__).parent)]),
    }
    command = [sys.executable, "-P", "-c", textwrap.dedent(program)]
    return subprocess.Popen(
        command, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def run_program(program: str, cwd: Path | None = None) -> str:
    with started(program, cwd) as process:
        output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return output


SLEEPING = """
    import time
    from octavo.run.supervised import in_child
    from octavo.run.worker import pool
    worker = pool().take()
    print(worker.process_id, flush=True)
    pool().give_back(worker)
    in_child("sleep", time.sleep, 600)
"""


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda sign: sign.name)
def test_a_child_ends_with_its_parent_whatever_it_is_at(sign: signal.Signals) -> None:
    with started(SLEEPING) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        time.sleep(0.2)
        # Again each second: Python may meet the first between its last look for signals and a read, which then goes on.
        for _ in range(20):
            process.send_signal(sign)
            with suppress(subprocess.TimeoutExpired):
                process.communicate(timeout=1)
                break
    assert process.returncode not in (0, 1)
    assert gone(child)


def test_a_child_that_hangs_in_native_code_outlives_its_parent_by_no_more_than_its_time_limit() -> None:
    program = SLEEPING.replace("time.sleep, 600", "re.match, '(a+)+$', 60 * 'a' + 'b'").replace("time", "re")
    with started(program, limit_s=1) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        time.sleep(0.2)
        process.kill()
    assert gone(child)


def test_a_program_that_ends_leaves_no_child_and_no_word() -> None:
    program = SLEEPING.replace("600", "0")
    with started(program) as process:
        output, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    assert gone(int(output))


def test_a_fork_has_children_of_its_own_and_leaves_its_parents_alone() -> None:
    program = f"""
        import os
        import numpy as np
        from octavo.run.targets import DEFAULT
        runtime = DEFAULT.open({content()!r})
        zeros = {{"image": np.zeros((1, 6, 6, 3), np.int8)}}
        before = runtime.run(zeros)["scores"]
        fork = os.fork()
        assert np.array_equal(runtime.run(zeros)["scores"], before)
        if fork:
            assert os.waitpid(fork, 0)[1] == 0
            assert np.array_equal(runtime.run(zeros)["scores"], before)
            print("both ran")
    """
    assert run_program(program) == "both ran\n"
