"""Keras activations, and operations on one tensor, that become several operators.

Each formula keeps its inner values in a range that integers hold well; none multiplies errors of cancelled terms.
"""

from __future__ import annotations

import numpy as np

from octavo.ir.types import Shape
from octavo.ops.elementwise_kernels import AddOptions, DivOptions, MulOptions, SubOptions
from octavo.ops.elementwise_layers import emit_chain, emit_number, operands, times
from octavo.ops.forms import activation_form, function_forms, layer_form, operation_form, parameter
from octavo.ops.spec import Emitter, KerasCall, KerasForm, TensorRef

SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805


def lower_elu(b: Emitter, call: KerasCall) -> str:
    """ELU: `max(x, 0) + alpha * (exp(min(x, 0)) - 1)`."""
    alpha = float(parameter(call, "alpha"))
    return b.emit("ELU", call.inputs) if alpha == 1 else _line_and_exponential(b, call.inputs[0], 1.0, alpha)


def lower_selu(b: Emitter, call: KerasCall) -> str:
    """SELU: ELU with an alpha of its own, times a constant."""
    return _line_and_exponential(b, call.inputs[0], SELU_SCALE, SELU_SCALE * SELU_ALPHA)


def lower_celu(b: Emitter, call: KerasCall) -> str:
    """CELU: `max(x, 0) + alpha * (exp(min(x, 0) / alpha) - 1)`."""
    alpha = float(parameter(call, "alpha"))
    return _line_and_exponential(b, call.inputs[0], 1.0, alpha, 1 / alpha)


def _line_and_exponential(b: Emitter, x: str, slope: float, alpha: float, steepness: float = 1.0) -> str:
    """`slope * max(x, 0) + alpha * (exp(steepness * min(x, 0)) - 1)`."""
    line = _times(b, b.emit("RELU", [x], suffix="positive"), slope, "line")
    negative = _times(b, _minimum(b, x, 0.0, "negative"), steepness, "steep")
    exponential = _times(b, b.emit("ELU", [negative], suffix="elu"), alpha, "exponential")
    return b.emit("ADD", [line, exponential], AddOptions())


def lower_silu(b: Emitter, call: KerasCall) -> str:
    """SiLU, also called swish: `x * sigmoid(x)`."""
    x = call.inputs[0]
    return b.emit("MUL", [x, b.emit("LOGISTIC", [x], suffix="sigmoid")], MulOptions())


def lower_hard_sigmoid(b: Emitter, call: KerasCall) -> str:
    """Hard sigmoid: `relu6(x + 3) / 6`."""
    shifted = b.emit("ADD", [call.inputs[0], emit_number(b, 3, "three")], AddOptions(), suffix="shifted")
    return times(b, b.emit("RELU6", [shifted], suffix="relu6"), 1 / 6)


def lower_hard_tanh(b: Emitter, call: KerasCall) -> str:
    """Hard tanh: `max(min(x, 1), -1)`."""
    return _maximum(b, _minimum(b, call.inputs[0], 1.0, "at_most_one"), -1.0)


def lower_tanh_shrink(b: Emitter, call: KerasCall) -> str:
    """Tanh shrink: `x - tanh(x)`."""
    x = call.inputs[0]
    return b.emit("SUB", [x, b.emit("TANH", [x], suffix="tanh")], SubOptions())


def lower_softplus(b: Emitter, call: KerasCall) -> str:
    """Softplus: `log(1 + exp(x)) = max(x, 0) - log(sigmoid(|x|))`."""
    return _softplus(b, call.inputs[0])


def lower_mish(b: Emitter, call: KerasCall) -> str:
    """Mish: `x * tanh(softplus(x))`."""
    x = call.inputs[0]
    gate = b.emit("TANH", [_softplus(b, x, "softplus")], suffix="tanh")
    return b.emit("MUL", [x, gate], MulOptions())


def _softplus(b: Emitter, x: str, suffix: str = "") -> str:
    positive = b.emit("RELU", [x], suffix="positive")
    return b.emit("SUB", [positive, _log_sigmoid_of_magnitude(b, x)], SubOptions(), suffix=suffix)


def lower_log_sigmoid(b: Emitter, call: KerasCall) -> str:
    """Log sigmoid: `min(x, 0) + log(sigmoid(|x|))`."""
    x = call.inputs[0]
    return b.emit("ADD", [_minimum(b, x, 0.0, "negative"), _log_sigmoid_of_magnitude(b, x)], AddOptions())


def _log_sigmoid_of_magnitude(b: Emitter, x: str) -> str:
    """`log(sigmoid(|x|))`, which lies between -log(2) and 0."""
    gate = b.emit("LOGISTIC", [b.emit("ABS", [x], suffix="magnitude")], suffix="sigmoid")
    return b.emit("LOG", [gate], suffix="log")


def lower_softsign(b: Emitter, call: KerasCall) -> str:
    """Softsign: `x / (1 + |x|)`."""
    x = call.inputs[0]
    magnitude = b.emit("ABS", [x], suffix="magnitude")
    divisor = b.emit("ADD", [magnitude, emit_number(b, 1, "one")], AddOptions(), suffix="divisor")
    return b.emit("DIV", [x, divisor], DivOptions())


