"""A function that ends the process it is called in; light to import, as other processes do."""

from __future__ import annotations

import os
import signal


def die(held: object) -> None:
    """Whatever is given."""
    os.kill(os.getpid(), signal.SIGKILL)
