"""What native libraries print, caught: they write to the process's own standard error, past Python."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_LOCK = threading.RLock()
_own = False


def own_standard_error() -> None:
    """Say that this process's standard error is a file, and nobody else's: it then keeps the lines that are collected.

    In a supervised child; the parent finds in that file what was said before a death.
    """
    global _own
    _own = True


@contextmanager
def native_stderr() -> Iterator[list[str]]:
    """Collect the lines written to file descriptor 2 while the block runs.

    Python's own `sys.stderr` shares that descriptor, so keep the block to the native call.

    Yields:
        A list that holds the lines once the block has ended.
    """
    lines: list[str] = []
    if _own:
        start = os.lseek(2, 0, os.SEEK_CUR)
        try:
            yield lines
        finally:
            end = os.lseek(2, 0, os.SEEK_CUR)
            os.lseek(2, start, os.SEEK_SET)
            lines.extend(os.read(2, end - start).decode(errors="replace").splitlines())
        return
    with _LOCK, tempfile.TemporaryFile() as caught:
        if sys.stderr is not None:
            sys.stderr.flush()
        kept = os.dup(2)
        try:
            os.dup2(caught.fileno(), 2)
            yield lines
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            caught.seek(0)
            lines.extend(caught.read().decode(errors="replace").splitlines())
