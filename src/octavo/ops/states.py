"""A state that the graph itself computes with: a variable, read at the start of a run and written at its end.

    UNPACK of the variable  =>  its value ... the next one  =>  PACK into the variable

These two move values without a change, of every type, in every runtime. A RESHAPE into a variable LiteRT refuses, and
READ_VARIABLE has no reset: what it holds stays until the file is loaded anew. What is written depends on what was read,
by a copy beside it if by nothing else: LiteRT parts a graph among delegates by which operator needs another's result,
and would write first. A circle it leaves as it is, in its order, on kernels of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from octavo.ir.types import Shape
from octavo.ops.build import GraphBuilder
from octavo.ops.copies import UnpackOptions
from octavo.ops.elementwise_kernels import AddOptions, SubOptions
from octavo.ops.join import PackOptions
from octavo.ops.shape import emit_reshape

# What whoever runs the file must know.
KEEPS_STATE = (
    "keeps its state from one run of the file to the next, as the layer does from call to call: between sequences call "
    "reset_all_variables() of LiteRT's interpreter"
)
ON_OWN_KERNELS = "; LiteRT runs such a file on kernels of its own, without XNNPACK, which are slower"


@dataclass(frozen=True, slots=True)
class State:
    """One state of a graph that is being built.

    Attributes:
        variable: Its tensor, which holds by how much it is beyond `start`.
        start: What it is at the reset.
        before: The tensor that holds what a run finds in the variable.
        value: The tensor that holds what it is now.
    """

    variable: str
    start: np.ndarray
    before: str
    value: str

    @classmethod
    def of(cls, b: GraphBuilder, start: np.ndarray, suffix: str) -> State:
        """A new one of the layer at hand, as a run finds it."""
        start = np.atleast_1d(start)
        axis = _axis(start.shape)
        variable = b.variable((*start.shape[:axis], 1, *start.shape[axis:]), suffix)
        before = value = b.emit("UNPACK", [variable], UnpackOptions(1, axis), suffix=f"{suffix}/before")
        if start.any():
            value = b.emit("ADD", [value, b.constant(start, f"{suffix}/start")], AddOptions(), suffix=suffix)
        return cls(variable, start, before, value)

    def write(self, b: GraphBuilder) -> None:
        """Let the next run find what it is now."""
        value, b.layer, axis = self.value, b.tensor(self.variable).layer, _axis(self.start.shape)
        if b.shape(value) != self.start.shape:
            value = emit_reshape(b, value, self.start.shape)
        if self.start.any():
            value = b.emit("SUB", [value, b.constant(self.start, "start")], SubOptions(), suffix="beyond")
        if not b.depends(value, self.variable):
            both = b.emit("PACK", [value, self.before], PackOptions(2, axis), suffix="both")
            value = b.emit_many("UNPACK", [both], UnpackOptions(2, axis), outputs=2, suffix="after")[0]
        b.emit_into(self.variable, "PACK", [value], PackOptions(1, axis))


def _axis(shape: Shape) -> int:
    """Where the dimension of a variable is that its value does not have: behind the batch, which stays the first."""
    return min(1, len(shape))
