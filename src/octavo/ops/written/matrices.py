"""Products, distances and decompositions of matrices."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from octavo.ops.refuse import refuse
from octavo.ops.spec import KerasForm
from octavo.ops.written.recipe import is_symbol, keras_ops, written

# Beyond it, what is eliminated step by step takes more operators than anyone would wait for.
LARGEST_SIDE = 8


def _shaped(x: Any, shape: tuple[int, ...]) -> Any:
    return keras_ops().reshape(x, shape) if is_symbol(x) else np.reshape(np.asarray(x, np.float32), shape)


def outer(operation: Any, x1: Any, x2: Any) -> Any:
    """The products of all values of one with all of the other."""
    return _shaped(x1, (-1, 1)) * _shaped(x2, (1, -1))


def vdot(operation: Any, x1: Any, x2: Any) -> Any:
    """The sum of the products of all values in a row."""
    return keras_ops().sum(_shaped(x1, (-1,)) * _shaped(x2, (-1,)))


def kron(operation: Any, x1: Any, x2: Any) -> Any:
    """Each value of one times all of the other."""
    rank = max(len(x1.shape), len(x2.shape))
    a, b = (_shaped(x, (*[1] * (rank - len(x.shape)), *x.shape)) for x in (x1, x2))
    for axis, (first, second) in enumerate(zip(a.shape, b.shape, strict=True)):
        a = _taken(a, np.repeat(np.arange(first), second), axis)
        b = _taken(b, np.tile(np.arange(second), first), axis)
    return a * b


def _taken(x: Any, places: np.ndarray, axis: int) -> Any:
    return keras_ops().take(x, places, axis=axis) if is_symbol(x) else np.take(x, places, axis)


def distances(operation: Any, x: Any, y: Any) -> Any:
    """Euclidean distances of all rows of one from all of the other."""
    ops = keras_ops()
    apart = ops.expand_dims(x, -2) - ops.expand_dims(y, -3)
    return ops.sqrt(ops.sum(ops.square(apart), axis=-1))


def _check_side(operation: Any, x: Any) -> int:
    side = int(x.shape[-1])
    if side > LARGEST_SIDE:
        raise refuse(
            operation,
            got=f"matrices of {side} rows",
            expected=f"at most {LARGEST_SIDE}, as rows are eliminated one by one",
            fix="decompose the matrix outside the model, and hand the result over as an input",
        )
    return side


def _item(x: Any, row: int, column: int) -> Any:
    return x[..., row : row + 1, column : column + 1]


def _lower_upper(operation: Any, a: Any, b: Any) -> tuple[Any, Any]:
    """The pivots of a matrix, and the solution of `a x = b` by Gauss and Jordan, without exchange of rows."""
    ops, side = keras_ops(), _check_side(operation, a)
    pivots = []
    for step in range(side):
        pivot = _item(a, step, step)
        pivots.append(pivot)
        row, target = a[..., step : step + 1, :] / pivot, b[..., step : step + 1, :] / pivot
        keep = np.ones((side, 1), np.float32)
        keep[step] = 0.0
        place = 1.0 - keep
        factors = a[..., :, step : step + 1] * keep
        a = a * keep - factors * row + row * place
        b = b * keep - factors * target + target * place
    return ops.concatenate(pivots, axis=-1), b


def solve(operation: Any, a: Any, b: Any) -> Any:
    """keras.ops.solve of matrices whose leading minors are not 0."""
    if len(b.shape) == len(a.shape) - 1:
        return keras_ops().squeeze(_lower_upper(operation, a, keras_ops().expand_dims(b, -1))[1], axis=-1)
    return _lower_upper(operation, a, b)[1]


def solve_triangular(operation: Any, a: Any, b: Any) -> Any:
    """keras.ops.solve_triangular: of the triangle alone."""
    ops = keras_ops()
    return solve(operation, ops.tril(a) if operation.lower else ops.triu(a), b)


def _unit(x: Any) -> Any:
    return x * 0.0 + np.eye(x.shape[-1], dtype=np.float32)


def inverse(operation: Any, x: Any) -> Any:
    """keras.ops.inv of matrices whose leading minors are not 0."""
    return _lower_upper(operation, x, _unit(x))[1]


def determinant(operation: Any, x: Any) -> Any:
    """keras.ops.det: expanded along the first row, which divides by nothing."""
    ops, side = keras_ops(), _check_side(operation, x)

    def minor(rows: tuple[int, ...], columns: tuple[int, ...]) -> Any:
        if len(rows) == 1:
            return _item(x, rows[0], columns[0])
        total: Any = 0.0
        for i, column in enumerate(columns):
            rest = minor(rows[1:], columns[:i] + columns[i + 1 :])
            total = total + _item(x, rows[0], column) * rest * (-1.0) ** i
        return total

    return ops.squeeze(minor(tuple(range(side)), tuple(range(side))), axis=(-2, -1))


def log_determinant(operation: Any, x: Any) -> Any:
    """keras.ops.logdet: of the magnitude of the determinant."""
    ops = keras_ops()
    return ops.log(ops.abs(determinant(operation, x)))


def sign_and_log_determinant(operation: Any, x: Any) -> Any:
    """keras.ops.slogdet."""
    ops, value = keras_ops(), determinant(operation, x)
    return ops.sign(value), ops.log(ops.abs(value))


def cholesky(operation: Any, x: Any) -> Any:
    """keras.ops.cholesky, column by column: the triangle whose product with itself a matrix is."""
    ops, side = keras_ops(), _check_side(operation, x)
    columns = []
    for step in range(side):
        below = x[..., :, step : step + 1] * (np.arange(side) >= step).astype(np.float32)[:, None]
        column = below * ops.rsqrt(_item(x, step, step))
        columns.append(column)
        x = x - ops.matmul(column, ops.swapaxes(column, -1, -2))
    made = ops.concatenate(columns, axis=-1)
    return ops.swapaxes(made, -1, -2) if getattr(operation, "upper", False) else made


def peak_signal_to_noise(operation: Any, x1: Any, x2: Any) -> Any:
    """`20 log10(max) - 10 log10(mean squared difference)`."""
    ops = keras_ops()
    error = ops.mean(ops.square(x1 - x2))
    return ops.log(error) * (-10 / math.log(10)) + 20 * math.log10(operation.max_val)


_MATRIX = np.eye(3, dtype=np.float32) * 4
_VECTOR = np.array([0.5, -1.0, 2.0], np.float32)

FORMS: dict[str, KerasForm] = {
    "ops.Outer": written(outer, lambda ops, x: ops.outer(x, _VECTOR), (6,)),
    "ops.Vdot": written(vdot, lambda ops, x, y: ops.vdot(x, y), (4, 3), (4, 3)),
    "ops.Kron": written(kron, lambda ops, x: ops.kron(x, _VECTOR[None, None]), (2, 3)),
    "ops.CDist": written(distances, lambda ops, x, y: ops.cdist(x, y), (4, 3), (5, 3)),
    "ops.Det": written(determinant, lambda ops, x: ops.det(x + _MATRIX), (3, 3)),
    "ops.Logdet": written(log_determinant, lambda ops, x: ops.logdet(x + _MATRIX), (3, 3)),
    "ops.Slogdet": written(sign_and_log_determinant, lambda ops, x: ops.slogdet(x + _MATRIX)[1], (3, 3)),
    "ops.Cholesky": written(
        cholesky, lambda ops, x: ops.cholesky(ops.matmul(x, ops.swapaxes(x, 1, 2)) + _MATRIX), (3, 3)
    ),
    "ops.Inv": written(inverse, lambda ops, x: ops.inv(0.5 * x + _MATRIX), (3, 3)),
    "ops.Solve": written(solve, lambda ops, x, y: ops.solve(0.5 * x + _MATRIX, y), (3, 3), (3, 2)),
    "ops.SolveTriangular": written(
        solve_triangular, lambda ops, x, y: ops.solve_triangular(0.5 * x + _MATRIX, y, lower=True), (3, 3), (3, 2)
    ),
    "ops.PSNR": written(peak_signal_to_noise, lambda ops, x, y: ops.psnr(x, y, 1.0), (4, 3), (4, 3)),
}
