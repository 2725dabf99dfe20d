"""Functions of one and of two numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from octavo.ops.forms import activation_form
from octavo.ops.spec import KerasForm
from octavo.ops.written.recipe import by_two, counted, is_symbol, keras_ops, written

# Abramowitz and Stegun, "Handbook of Mathematical Functions", 7.1.26: good to 1.5e-7, which is float32's own rounding.
_ERF_STEEPNESS = 0.3275911
_ERF_TERMS = (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592)


def erf(operation: Any, x: Any) -> Any:
    """The error function, by a polynomial of `1 / (1 + p |x|)`."""
    ops = keras_ops()
    magnitude = ops.abs(x)
    t = 1.0 / (magnitude * _ERF_STEEPNESS + 1.0)
    polynomial = 0.0
    for term in _ERF_TERMS:
        polynomial = (polynomial + term) * t
    return ops.sign(x) * (1.0 - polynomial * ops.exp(-ops.square(magnitude)))


# Giles, "Approximating the erfinv function", 2010, single precision: around the middle, and in the tails.
_ERFINV_MIDDLE = (
    2.81022636e-08,
    3.43273939e-07,
    -3.5233877e-06,
    -4.39150654e-06,
    0.00021858087,
    -0.00125372503,
    -0.00417768164,
    0.246640727,
    1.50140941,
)
_ERFINV_TAILS = (
    -0.000200214257,
    0.000100950558,
    0.00134934322,
    -0.00367342844,
    0.00573950773,
    -0.0076224613,
    0.00943887047,
    1.00167406,
    2.83297682,
)
# Abramowitz and Stegun, 9.8.1 and 9.8.2: the modified Bessel function of order 0, below 3.75 and from there on.
_BESSEL_TURN = 3.75
_BESSEL_NEAR = (0.0045813, 0.0360768, 0.2659732, 1.2067492, 3.0899424, 3.5156229, 1.0)
_BESSEL_FAR = (
    0.00392377,
    -0.01647633,
    0.02635537,
    -0.02057706,
    0.00916281,
    -0.00157565,
    0.00225319,
    0.01328592,
    0.39894228,
)


def _polynomial(x: Any, terms: tuple[float, ...]) -> Any:
    """By Horner's rule, the highest power first."""
    value = x * terms[0] + terms[1]
    for term in terms[2:]:
        value = value * x + term
    return value


def _inverse_erf(ops: Any, x: Any) -> Any:
    depth = -ops.log((1.0 - x) * (x + 1.0))
    middle = _polynomial(ops.minimum(depth, 5.0) - 2.5, _ERFINV_MIDDLE)
    tails = _polynomial(ops.sqrt(ops.maximum(depth, 5.0)) - 3.0, _ERFINV_TAILS)
    return x * ops.where(depth < 5.0, middle, tails)


def _bessel(ops: Any, x: Any) -> Any:
    magnitude = ops.abs(x)
    near = _polynomial(ops.square(ops.minimum(magnitude, _BESSEL_TURN) * (1 / _BESSEL_TURN)), _BESSEL_NEAR)
    far = ops.maximum(magnitude, _BESSEL_TURN)
    tail = _polynomial(_BESSEL_TURN / far, _BESSEL_FAR) * ops.exp(far) * ops.rsqrt(far)
    return ops.where(magnitude < _BESSEL_TURN, near, tail)


