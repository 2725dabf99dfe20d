"""Everything Octavo raises on purpose.

    OctavoError (what, got, expected, fix)
    |-- InputError              what the caller handed over cannot be used
    |   |-- ModelFileError      a model file that is missing, truncated or not a model
    |   |-- OpenShapeError      a model that leaves sizes of its inputs open
    |   |-- UnsupportedLayerError   a layer or operator with no lowering
    |   |-- DatasetError        representative or evaluation data of the wrong form
    |   |-- NonFiniteError      NaN or infinity in data, weights or activations
    |   `-- ConfigError         an option with an unknown name or a value out of range
    |-- GraphError              a graph that breaks an invariant (a bug of ours or of a written pass)
    |-- OutputError             a file that could not be written
    |-- RuntimeEndedError       native code that died, in the process that is there for it
    |   `-- RuntimeLimitError   native code that took too much time or memory there
    |-- MissingDependencyError  an optional package that is needed and absent
    `-- VerificationError       a written file that does not compute what it was made to compute

Every error carries four fields, so that a command line, a notebook and a log can each print them
as they like. The fix is an instruction, not a hint.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType


class OctavoError(Exception):
    """Base of all errors raised on purpose.

    Args:
        what: One sentence saying what went wrong, naming the layer or file as the user named it.
        got: What was found.
        expected: What would have been accepted.
        fix: What to do about it.
    """

    def __init__(self, what: str, *, got: str, expected: str, fix: str) -> None:
        super().__init__(what)
        self.what, self.got, self.expected, self.fix = what, got, expected, fix

    def __str__(self) -> str:
        return f"{self.what}\n  got:      {self.got}\n  expected: {self.expected}\n  fix:      {self.fix}"

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.what, self.got, self.expected, self.fix)


def _rebuild(kind: type[OctavoError], what: str, got: str, expected: str, fix: str) -> OctavoError:
    return kind(what, got=got, expected=expected, fix=fix)


class InputError(OctavoError):
    """What the caller handed over cannot be used."""


class ModelFileError(InputError):
    """A model file is missing, truncated, or not a model."""


class OpenShapeError(InputError):
    """A model leaves sizes of its inputs open.

    Attributes:
        inputs: Shape of each input by name, batch first, None where it is open; no part of the message.
    """

    inputs: Mapping[str, tuple[int | None, ...]] = MappingProxyType({})


class UnsupportedLayerError(InputError):
    """A layer or operator has no lowering."""


class DatasetError(InputError):
    """Representative or evaluation data has the wrong form."""


class NonFiniteError(InputError):
    """NaN or infinity in data, weights or activations."""


class ConfigError(InputError):
    """An option has an unknown name or a value out of range."""


class GraphError(OctavoError):
    """A graph breaks an invariant of its stage."""


class OutputError(OctavoError):
    """A file could not be written."""


class RuntimeEndedError(OctavoError):
    """Native code died in the process that is there for it, or no such process could start."""


class RuntimeLimitError(RuntimeEndedError):
    """Native code took too much time or memory."""


class MissingDependencyError(OctavoError):
    """An optional package is needed and absent."""


class VerificationError(OctavoError):
    """A written file does not compute what it was made to compute."""
