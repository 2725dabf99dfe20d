"""The program of a supervised child process: holds one object, and answers calls on it until its parent ends.

Run as a file by a Python that looks for nothing in the current folder and obeys no variables (`-I`); what to import
from where is told by the parent, on the command line.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
import json
import os
import signal
import sys
import threading
import time
from typing import Any

# The parent looks at the clock first.
GRACE_SECONDS = 2.0


def main(told: str) -> None:
    """Be a child; `told` is JSON of the parent's import path, its `octavo` folder, a memory limit, and modules."""
    start = json.loads(told)
    source, sink = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    # What native code prints must not end up among messages.
    os.dup2(2, 1)
    sys.path[:] = start["path"]
    _import_package("octavo", start["package"])
    _limit_memory(start["megabytes"])
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    for module in start["modules"]:
        # Whoever needs it is told why it cannot be had.
        with contextlib.suppress(Exception):
            importlib.import_module(module)
    # By their full names: what is pickled here must be found there.
    importlib.import_module("octavo.run.child").serve(source, sink)
    # Nothing here is worth the risk of native destructors.
    os._exit(0)


def serve(source: Any, sink: Any) -> None:
    """Answer requests until there are no more.

    A request is `(seconds, (opens, function, args, kwargs))`: with `opens`, the result of the call is held and nothing
    comes back; else the function is called on what is held, and its result comes back. A reply is `(result, error,
    printed)`.
    """
    from octavo.run import quiet
    from octavo.run.messages import opened, receive, send

    quiet.own_standard_error()
    held: Any = None
    while True:
        try:
            frames = receive(source)
        except EOFError:
            return
        os.ftruncate(2, 0)
        os.lseek(2, 0, os.SEEK_SET)
        result, error = None, None
        sys.stderr = io.StringIO()
        try:
            seconds, (opens, function, args, kwargs) = opened(frames)
            _end_after(seconds + GRACE_SECONDS)
            del frames
            if opens:
                held = None
                held = function(*args, **kwargs)
            else:
                result = function(held, *args, **kwargs)
            args, kwargs = (), {}
        except BaseException as caught:
            error = caught
        _end_after(0)
        try:
            send(sink, (result, error, sys.stderr.getvalue()))
        except OSError:
            return
        except Exception as unsendable:
            message = f"{type(error or result).__name__}: {error or unsendable}"
            send(sink, (None, RuntimeError(message), sys.stderr.getvalue()))


def _import_package(name: str, folder: str) -> None:
    """Import a package from its own folder, whatever else bears its name."""
    place = importlib.util.spec_from_file_location(
        name, os.path.join(folder, "__init__.py"), submodule_search_locations=[folder]
    )
    assert place is not None
    assert place.loader is not None
    sys.modules[name] = importlib.util.module_from_spec(place)
    place.loader.exec_module(sys.modules[name])


def _limit_memory(megabytes: int | None) -> None:
    try:
        import resource
    except ImportError:  # no such limits on this system
        return
    if megabytes is not None:
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        wanted = megabytes << 20
        if hard != resource.RLIM_INFINITY:
            wanted = min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_AS, (wanted, hard))
    # A death is an answer here; nobody wants its core.
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def _end_after(seconds: float) -> None:
    """End this process if it is still busy by then, 0 for never: for native code that hangs after the parent died."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds)


def _end_with(parent: int) -> None:
    """End this process soon after its parent, though others may hold the pipe open."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


if __name__ == "__main__":
    main(sys.argv[1])
