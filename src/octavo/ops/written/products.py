"""Products of tensors by the names of their dimensions, and attention."""

from __future__ import annotations

import math
import string
from typing import Any

import numpy as np

from octavo.ops.spec import KerasForm
from octavo.ops.written.recipe import is_symbol, keras_ops, written

# Added to what a mask hides: exp of it is 0 in float32, and its scale no more than kernels add to that of scores.
HIDDEN = -1e3


def einsum(operation: Any, *operands: Any, **keywords: Any) -> Any:
    """keras.ops.einsum of one or more operands, from left to right."""
    ranks = [len(np.shape(x)) if not is_symbol(x) else len(x.shape) for x in operands]
    terms, wanted = _terms(operation.subscripts, ranks)
    x, labels = operands[0], terms[0]
    for i, (other, names) in enumerate(zip(operands[1:], terms[1:], strict=True), start=2):
        needed = set(wanted).union(*terms[i:])
        kept = "".join(dict.fromkeys(each for each in labels + names if each in needed))
        x, labels = contract(x, labels, other, names, wanted if i == len(operands) else kept)
    x, labels = _summed(x, labels, set(wanted))
    return _ordered(x, labels, wanted)


def _terms(subscripts: str, ranks: list[int]) -> tuple[list[str], str]:
    """The dimensions of each operand, a letter each, and of the result; dots become letters."""
    given, arrow, wanted = subscripts.replace(" ", "").partition("->")
    terms = given.split(",")
    free = [letter for letter in string.ascii_letters if letter not in subscripts]
    most = max((rank - len(term.replace("...", "")) for term, rank in zip(terms, ranks, strict=True)), default=0)
    dots = "".join(free[:most])
    for i, (term, rank) in enumerate(zip(terms, ranks, strict=True)):
        missing = rank - len(term.replace("...", ""))
        terms[i] = term.replace("...", dots[len(dots) - missing :] if missing else "")
    if not arrow:
        letters = "".join(terms)
        wanted = dots + "".join(sorted(each for each in set(letters) - set(dots) if letters.count(each) == 1))
    return terms, wanted.replace("...", dots)


def _summed(x: Any, labels: str, needed: set[str]) -> tuple[Any, str]:
    """Without the dimensions that nothing needs."""
    axes = tuple(i for i, label in enumerate(labels) if label not in needed)
    if not axes:
        return x, labels
    summed = keras_ops().sum(x, axis=axes) if is_symbol(x) else np.sum(x, axis=axes)
    return summed, "".join(label for label in labels if label in needed)


def _ordered(x: Any, labels: str, wanted: str) -> Any:
    """Dimensions in another order."""
    if labels == wanted:
        return x
    axes = tuple(labels.index(label) for label in wanted)
    return keras_ops().transpose(x, axes) if is_symbol(x) else np.transpose(x, axes)


def _shaped(x: Any, shape: tuple[int, ...]) -> Any:
    if tuple(x.shape) == shape:
        return x
    return keras_ops().reshape(x, shape) if is_symbol(x) else np.reshape(x, shape)


def contract(x: Any, x_labels: str, y: Any, y_labels: str, wanted: str) -> tuple[Any, str]:
    """The product of two operands: dimensions that are not wanted are summed over.

    One matrix product: [shared, of x alone, summed] by [shared, summed, of y alone].

    Returns:
        The result, and its dimensions, which are those wanted, in order.
    """
    if not is_symbol(x) and is_symbol(y):
        x, x_labels, y, y_labels = y, y_labels, x, x_labels
    x = x if is_symbol(x) else np.asarray(x)
    y = y if is_symbol(y) else np.asarray(y)
    x, x_labels = _summed(x, x_labels, {*y_labels, *wanted})
    y, y_labels = _summed(y, y_labels, {*x_labels, *wanted})
    sizes = dict(zip(y_labels, y.shape, strict=True)) | dict(zip(x_labels, x.shape, strict=True))
    shared = [each for each in x_labels if each in y_labels and each in wanted]
    of_x = [each for each in x_labels if each not in y_labels]
    of_y = [each for each in y_labels if each not in x_labels]
    summed = [each for each in x_labels if each in y_labels and each not in wanted]

    def size(labels: list[str]) -> int:
        return math.prod(sizes[each] for each in labels)

    def shape(labels: list[str]) -> tuple[int, ...]:
        return tuple(sizes[each] for each in labels)

    x = _ordered(x, x_labels, "".join([*shared, *of_x, *summed]))
    y = _ordered(y, y_labels, "".join([*shared, *summed, *of_y]))
    if shared:
        rows = _shaped(x, (*shape(shared), size(of_x), size(summed)))
        columns = _shaped(y, (*shape(shared), size(summed), size(of_y)))
        made = keras_ops().matmul(rows, columns)
    else:
        made = keras_ops().matmul(_shaped(x, (*shape(of_x), size(summed))), _shaped(y, (size(summed), size(of_y))))
    labels = [*shared, *of_x, *of_y]
    return _ordered(_shaped(made, shape(labels)), "".join(labels), wanted), wanted


