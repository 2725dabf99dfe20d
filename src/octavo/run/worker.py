"""Child processes that run native code: started when first needed, kept warm, replaced when they die."""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, cast

from octavo.errors import RuntimeEndedError, RuntimeLimitError
from octavo.run.limits import MEMORY_VARIABLE, SECONDS_VARIABLE, Limits, limits
from octavo.run.messages import opened, receive, send

PACKAGE = Path(__file__).resolve().parents[1]
# Idle children that are kept; a calibration uses several at once.
KEPT = 8
# What the system holds of a message while the other side is busy, where it can be told so.
PIPE_BYTES = 1 << 20
_LAST_WORDS = 400
_OUT_OF_MEMORY = ("bad_alloc", "MemoryError", "Cannot allocate memory", "ut of memory", "Failed to allocate")


class Worker:
    """A child process.

    Args:
        limits: What it is held to.
        modules: Imported there before it answers, where they can be.

    Raises:
        RuntimeEndedError: if it cannot be started.
    """

    def __init__(self, limits: Limits, modules: Sequence[str] = ()) -> None:
        self.limits, self.owner, self._greeted, self._stopped = limits, os.getpid(), False, False
        self._words: BinaryIO = cast(BinaryIO, tempfile.TemporaryFile())  # noqa: SIM115 (lives as long as the child)
        self._lock = threading.RLock()
        told = {
            "path": import_path(),
            "package": str(PACKAGE),
            "megabytes": limits.megabytes,
            "modules": list(modules),
        }
        # A session of its own: Ctrl-C reaches the parent alone, which then ends the child. A folder of its own: nothing
        # is loaded from the user's.
        command = [sys.executable, "-I", str(PACKAGE / "run" / "child.py"), json.dumps(told)]
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._words,
                cwd=PACKAGE,
                start_new_session=True,
                pipesize=PIPE_BYTES,
            )
        except (OSError, ValueError) as error:
            self._words.close()
            raise _no_start(str(error)) from error

    def greet(self) -> None:
        """Wait until the child has started.

        Raises:
            RuntimeEndedError: if it ends instead.
        """
        if self._greeted:
            return
        try:
            self.call("it", "at its start", 1, (False, _answer, (), {}))
        except RuntimeEndedError as error:
            raise _no_start(error.got) from error
        self._greeted = True

    @property
    def process_id(self) -> int:
        """Of the child."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it can be called."""
        return self.owner == os.getpid() and self._process.poll() is None

    def call(self, name: str, where: str, units: int, request: tuple[bool, Any, Any, Any]) -> Any:
        """Call a function in the child; see `octavo.run.child.serve`.

        Args:
            name, where: What is run, for errors: "LiteRT", "as it loads the model".
            units: How often the time limit applies.
            request: What `serve` names so.

        Returns:
            What it returns there. What it raises there, is raised here, and what it prints is printed.

        Raises:
            RuntimeEndedError: if the child dies, or exceeds a limit.
            KeyboardInterrupt: if it was stopped.
        """
        with self._lock:
            return self._call(f"{name} {{}} {where}.", units, request)

    def _call(self, what: str, units: int, request: tuple[bool, Any, Any, Any]) -> Any:
        late = threading.Event()
        seconds = self.limits.seconds * max(1, units)
        timer = threading.Timer(seconds, self._too_late, [late])
        timer.daemon = True
        timer.start()
        try:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            send(cast(BinaryIO, self._process.stdin), (seconds, request))
            result, error, printed = opened(receive(cast(BinaryIO, self._process.stdout)))
        except (EOFError, OSError) as broken:
            if self._stopped:
                self.end()
                raise KeyboardInterrupt from broken
            if late.is_set():
                self.end()
            raise (_too_late(what, seconds) if late.is_set() else self._death(what)) from broken
        except BaseException:  # Ctrl-C: the answer would be taken for that of the next call
            self.end()
            raise
        finally:
            timer.cancel()
        if printed:
            print(printed, end="", file=sys.stderr)
        if isinstance(error, MemoryError):
            self.end()
            raise _too_large(what, self.limits, str(error) or "MemoryError") from error
        if error is not None:
            raise error
        return result

    def stop(self) -> None:
        """Kill the child; a thread that waits for its answer is interrupted."""
        if self.owner == os.getpid():
            self._stopped = True
            self._process.kill()

    def end(self) -> None:
        """End the child at once, if it has not ended."""
        if self.owner != os.getpid():
            # A fork of the process that started it: not ours to end, nor to wait for.
            self._process.returncode = 0
            return
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._words):
            with suppress(OSError):  # what was still to be written
                cast(Any, stream).close()

    def _too_late(self, late: threading.Event) -> None:
        late.set()
        self._process.kill()

    def _death(self, what: str) -> RuntimeEndedError:
        """The error for a child that ended by itself."""
        status = self._process.wait()
        self._words.seek(0)
        lines = self._words.read().decode(errors="replace").splitlines()
        words = " ".join(line.strip() for line in lines if line.strip() and not line.startswith("INFO:"))
        said = f": {words[-_LAST_WORDS:]}" if words else ""
        self.end()
        if any(sign in words for sign in _OUT_OF_MEMORY):
            return _too_large(what, self.limits, words[-_LAST_WORDS:])
        return RuntimeEndedError(
            what.format("ends the process"),
            got=f"{_ending(status)}{said}",
            expected="a result, or an error that says what is wrong",
            fix="calibrate on data as in training, keep the layer in float with skip=[...], or check the file's origin",
        )


