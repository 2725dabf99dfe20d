"""How commands end: done, a check said no, bad input, a bug of Octavo (with its traceback), interrupted."""

from __future__ import annotations

DONE, CHECK_SAID_NO, BAD_INPUT, OUR_BUG, INTERRUPTED = 0, 1, 2, 70, 130
