"""What the library knows about an operator: one frozen `OpSpec` row in the file of the operator's family.

Everything else reads these rows: shape inference, the interpreters, the plan, both loaders, the writer,
quantization-aware training, the support matrix and the generic tests. None keeps a list of its own.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

from octavo.dtypes import DType
from octavo.errors import GraphError
from octavo.ir.inputs import Inputs
from octavo.ir.types import NoOptions, Options, Shape, Tensor
from octavo.ops.identity import never
from octavo.ops.limits import OutputScales
from octavo.ops.matrix_form import MatrixForm
from octavo.ops.products import Products, none
from octavo.ops.roles import Bias, Data, Free, Intermediate, Role, Rule, SameAsInput, SameAsOutput, State, Weight
from octavo.ops.signs import Signs, unknown
from octavo.ops.window import Border

C = TypeVar("C")

InferShapes = Callable[[Any, Inputs[Tensor]], tuple[Shape, ...]]
InferTypes = Callable[[Any, Inputs[Tensor]], tuple[DType, ...]]
FloatKernel = Callable[[Any, Inputs[np.ndarray]], tuple[np.ndarray, ...]]
ShowStates = Callable[["Emitter", Any, Sequence[str | None], str], Mapping[int, str]]
Version = Callable[[Inputs[Tensor], Sequence[Tensor]], int]


@dataclass(frozen=True, slots=True)
class Kernel(Generic[C]):
    """An integer kernel in two halves: what a model decides, once, and what runs on values.

    Attributes:
        prepare: The constants of a call, from its options, input tensors and output tensors: all that is computed of
            scales, zero points and shapes. A C kernel is called with the same.
        run: The results, from these constants and the inputs' integers; any batch size where no operator fixes it.
    """

    prepare: Callable[[Any, Inputs[Tensor], Sequence[Tensor]], C]
    run: Callable[[C, Inputs[np.ndarray]], tuple[np.ndarray, ...]]


class Overlap(enum.Enum):
    """What an operator still needs of an input while its output is written over it, place by place."""

    ALIAS = "alias"
    """Nothing is written: the output is the input's bytes."""

    ELEMENTWISE = "elementwise"
    """Of the input, an element needs the one at its own place: any order."""

    FORWARD = "forward"
    """An element needs those at its own place and behind: front to back."""

    ROWS = "rows"
    """A row of an image needs the input's rows in its window: top to bottom, with a copy of the row at its place and of
    those above that its window reaches, `pad_top` at stride 1."""


@dataclass(frozen=True, slots=True)
class InPlace:
    """Inputs whose memory the first output may take.

    This speaks of the operator, not of a call: a planner grants it where nothing reads the input later and sizes allow
    it. For ELEMENTWISE the input must have the output's shape, so that it is not broadcast, and size of an element.

    Attributes:
        inputs: Indices; one of them at a time.
        overlap: How.
    """

    inputs: tuple[int, ...] = (0,)
    overlap: Overlap = Overlap.ELEMENTWISE


@dataclass(frozen=True, slots=True)
class Example:
    """Inputs that show an operator at work; generic tests run each through every interpreter.

    Attributes:
        shapes: Shape of each non-constant input, None at the places of constants and of absent inputs.
        constants: Arrays by input index.
        options: The operator's options.
        low, high: Range the random inputs are drawn from.
        states: Shapes of variables by input index.
        dtypes: Types of inputs that are not real, by input index.
    """

    shapes: tuple[Shape | None, ...]
    constants: Mapping[int, np.ndarray] = field(default_factory=dict)
    options: Options = field(default_factory=NoOptions)
    low: float = -3.0
    high: float = 3.0
    states: Mapping[int, Shape] = field(default_factory=dict)
    dtypes: Mapping[int, DType] = field(default_factory=dict)


class Emitter(Protocol):
    """Where a lowering puts its operators; see `octavo.ops.build.GraphBuilder`."""

    def emit(self, op: str, inputs: Sequence[str | None], options: Options = ..., *, suffix: str = ...) -> str: ...

    def emit_many(
        self, op: str, inputs: Sequence[str | None], options: Options = ..., *, outputs: int, suffix: str = ...
    ) -> tuple[str, ...]: ...

    def constant(self, array: np.ndarray, suffix: str, *, scalar: bool = ...) -> str: ...

    def expects(self, name: str, mean: np.ndarray, variance: np.ndarray) -> None: ...

    def variable(self, shape: Shape, suffix: str) -> str: ...

    def shape(self, name: str) -> Shape: ...

    def dtype(self, name: str) -> DType: ...

    def activation(self, function: Any, name: str) -> str: ...

    def calls(
        self, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any] = ...
    ) -> tuple[str, ...]: ...