def lower_negative(b: Emitter, call: KerasCall) -> str:
    """`-x`, as a product: NEG has no integer kernel."""
    return times(b, call.inputs[0], -1.0)


def lower_square(b: Emitter, call: KerasCall) -> str:
    """`x * x`: SQUARE has no integer kernel."""
    return b.emit("MUL", [call.inputs[0]] * 2, MulOptions())


def lower_reciprocal(b: Emitter, call: KerasCall) -> str:
    """`1 / x`."""
    return b.emit("DIV", [emit_number(b, 1, "one"), call.inputs[0]], DivOptions())


def lower_power(b: Emitter, call: KerasCall) -> str:
    """`x ** n`: products for n of 2, 3 and 4, roots and reciprocals for 1/2, -1/2 and -1; POW of any other."""
    exponent = [*call.args, *call.kwargs.values()][1]
    lowerings = {
        2.0: lower_square, 3.0: _cube, 4.0: _fourth_power, 0.5: _square_root, -0.5: _inverse_square_root,
        -1.0: lower_reciprocal,
    }  # fmt: skip
    if isinstance(exponent, TensorRef) or np.size(exponent) != 1 or float(np.ravel(exponent)[0]) not in lowerings:
        return b.emit("POW", operands(b, call))
    return lowerings[float(np.ravel(exponent)[0])](b, call)


def _cube(b: Emitter, call: KerasCall) -> str:
    x = call.inputs[0]
    return b.emit("MUL", [b.emit("MUL", [x, x], MulOptions(), suffix="square"), x], MulOptions())


def _fourth_power(b: Emitter, call: KerasCall) -> str:
    x = call.inputs[0]
    square = b.emit("MUL", [x, x], MulOptions(), suffix="square")
    return b.emit("MUL", [square, square], MulOptions())


def _square_root(b: Emitter, call: KerasCall) -> str:
    return b.emit("SQRT", call.inputs[:1])


def _inverse_square_root(b: Emitter, call: KerasCall) -> str:
    return b.emit("RSQRT", call.inputs[:1])


def lower_clip(b: Emitter, call: KerasCall) -> str:
    """`max(min(x, largest), smallest)`; from 0 to 6 it is RELU6, but of integers that stand for themselves."""
    low, high = call.operation.x_min, call.operation.x_max
    if (low, high) == (0, 6) and b.dtype(call.inputs[0]).is_float:
        return b.emit("RELU6", call.inputs)
    return _maximum(b, _minimum(b, call.inputs[0], high, "at_most"), low)


def lower_average(b: Emitter, call: KerasCall) -> str:
    """keras.layers.Average: the sum, times one over the number of tensors."""
    total = emit_chain(b, "ADD", AddOptions(), call.inputs, suffix="sum")
    return times(b, total, 1 / len(call.inputs))


def _minimum(b: Emitter, x: str, limit: float, suffix: str = "") -> str:
    return b.emit("MINIMUM", [x, _limit(b, x, limit, "largest")], suffix=suffix)


def _maximum(b: Emitter, x: str, limit: float, suffix: str = "") -> str:
    return b.emit("MAXIMUM", [x, _limit(b, x, limit, "smallest")], suffix=suffix)


def _limit(b: Emitter, x: str, limit: float, suffix: str) -> str:
    """A limit of the type of what it bounds, where that holds it."""
    if b.dtype(x).is_float or not float(limit).is_integer():
        return emit_number(b, limit, suffix)
    return b.constant(np.asarray(limit, b.dtype(x).numpy), suffix)


def _times(b: Emitter, x: str, factor: float, suffix: str) -> str:
    return x if factor == 1 else times(b, x, factor, suffix)


_PAIR: tuple[Shape, ...] = ((4, 3), (4, 3))

FORMS: dict[str, KerasForm] = {
    **function_forms("elu", "Elu", lower_elu),
    "layers.ELU": layer_form(lower_elu, lambda keras: keras.layers.ELU(0.5)),
    **function_forms("selu", "Selu", lower_selu),
    **function_forms("celu", "Celu", lower_celu),
    **function_forms("silu", "Silu", lower_silu),
    **function_forms("hard_sigmoid", "HardSigmoid", lower_hard_sigmoid),
    **function_forms("hard_tanh", "HardTanh", lower_hard_tanh),
    **function_forms("tanh_shrink", "TanhShrink", lower_tanh_shrink),
    **function_forms("softplus", "Softplus", lower_softplus),
    **function_forms("log_sigmoid", "LogSigmoid", lower_log_sigmoid),
    **function_forms("softsign", "Softsign", lower_softsign),
    "activations.mish": activation_form("mish", lower_mish),
    "ops.Negative": operation_form("negative", lower_negative),
    "ops.Square": operation_form("square", lower_square),
    "ops.Reciprocal": KerasForm(lower_reciprocal, lambda keras: (lambda x: keras.ops.reciprocal(x + 9.0), ((4, 3),))),
    "ops.Power": KerasForm(lower_power, lambda keras: (lambda x: keras.ops.power(x, 2), ((4, 3),))),
    "ops.Clip": KerasForm(lower_clip, lambda keras: (lambda x: keras.ops.clip(x, -0.5, 1.5), ((4, 3),))),
    "layers.Average": KerasForm(lower_average, lambda keras: (lambda *xs: keras.layers.Average()(xs), _PAIR)),
}
