"""The Keras backend: which one to use, and starting it."""

from __future__ import annotations

import importlib.util
import json
import os
from contextlib import suppress
from pathlib import Path

from octavo.errors import MissingDependencyError

BACKENDS = ("jax", "tensorflow", "torch")
# What a process with a backend maps at least; JAX aborted under 0.9 GB, hung under 1.5, ended OpenBLAS under 2.1.
ADDRESS_SPACE = 2400 << 20


def chosen_backend() -> str:
    """KERAS_BACKEND where set, else the backend Keras is configured for, else any that is installed; "" if none is.

    Keras itself stops where the configured one, by default TensorFlow, is absent; Octavo needs any one.
    """
    if asked := os.environ.get("KERAS_BACKEND"):
        return asked
    present = (name for name in (_configured_backend(), *BACKENDS) if importlib.util.find_spec(name) is not None)
    return next(present, "")


def start_keras() -> None:
    """Import Keras on the chosen backend, and keep what backends print on the way off the terminal.

    Raises:
        MissingDependencyError: if there is no backend, or not the one asked for.
        MemoryError: if there is no room for it.
    """
    from octavo.run.quiet import native_stderr

    _check_room()
    backend = chosen_backend()
    if backend:
        os.environ["KERAS_BACKEND"] = backend
    try:
        with native_stderr():
            import keras  # noqa: F401
    except (ImportError, ValueError) as error:
        if "failed to map segment" in str(error):
            raise MemoryError(str(error)) from error
        wanted = backend if backend in BACKENDS else BACKENDS[0]
        raise MissingDependencyError(
            f"Keras cannot start on the backend '{backend}'." if backend else "Keras has no backend.",
            got=str(error),
            expected="one of " + ", ".join(BACKENDS) + ", installed",
            fix=f'pip install "octavo[{wanted}]", or set KERAS_BACKEND to one that `octavo doctor` finds',
        ) from error


def _check_room() -> None:
    """Refuse a limit of memory under which backends abort or hang as they start.

    Raises:
        MemoryError: naming the limit.
    """
    with suppress(ImportError):  # no such limits on this system
        import resource

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        if limit != resource.RLIM_INFINITY and limit < ADDRESS_SPACE:
            raise MemoryError(f"`ulimit -v` at {limit >> 20} megabytes; Keras needs {ADDRESS_SPACE >> 20} to start")


def _configured_backend() -> str:
    """The backend of Keras's own configuration file."""
    home = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras"))
    try:
        return str(json.loads((home / "keras.json").read_text(encoding="utf-8")).get("backend", "tensorflow"))
    except (OSError, ValueError):
        return "tensorflow"
