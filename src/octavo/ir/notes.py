"""Remarks that stages hand on to the report."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Note:
    """One remark.

    Attributes:
        stage: Who makes it: "load", a pass's name, "plan", "calibrate", "verify".
        subject: The layer or tensor it is about, as the user named it.
        text: One sentence.
    """

    stage: str
    subject: str
    text: str