def _no_start(reason: str) -> RuntimeEndedError:
    return RuntimeEndedError(
        "the process that runs models does not start, and no model is run without it.",
        got=f"{sys.executable}: {reason}",
        expected="a Python that can be started with this one's packages",
        fix=f"check sys.executable and what its Python says, and {MEMORY_VARIABLE} if it is set",
    )


def _answer(held: object) -> None:
    """What a child is asked to see that it started."""


def _too_late(what: str, seconds: float) -> RuntimeLimitError:
    return RuntimeLimitError(
        what.format("takes too long"),
        got=f"no answer after {seconds:g} s",
        expected="an answer within the time limit",
        fix=f"set the environment variable {SECONDS_VARIABLE} to more seconds a sample, or run a smaller model",
    )


def _too_large(what: str, limits: Limits, words: str) -> RuntimeLimitError:
    return RuntimeLimitError(
        what.format("takes too much memory"),
        got=words,
        expected="no limit" if limits.megabytes is None else f"at most {limits.megabytes} megabytes",
        fix=f"set the environment variable {MEMORY_VARIABLE} to more, or run a smaller model",
    )


def _ending(status: int) -> str:
    """How a process ended, in words."""
    if status < 0:
        with suppress(ValueError):
            return f"signal {signal.Signals(-status).name}"
    return f"exit status {status}"


def import_path() -> list[str]:
    """Where a child looks for modules: as this process does, but neither in the current folder nor beside a script."""
    main = getattr(sys.modules.get("__main__"), "__file__", None)
    beside = {os.path.realpath(os.curdir)} | ({os.path.dirname(os.path.realpath(main))} if main else set())
    return [entry for entry in sys.path if os.path.isabs(entry) and os.path.realpath(entry) not in beside]


class _Pool:
    """Children of this process: those that are idle, and those that somebody has."""

    def __init__(self) -> None:
        self._lock, self._idle, self._ends = threading.RLock(), list[Worker](), False
        self._taken: weakref.WeakSet[Worker] = weakref.WeakSet()

    def take(self) -> Worker:
        """A child that nobody else has: an idle one, or a new one."""
        wanted = limits()
        while True:
            with self._lock:
                worker = self._idle.pop() if self._idle else None
            if worker is None:
                worker = self._new(wanted)
            elif not (worker.alive and worker.limits == wanted):
                worker.end()
                continue
            self._taken.add(worker)
            worker.greet()
            return worker

    def warm_up(self, count: int, modules: Sequence[str]) -> None:
        """Start children, without waiting for them, until so many are idle."""
        wanted = limits()
        for _ in range(min(count, KEPT) - len(self._idle)):
            self.give_back(self._new(wanted, modules))

    def _new(self, wanted: Limits, modules: Sequence[str] = ()) -> Worker:
        with self._lock:
            if not self._ends:
                atexit.register(self.empty)
                self._ends = True
        return Worker(wanted, modules)

    def give_back(self, worker: Worker) -> None:
        """Keep a child for the next; one that died is forgotten."""
        with self._lock:
            self._taken.discard(worker)
            if worker.alive and len(self._idle) < KEPT:
                self._idle.append(worker)
                return
        worker.end()

    def stop(self) -> None:
        """Kill the children that somebody has."""
        for worker in list(self._taken):
            worker.stop()

    def empty(self) -> None:
        """End all idle children."""
        with self._lock:
            idle, self._idle = self._idle, []
        for worker in idle:
            worker.end()


_POOLS: dict[int, _Pool] = {}


def pool() -> _Pool:
    """The children of this process; those of a process that it was forked from are not its own."""
    return _POOLS.setdefault(os.getpid(), _Pool())


def stop_children() -> None:
    """Kill the children that are at work, as their user was interrupted: threads that wait for them are, too."""
    pool().stop()


def warm_up(count: int, *modules: str) -> None:
    """Let children start while this process does something else; a start that fails is told when one is needed.

    Args:
        count: How many shall be idle.
        modules: What each imports first.
    """
    with suppress(RuntimeEndedError):
        pool().warm_up(count, modules)
