"""`python -m octavo` is `octavo`: an interrupt, or too little memory, while it loads is told in a line.

An interrupt ends the process within two seconds, whatever it is at. Python hears of one between two of its own
instructions only: compilers and kernels run on for seconds, a callback or destructor may swallow the exception, and
what backends do as the interpreter ends may hang or crash. So a thread is told by the signal itself.

Under a limit of memory (`ulimit -v`) native code may die where an allocation fails. A child process then runs the
command, and its death is told.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from typing import NoReturn

# As `octavo.cli.exit_codes` has it, which is not loaded yet.
INTERRUPTED = 130
PATIENCE_SECONDS = 1.25
# By what native code ends where it gets no memory.
DEATHS = frozenset(
    getattr(signal, name) for name in ("SIGSEGV", "SIGABRT", "SIGBUS", "SIGILL") if hasattr(signal, name)
)


def main() -> None:
    """Load the command line, run it and exit."""
    ended: list[int] = []
    # What is registered first is done last.
    atexit.register(_leave, ended)
    try:
        if os.name == "posix":
            _survive_memory_limit()
            _watch_interrupts()
        from octavo.cli import main as run
    except KeyboardInterrupt:
        _end("Interrupted; nothing was done yet.")
    except (ImportError, MemoryError) as error:
        if isinstance(error, ImportError) and "failed to map segment" not in str(error):
            raise
        print(f"There is not enough memory to load Octavo: {error}.", file=sys.stderr)
        sys.exit(2)
    try:
        run()
    except SystemExit as end:
        if end.code == INTERRUPTED:
            _end()
        ended += [end.code] if isinstance(end.code, int) else []
        raise
    except KeyboardInterrupt:
        _end("Interrupted.")


def _survive_memory_limit() -> None:
    """Go on in a child process if memory is limited; this one waits for it, and ends as it does."""
    import resource

    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit == resource.RLIM_INFINITY:
        return
    child = os.fork()
    if not child:
        return
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda received, frame: os.kill(child, received))
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if -status in DEATHS:
        told = f"There is not enough memory: {signal.Signals(-status).name} under a limit of {limit >> 20} megabytes"
        with suppress(OSError):
            print(f"{told}. Raise `ulimit -v`, or use fewer samples: --samples 100.", file=sys.stderr, flush=True)
        os._exit(2)
    os._exit(status if status >= 0 else 128 - status)


def _watch_interrupts() -> None:
    """Have a thread hear of signals as they come, and end the process where Python does not."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    threading.Thread(target=_end_after_interrupt, args=(reader,), daemon=True).start()


def _end_after_interrupt(reader: int) -> None:
    while signal.SIGINT not in os.read(reader, 1):
        pass
    time.sleep(PATIENCE_SECONDS)
    _end("Interrupted; what was not finished is given up.")


def _end(told: str = "") -> NoReturn:
    """End at once, with what was written so far and nothing that backends do at exit; child processes end with us."""
    with suppress(Exception):
        if told:
            print(told, file=sys.stderr)
        sys.stderr.flush()
        sys.stdout.flush()
    os._exit(INTERRUPTED)


def _leave(ended: list[int]) -> None:
    """End with the exit code of what is done, before Python takes its modules apart.

    It has given the signals back by then, and an interrupt would look as if nothing had been done.
    """
    if ended:
        with suppress(Exception):
            sys.stderr.flush()
            sys.stdout.flush()
        os._exit(ended[0])


if __name__ == "__main__":
    main()
