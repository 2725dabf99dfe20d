"""Settings of the whole test suite; modules beside this file can be imported by every test."""

from __future__ import annotations

import os

os.environ.setdefault("KERAS_BACKEND", "jax")