class KerasCall(Protocol):
    """One call of a Keras layer or of a keras.ops operation, its tensors already lowered.

    Attributes:
        operation: The layer or operation.
        args, kwargs: What it was called with; a `TensorRef` stands where a Keras tensor was.
        inputs: Names of the tensors among them, in order.
    """

    @property
    def operation(self) -> Any: ...

    @property
    def args(self) -> tuple[Any, ...]: ...

    @property
    def kwargs(self) -> Mapping[str, Any]: ...

    @property
    def inputs(self) -> tuple[str, ...]: ...

    def weight(self, attribute: str) -> np.ndarray: ...


@dataclass(frozen=True, slots=True)
class TensorRef:
    """The place of a graph tensor among a Keras call's arguments."""

    name: str


@dataclass(frozen=True, slots=True)
class KerasForm:
    """How one Keras layer, activation or operation becomes operators.

    Attributes:
        lower: Emits the operators and returns the name of each result. Raises
            `octavo.errors.UnsupportedLayerError` for a configuration without a form.
        example: Makes, given the `keras` module, something to call on symbolic inputs and those
            inputs' shapes without batch; generic tests load, train and export each one.
        takes_mask: Whether `lower` heeds a mask that the call is given; else what the layer's code does to it is read.
        takes_channels_first: Whether `lower` heeds a `data_format`; else it is given tensors whose channels come last.
        remark: What whoever reads a layer must know of its configuration; "" where there is nothing.
    """

    lower: Callable[[Emitter, KerasCall], str | tuple[str, ...]]
    example: Callable[[Any], tuple[Callable[..., Any], tuple[Shape, ...]]]
    takes_mask: bool = False
    takes_channels_first: bool = False
    remark: Callable[[Any], str] = lambda operation: ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpSpec:
    """One operator.

    Attributes:
        name: TensorFlow Lite builtin name.
        options: Class of its options.
        inputs: The role of each input.
        variadic: Whether the last role is that of any number of inputs.
        outputs: How the parameters of each output follow; the last rule is that of all further ones.
        shapes: Shape rule.
        output_scales: The scales of the first output that kernels hold, where they depend on those of the inputs.
        obstacle: Why kernels cannot compute a call rightly whatever the scale of the output, given its options and its
            integer inputs; "" where they can.
        hazard: Why some input ends the kernels of a type of activations, or has them answer wrongly, whatever the
            ranges and the samples, given options and float inputs; "" where none does.
        types: Types of the results where they are not that of the data: indices, truth values.
        window: Height and width, in taps, of a window that slides over images; None for other operators.
        border: What the window finds beyond the border of the images, where it pads.
        bounds: Real numbers that every result lies between.
        identity: Whether a call returns its first data input as it is.
        converts: Whether it only changes the type or the parameters of what it is given.
        affine: The (scale, offset) of `x * scale + offset` that a constant operand makes of the operator, given its
            values and whether it comes first; None where it makes no such function.
        training: Given `keras.ops`, the operator on Keras tensors: inputs in order, options by name. None where it
            cannot stand between roundings in training.
        intermediates: What a file tells integer kernels of values inside them.
        show_states: Emits float operators that compute, from the names of the inputs and of the first output, all
            values that states with parameters of their own take in a run from the reset: names by input index.
        pointwise: Whether an element of the result follows from those at its own place alone.
        on_integers: The options, given its own and the type, with which a call computes of quantized values that were
            cast to int32, all of one scale; None where it has a kernel of its own, or none at all.
        whole: The integer for a constant in steps of what such a call compares it with, given whether it comes first.
        counts: Whether it makes whole numbers of whole numbers, and LiteRT computes those as int32, too.
        ranks: Whether results say which values are the largest, so that a step of these may change them wholly.
        of_shapes: Whether results are int32 lengths that follow from the inputs' shapes, whatever their values.
        channelwise: Whether a call only scales its channels where those of its operands are scaled.
        joins_channels: Whether a call lays the channels of its operands side by side.
        passes_offsets: Whether a call that only scales channels hands on, added up, what is added to each of them.
        matrix_form: The operator as matrix products, where it has one weight and is linear in it.
        products: How many products a call adds up, given its options, inputs and outputs.
        pole: Whether function or gradient is infinite at 0, which rounding makes of small arguments.
        unbounded: Whether small operands make results of any size and sign.
        of_product: The operator that makes f(a b) of f(a) and f(b), where there is one.
        positive: Where no result is negative, as far as that follows from signs of the operands.
        run_float: Reference on float32 arrays; returns the results, then the next value of each state.
        integer: Reference on integers, exact against TensorFlow Lite Micro; None where only float runs.
        in_place: Inputs whose memory the output may take, if any.
        activations: Activation types with an integer kernel in LiteRT and, but for `micro`, in TensorFlow Lite Micro.
        micro: Activation types TensorFlow Lite Micro accepts.
        micro_name: Its name in the resolver there, where that is not its own in camel case.
        fuses: Whether RELU-like operators can fuse into it.
        exact: False where LiteRT's reference kernel rounds in floating point, so that it equals the integer
            reference only within a step.
        drift: By how many steps beyond one LiteRT's default kernels may differ from the integer reference.
        wrong_in_litert_reference: Activation types that LiteRT's reference kernels lack or compute wrongly.
        version: Operator version by input and output tensors.
        keras: Forms of the Keras layers ("layers.Conv2D"), activations ("activations.relu") and operations
            ("ops.Relu") that become it.
        examples: At least two.
        note: A line for the support matrix.
    """

    name: str
    options: type[Options] = NoOptions
    inputs: tuple[Role, ...] = (Data(),)
    variadic: bool = False
    outputs: tuple[Rule, ...] = (Free(),)
    intermediates: tuple[Intermediate, ...] = ()
    show_states: ShowStates | None = None
    shapes: InferShapes
    output_scales: OutputScales | None = None
    obstacle: Callable[[Any, Inputs[Tensor]], str] = lambda options, inputs: ""
    hazard: Callable[[Any, Inputs[Tensor], DType], str] = lambda options, inputs, dtype: ""
    types: InferTypes | None = None
    window: Callable[[Any, Inputs[Tensor]], tuple[int, int]] | None = None
    border: Border | None = None
    bounds: tuple[float, float] = (-math.inf, math.inf)
    identity: Callable[[Any, Inputs[Tensor], Tensor], bool] = never
    converts: bool = False
    pointwise: bool = False
    on_integers: Callable[[Any, DType], Options | None] = lambda options, dtype: None
    whole: Callable[[np.ndarray, bool], np.ndarray] = lambda steps, first: np.rint(steps)
    counts: bool = False
    ranks: bool = False
    of_shapes: bool = False
    affine: Callable[[np.ndarray, bool], tuple[np.ndarray, np.ndarray] | None] | None = None
    training: Callable[[Any], Callable[..., Any]] | None = None
    channelwise: Callable[[Any, Inputs[Tensor], Tensor], bool] = never
    joins_channels: Callable[[Any, Inputs[Tensor], Tensor], bool] = never
    passes_offsets: bool = False
    matrix_form: MatrixForm | None = None
    products: Products = none
    pole: bool = False
    unbounded: bool = False
    of_product: str | None = None
    positive: Signs = unknown
    run_float: FloatKernel
    integer: Kernel[Any] | None = None
    in_place: InPlace | None = None
    activations: frozenset[DType] = frozenset({DType.INT8, DType.INT16})
    micro: frozenset[DType] = frozenset({DType.FLOAT32, DType.INT8, DType.INT16})
    micro_name: str = ""
    fuses: bool = False
    exact: bool = True
    drift: Callable[[Any, Inputs[Tensor], Sequence[Tensor]], float] = lambda options, inputs, outputs: 0.0
    wrong_in_litert_reference: frozenset[DType] = frozenset()
    version: Version = lambda inputs, outputs: 1
    keras: Mapping[str, KerasForm] = field(default_factory=dict)
    examples: tuple[Example, ...] = ()
    note: str = ""

    def role(self, index: int) -> Role:
        """The role of an input.

        Raises:
            GraphError: if the operator has no such input.
        """
        if index >= len(self.inputs) and not self.variadic:
            raise GraphError(
                f"{self.name} has no input {index}.",
                got=f"more than {len(self.inputs)} inputs",
                expected=f"at most {len(self.inputs)}",
                fix="take the inputs from the op table's row",
            )
        return self.inputs[min(index, len(self.inputs) - 1)]

    def rule(self, index: int = 0) -> Rule:
        """How the parameters of an output follow."""
        return self.outputs[min(index, len(self.outputs) - 1)]

    @property
    def widens(self) -> bool:
        """Whether int16 runs wherever int8 does."""
        return DType.INT16 in self.activations and (DType.INT16 in self.micro or DType.INT8 not in self.micro)

    @property
    def takes_whole(self) -> bool:
        """Whether LiteRT computes it of int32, rightly."""
        rule = self.rule()
        return self.counts or (isinstance(rule, SameAsInput | SameAsOutput) and rule.moves and not rule.reals_alone)

    @property
    def takes_truths(self) -> bool:
        """Likewise of truth values."""
        rule = self.rule()
        return self.takes_whole and isinstance(rule, SameAsInput | SameAsOutput) and not rule.numbers_alone

    @property
    def reshapes(self) -> bool:
        """Whether it only gives the values, in their order, another shape."""
        return self.in_place is not None and self.in_place.overlap is Overlap.ALIAS

    @property
    def states(self) -> tuple[tuple[int, State], ...]:
        """(index, role) of the inputs that hold state."""
        return tuple((i, role) for i, role in enumerate(self.inputs) if isinstance(role, State))

    @property
    def weights(self) -> tuple[tuple[int, Weight], ...]:
        """(index, role) of the inputs that hold weights."""
        return tuple((i, role) for i, role in enumerate(self.inputs) if isinstance(role, Weight))

    @property
    def biases(self) -> tuple[tuple[int, Bias], ...]:
        """(index, role) of the inputs that hold biases."""
        return tuple((i, role) for i, role in enumerate(self.inputs) if isinstance(role, Bias))
