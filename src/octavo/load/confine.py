"""Takes from this process what it does not need: writing elsewhere, networks, endless computing. There is no way back.

Source: the Linux kernel's documentation, userspace-api/landlock.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same numbers on every architecture
_NO_NEW_PRIVILEGES, _BENEATH_A_PATH, _VERSION = 38, 1, 1
_WRITING = sum(1 << bit for bit in (1, 4, 5, 6, 7, 8, 9, 10, 11, 12))  # write a file; remove and make entries
_REFER, _TRUNCATE, _TCP = 1 << 13, 1 << 14, 0b11


def confine(folder: Path, seconds: int, file_bytes: int) -> bool:
    """Let this process and its children write below one folder only, and bound what they use.

    Args:
        folder: Where files may still be written.
        seconds: Processor time that may be used.
        file_bytes: Size that a file may grow to.

    Returns:
        Whether the system enforces the folder: Linux since 5.13, networks since 6.7. Bounds hold on any POSIX system.
    """
    if os.name == "posix":
        import resource

        for kind, most in (
            (resource.RLIMIT_CORE, 0), (resource.RLIMIT_CPU, seconds), (resource.RLIMIT_FSIZE, file_bytes)
        ):  # fmt: skip
            hard = resource.getrlimit(kind)[1]
            most = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.setrlimit(kind, (most, most))
    return sys.platform == "linux" and _restrict(folder)


def _restrict(folder: Path) -> bool:
    system = ctypes.CDLL(None, use_errno=True)
    version = system.syscall(_CREATE_RULESET, None, 0, _VERSION)
    if version < 1:
        return False
    rights = _WRITING | (_REFER if version >= 2 else 0) | (_TRUNCATE if version >= 3 else 0)
    attributes = struct.pack("QQ", rights, _TCP) if version >= 4 else struct.pack("Q", rights)
    rules = system.syscall(_CREATE_RULESET, attributes, len(attributes), 0)
    if rules < 0:
        return False
    place = os.open(folder, os.O_PATH)
    rule = struct.pack("=Qi", rights, place)
    done = (
        system.syscall(_ADD_RULE, rules, _BENEATH_A_PATH, rule, 0) == 0
        and system.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) == 0
        and system.syscall(_RESTRICT_SELF, rules, 0) == 0
    )
    os.close(place)
    os.close(rules)
    return bool(done)