def _by(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """A recipe of a function of keras.ops and one tensor."""
    return lambda operation, x: function(keras_ops(), x)


def _log_add(ops: Any, a: Any, b: Any) -> Any:
    """`log(exp(a) + exp(b)) = max(a, b) + log(1 + exp(-|a - b|))`."""
    return ops.maximum(a, b) + ops.softplus(-ops.abs(a - b))


def _fmod(ops: Any, a: Any, b: Any) -> Any:
    """The remainder with the sign of a: `a - b * trunc(a / b)`."""
    return a - ops.trunc(a / b) * b


def _within(operation: Any, x1: Any, x2: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
    ops = keras_ops()
    return ops.abs(x1 - x2) <= ops.abs(x2) * rtol + atol


def _power_of_two(ops: Any, x: Any) -> Any:
    return ops.exp(x * math.log(2))


def _scaled_by_power(ops: Any, x: Any, n: Any) -> Any:
    return x * (_power_of_two(ops, n) if is_symbol(n) else 2.0 ** np.asarray(n, np.float32))


def _sinc(ops: Any, x: Any) -> Any:
    """`sin(pi x) / (pi x)`, 1 at 0."""
    at_zero = ops.equal(x, 0.0)
    turned = ops.where(at_zero, 1.0, x * math.pi)
    return ops.where(at_zero, 1.0, ops.sin(turned) / turned)


def _never(ops: Any, x: Any) -> Any:
    """False for every finite number; Octavo takes no others."""
    return ops.not_equal(x, x)


def _always(ops: Any, x: Any) -> Any:
    return ops.equal(x, x)


def _same(ops: Any, x: Any) -> Any:
    return x


def _threshold(operation: Any, x: Any) -> Any:
    ops = keras_ops()
    return ops.where(x > operation.threshold, x, operation.default_value)


def _glu(operation: Any, x: Any) -> Any:
    ops = keras_ops()
    a, b = ops.split(x, 2, axis=operation.axis)
    return a * ops.sigmoid(b)


def _select(operation: Any, condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    ops, result = keras_ops(), default
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        result = ops.where(condition, choice, result)
    return result


def _digitized(ops: Any, x: Any, bins: Any) -> Any:
    """How many bounds lie at or below each value, as int32."""
    reached = ops.expand_dims(x, -1) >= np.asarray(bins, np.float32)
    return counted(ops.sum(ops.cast(reached, "float32"), axis=-1))


def _sorted_places(operation: Any, bounds: Any, values: Any) -> Any:
    """How many of some bounds lie below each value, or at it if the side is "right"."""
    ops = keras_ops()
    behind = ops.expand_dims(values, -1) if is_symbol(values) else np.expand_dims(np.asarray(values, np.float32), -1)
    passed = behind > bounds if operation.side == "left" else behind >= bounds
    return counted(ops.sum(ops.cast(passed, "float32"), axis=-1))


def _is_among_largest(operation: Any, targets: Any, predictions: Any) -> Any:
    """Whether fewer than k predictions are larger than that of the target."""
    ops = keras_ops()
    chosen = ops.sum(ops.one_hot(targets, predictions.shape[-1]) * predictions, axis=-1, keepdims=True)
    return ops.sum(ops.cast(predictions > chosen, "float32"), axis=-1) < operation.k


def _sparsemax(operation: Any, x: Any) -> Any:
    """What remains of values above a threshold, which is that of Keras and not of the paper: it adds up all sums.

    Source: keras/src/backend/*/nn.py, sparsemax; Martins and Astudillo, "From Softmax to Sparsemax", 2016.
    """
    ops, axis = keras_ops(), getattr(operation, "axis", -1) % len(x.shape)
    rows = ops.moveaxis(x, axis, -1)
    share = 1 / np.arange(1, rows.shape[-1] + 1, dtype=np.float32)
    largest = ops.top_k(rows, rows.shape[-1])[0]
    sums = ops.cumsum(largest, axis=-1)
    supports = ops.cast(largest > (sums - 1.0) * share, "float32")
    total, count = (ops.sum(part, axis=-1, keepdims=True) for part in (sums * supports, supports))
    return ops.moveaxis(ops.relu(rows - (total - 1.0) / count), -1, axis)


def _is_in(operation: Any, x1: Any, x2: Any) -> Any:
    ops = keras_ops()
    values = np.ravel(x2).astype(np.float32)
    found = ops.max(ops.cast(ops.equal(ops.expand_dims(x1, -1), values), "float32"), axis=-1) > 0.5
    return ops.logical_not(found) if operation.invert else found


def _converted(operation: Any, x: Any) -> Any:
    return x if operation.dtype is None else keras_ops().cast(x, operation.dtype)


def _saturate_cast(operation: Any, x: Any) -> Any:
    ops, wanted = keras_ops(), str(operation.dtype)
    if wanted in ("int8", "uint8", "int16"):
        limits = np.iinfo(wanted)
        return ops.trunc(ops.clip(x, float(limits.min), float(limits.max)))
    return ops.cast(x, wanted)


_SPARSEMAX = written(_sparsemax, lambda ops, x: ops.sparsemax(x))

FORMS: dict[str, KerasForm] = {
    "activations.sparsemax": activation_form("sparsemax", _SPARSEMAX.lower),
    "ops.Erfinv": written(_by(_inverse_erf), lambda ops, x: ops.erfinv(0.9 * ops.tanh(x))),
    "ops.I0": written(_by(_bessel), lambda ops, x: ops.i0(2.0 * x)),
    "ops.Imag": written(_by(lambda ops, x: x * 0.0), lambda ops, x: x + ops.imag(x)),
    "ops.Angle": written(_by(lambda ops, x: ops.where(x < 0.0, math.pi, 0.0)), lambda ops, x: ops.angle(x)),
    "ops.Sparsemax": _SPARSEMAX,
    "ops.SearchSorted": written(
        _sorted_places,
        lambda ops, x: ops.cast(ops.searchsorted(np.array([-0.5, 0.0, 0.5], np.float32), x), "float32"),
        (6,),
    ),
    "ops.InTopK": written(
        _is_among_largest,
        lambda ops, x, y: ops.where(ops.in_top_k(ops.argmax(y, axis=-1), x, 2), 1.0, ops.mean(x, axis=-1)),
        (6,),
        (6,),
    ),
    "ops.AllClose": written(
        lambda operation, x1, x2: keras_ops().all(_within(operation, x1, x2, operation.rtol, operation.atol)),
        lambda ops, x, y: ops.where(ops.allclose(x, y), x, 0.5),
        (4, 6),
        (4, 6),
    ),
    "ops.Erf": written(erf, lambda ops, x: ops.erf(x)),
    "ops.Erfc": written(_by(lambda ops, x: 1.0 - ops.erf(x)), lambda ops, x: ops.erfc(x)),
    "ops.Log1p": written(_by(lambda ops, x: ops.log(x + 1.0)), lambda ops, x: ops.log1p(x)),
    "ops.Log2": written(_by(lambda ops, x: ops.log(x) / math.log(2)), lambda ops, x: ops.log2(x)),
    "ops.Log10": written(_by(lambda ops, x: ops.log(x) / math.log(10)), lambda ops, x: ops.log10(x)),
    "ops.Expm1": written(_by(lambda ops, x: ops.exp(x) - 1.0), lambda ops, x: ops.expm1(x)),
    "ops.Exp2": written(_by(_power_of_two), lambda ops, x: ops.exp2(x)),
    "ops.Ldexp": written(by_two(_scaled_by_power), lambda ops, x: ops.ldexp(x, 2)),
    "ops.Sinh": written(_by(lambda ops, x: (ops.exp(x) - ops.exp(-x)) * 0.5), lambda ops, x: ops.sinh(x)),
    "ops.Cosh": written(_by(lambda ops, x: (ops.exp(x) + ops.exp(-x)) * 0.5), lambda ops, x: ops.cosh(x)),
    "ops.Tan": written(_by(lambda ops, x: ops.sin(x) / ops.cos(x)), lambda ops, x: ops.tan(x)),
    "ops.Sinc": written(_by(_sinc), lambda ops, x: ops.sinc(x)),
    "ops.Arctan": written(_by(lambda ops, x: ops.arctan2(x, ops.ones_like(x))), lambda ops, x: ops.arctan(x)),
    "ops.Arcsin": written(
        _by(lambda ops, x: ops.arctan2(x, ops.sqrt((1.0 - x) * (x + 1.0)))), lambda ops, x: ops.arcsin(x)
    ),
    "ops.Arccos": written(
        _by(lambda ops, x: ops.arctan2(ops.sqrt((1.0 - x) * (x + 1.0)), x)), lambda ops, x: ops.arccos(x)
    ),
    "ops.Arcsinh": written(
        _by(lambda ops, x: ops.sign(x) * ops.log(ops.abs(x) + ops.sqrt(ops.square(x) + 1.0))),
        lambda ops, x: ops.arcsinh(x),
    ),
    "ops.Arccosh": written(
        _by(lambda ops, x: ops.log(x + ops.sqrt((x - 1.0) * (x + 1.0)))), lambda ops, x: ops.arccosh(x + 3.0)
    ),
    "ops.Arctanh": written(
        _by(lambda ops, x: 0.5 * (ops.log(x + 1.0) - ops.log(1.0 - x))), lambda ops, x: ops.arctanh(0.5 * x)
    ),
    "ops.Cbrt": written(_by(lambda ops, x: ops.sign(x) * ops.power(ops.abs(x), 1 / 3)), lambda ops, x: ops.cbrt(x)),
    "ops.Trunc": written(_by(lambda ops, x: ops.sign(x) * ops.floor(ops.abs(x))), lambda ops, x: ops.trunc(3.0 * x)),
    "ops.Fabs": written(_by(lambda ops, x: ops.abs(x)), lambda ops, x: ops.fabs(x)),
    "ops.Deg2rad": written(_by(lambda ops, x: x * (math.pi / 180)), lambda ops, x: ops.deg2rad(x)),
    "ops.Rad2deg": written(_by(lambda ops, x: x * (180 / math.pi)), lambda ops, x: ops.rad2deg(x)),
    "ops.Conjugate": written(_by(_same), lambda ops, x: ops.conjugate(x) * 2.0),
    "ops.Real": written(_by(_same), lambda ops, x: ops.real(x) * 2.0),
    "ops.Copy": written(_by(_same), lambda ops, x: ops.copy(x) * 2.0),
    "ops.Array": written(_converted, lambda ops, x: ops.array(x) * 2.0),
    "ops.ConvertToTensor": written(_converted, lambda ops, x: ops.convert_to_tensor(x, "float32") * 2.0),
    "ops.StopGradient": written(_by(_same), lambda ops, x: ops.stop_gradient(x) * 2.0),
    "ops.NanToNum": written(_by(_same), lambda ops, x: ops.nan_to_num(x) * 2.0),
    "ops.Isnan": written(_by(_never), lambda ops, x: ops.where(ops.isnan(x), 1.0, x)),
    "ops.Isinf": written(_by(_never), lambda ops, x: ops.where(ops.isinf(x), 1.0, x)),
    "ops.Isposinf": written(_by(_never), lambda ops, x: ops.where(ops.isposinf(x), 1.0, x)),
    "ops.Isneginf": written(_by(_never), lambda ops, x: ops.where(ops.isneginf(x), 1.0, x)),
    "ops.Isfinite": written(_by(_always), lambda ops, x: ops.where(ops.isfinite(x), 1.0, x)),
    "ops.Isreal": written(_by(_always), lambda ops, x: ops.where(ops.isreal(x), 1.0, x)),
    "ops.Signbit": written(_by(lambda ops, x: x < 0.0), lambda ops, x: ops.where(ops.signbit(x), 1.0, x)),
    "ops.SoftShrink": written(
        lambda operation, x: x - keras_ops().clip(x, -operation.threshold, operation.threshold),
        lambda ops, x: ops.soft_shrink(x, 0.25),
    ),
    "ops.HardShrink": written(
        lambda operation, x: keras_ops().where(keras_ops().abs(x) > operation.threshold, x, 0.0),
        lambda ops, x: ops.hard_shrink(x, 0.25),
    ),
    "ops.Threshold": written(_threshold, lambda ops, x: ops.threshold(x, 0.25, -1.0)),
    "ops.SparsePlus": written(
        _by(lambda ops, x: ops.where(x <= -1.0, 0.0, ops.where(x < 1.0, 0.25 * ops.square(x + 1.0), x))),
        lambda ops, x: ops.sparse_plus(2.0 * x),
    ),
    "ops.SparseSigmoid": written(
        _by(lambda ops, x: ops.clip(0.5 * (x + 1.0), 0.0, 1.0)), lambda ops, x: ops.sparse_sigmoid(2.0 * x)
    ),
    "ops.Squareplus": written(
        lambda operation, x: 0.5 * (x + keras_ops().sqrt(keras_ops().square(x) + operation.b)),
        lambda ops, x: ops.squareplus(x),
    ),
    "ops.Glu": written(_glu, lambda ops, x: ops.glu(x)),
    "ops.Fmax": written(by_two(lambda ops, a, b: ops.maximum(a, b)), lambda ops, x, y: ops.fmax(x, y), (4, 6), (4, 6)),
    "ops.Fmin": written(by_two(lambda ops, a, b: ops.minimum(a, b)), lambda ops, x, y: ops.fmin(x, y), (4, 6), (4, 6)),
    "ops.Fmod": written(by_two(_fmod), lambda ops, x: ops.fmod(5.0 * x, 0.75)),
    "ops.Hypot": written(
        by_two(lambda ops, a, b: ops.sqrt(ops.square(a) + ops.square(b))),
        lambda ops, x, y: ops.hypot(x, y),
        (4, 6),
        (4, 6),
    ),
    "ops.Logaddexp": written(by_two(_log_add), lambda ops, x, y: ops.logaddexp(x, y), (4, 6), (4, 6)),
    "ops.Logaddexp2": written(
        by_two(lambda ops, a, b: _log_add(ops, a * math.log(2), b * math.log(2)) / math.log(2)),
        lambda ops, x, y: ops.logaddexp2(x, y),
        (4, 6),
        (4, 6),
    ),
    "ops.DivideNoNan": written(
        by_two(lambda ops, a, b: ops.where(ops.equal(b, 0.0), 0.0, a / ops.where(ops.equal(b, 0.0), 1.0, b))),
        lambda ops, x, y: ops.divide_no_nan(x, ops.relu(y)),
        (4, 6),
        (4, 6),
    ),
    "ops.Heaviside": written(
        by_two(lambda ops, x, at_zero: ops.where(x > 0.0, 1.0, ops.where(x < 0.0, 0.0, at_zero))),
        lambda ops, x: ops.heaviside(x, np.float32(0.5)),
    ),
    "ops.LogicalXor": written(
        by_two(lambda ops, a, b: ops.logical_and(ops.logical_or(a, b), ops.logical_not(ops.logical_and(a, b)))),
        lambda ops, x, y: ops.where(ops.logical_xor(x > 0, y > 0), x, 0.5),
        (4, 6),
        (4, 6),
    ),
    "ops.Isclose": written(_within, lambda ops, x: ops.where(ops.isclose(x, 0.5, rtol=0.5), 1.0, x)),
    "ops.Select": written(_select, lambda ops, x: ops.select([x > 0.5, x > 0.0], [x, 2.0 * x], -1.0)),
    "ops.Digitize": written(
        lambda operation, x, bins: _digitized(keras_ops(), x, bins),
        lambda ops, x: ops.cast(ops.digitize(x, np.array([-0.5, 0.0, 0.5], np.float32)), "float32"),
        (6,),
    ),
    "ops.IsIn": written(_is_in, lambda ops, x: ops.where(ops.isin(ops.floor(3.0 * x), np.array([0.0, 1.0])), x, -1.0)),
    "ops.SaturateCast": written(
        _saturate_cast, lambda ops, x: ops.cast(ops.saturate_cast(9.0 * x, "int32"), "float32")
    ),
}