def _letters(count: int, start: int = 0) -> str:
    return string.ascii_letters[start : start + count]


def tensordot(operation: Any, x: Any, y: Any) -> Any:
    """keras.ops.tensordot: some dimensions of one summed over with some of the other."""
    axes = operation.axes
    first, second = len(np.shape(x)) if not is_symbol(x) else len(x.shape), len(y.shape)
    if isinstance(axes, int):
        pairs = [(first - axes + i, i) for i in range(axes)]
    else:
        pairs = list(zip(np.atleast_1d(axes[0]).tolist(), np.atleast_1d(axes[1]).tolist(), strict=True))
    return _dotted(x, first, y, second, pairs)


def _dotted(x: Any, first: int, y: Any, second: int, pairs: list[tuple[int, int]]) -> Any:
    x_labels, y_labels = list(_letters(first)), list(_letters(second, first))
    for i, j in pairs:
        y_labels[j % second] = x_labels[i % first]
    wanted = [each for each in x_labels if each not in y_labels] + [each for each in y_labels if each not in x_labels]
    made, _ = contract(x, "".join(x_labels), y, "".join(y_labels), "".join(wanted))
    return made


def dot(operation: Any, x: Any, y: Any) -> Any:
    """keras.ops.dot: the last dimension of one with the last but one of the other."""
    first, second = len(x.shape), len(y.shape)
    if not first or not second:
        return x * y
    return _dotted(x, first, y, second, [(first - 1, max(second - 2, 0))])


def inner(operation: Any, x: Any, y: Any) -> Any:
    """keras.ops.inner: the last dimensions of both."""
    return _dotted(x, len(x.shape), y, len(y.shape), [(-1, -1)])


def attention(
    operation: Any, query: Any, key: Any, value: Any, bias: Any = None, mask: Any = None, scale: float | None = None
) -> Any:
    """keras.ops.dot_product_attention on [batch, length, heads, depth]; a head of keys may serve several queries."""
    ops = keras_ops()
    groups = query.shape[2] // key.shape[2]
    if groups > 1:
        key, value = ops.repeat(key, groups, axis=2), ops.repeat(value, groups, axis=2)
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else float(scale)
    scores = ops.einsum("btnh,bsnh->bnts", query * scale, key)
    cap = operation.attn_logits_soft_cap
    scores = scores if cap is None else ops.tanh(scores / cap) * cap
    scores = scores if bias is None else scores + bias
    if operation.is_causal:
        scores = scores + hiding(np.tril(np.ones((query.shape[1], key.shape[1]), np.bool_)))
    scores = scores if mask is None else scores + hiding(mask)
    return ops.einsum("bnts,bsnh->btnh", ops.softmax(scores, axis=-1), value)


def hiding(seen: Any) -> Any:
    """What to add where a mask is false."""
    if is_symbol(seen):
        return (1.0 - keras_ops().cast(seen, "float32")) * HIDDEN
    return np.where(np.asarray(seen), 0.0, HIDDEN).astype(np.float32)


_WEIGHTS = np.random.default_rng(2).normal(size=(6, 5)).astype(np.float32)

FORMS: dict[str, KerasForm] = {
    "ops.Einsum": written(einsum, lambda ops, x, y: ops.einsum("bqhd,bkhd->bhqk", x, y), (4, 2, 3), (5, 2, 3)),
    "ops.Tensordot": written(tensordot, lambda ops, x: ops.tensordot(x, _WEIGHTS, axes=1)),
    "ops.Dot": written(dot, lambda ops, x: ops.dot(x, _WEIGHTS)),
    "ops.Inner": written(inner, lambda ops, x: ops.inner(x, _WEIGHTS.T)),
    "ops.DotProductAttention": written(
        attention, lambda ops, x: ops.dot_product_attention(x, x, x, is_causal=True), (4, 2, 3)
    ),
}
