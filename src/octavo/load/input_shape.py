"""What `input_shape=` says of a model's inputs, held against what the model leaves open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from octavo.config import unknown_name
from octavo.errors import ConfigError, OpenShapeError

Sizes = Sequence[int | None]
InputShape = Sizes | Sequence[Sizes] | Mapping[str, Sizes]
"""Of the only input; of each input in the model's order; or by input name. With or without the batch, None where the
model knows."""

OpenShape = tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class FixedShapes:
    """Shapes of a model's inputs, with what was asked for.

    Attributes:
        shapes: Of each input by name, batch first; None where nothing was said and the model leaves it open.
        batch: Of all inputs together; None where it was not asked for.
    """

    shapes: Mapping[str, OpenShape]
    batch: int | None

    def samples(self) -> dict[str, tuple[int, ...]]:
        """Shapes without the batch.

        Raises:
            OpenShapeError: for a size that is not known.
        """
        sizes = {name: tuple(size for size in shape[1:] if size is not None) for name, shape in self.shapes.items()}
        for name, shape in self.shapes.items():
            if len(sizes[name]) < len(shape[1:]):
                raise _left_open(name, self.shapes)
        return sizes


def fixed_shapes(given: InputShape | None, known: Mapping[str, OpenShape]) -> FixedShapes:
    """The shapes of a model's inputs.

    Args:
        given: What the caller asked for.
        known: What the model says: shape by input name, batch first, None where it is open.

    Raises:
        ConfigError: for an unknown input, another number of dimensions, or a size that the model has fixed otherwise.
    """
    if given is None:
        return FixedShapes(known, None)
    wanted = {name: _whole(name, sizes, known[name]) for name, sizes in _by_name(given, tuple(known)).items()}
    batches = {shape[0] for shape in wanted.values() if shape and shape[0] is not None}
    if len(batches) > 1:
        raise _unfit("the inputs have one batch.", f"batches of {', '.join(map(str, sorted(batches)))}", "the same one")
    shapes = {name: _merged(name, wanted.get(name, shape), shape) for name, shape in known.items()}
    return FixedShapes(shapes, batches.pop() if batches else None)


def _by_name(given: InputShape, names: tuple[str, ...]) -> dict[str, Sizes]:
    if isinstance(given, Mapping):
        for name in given:
            if name not in names:
                raise unknown_name("input", name, names)
        return dict(given)
    listed = list(given)
    several = [each for each in listed if isinstance(each, Sequence) and not isinstance(each, str)]
    if len(several) == len(listed) == len(names) and listed:
        return dict(zip(names, several, strict=True))
    if len(names) == 1 and not several:
        return {names[0]: [None if size is None else _size(size) for size in listed]}
    raise _unfit(
        f"input_shape does not say the shape of {'the input' if len(names) == 1 else f'each of {len(names)} inputs'}.",
        repr(given),
        f"a shape for each of: {', '.join(names)}",
    )


def _size(size: object) -> int:
    if isinstance(size, int) and not isinstance(size, bool) and size > 0:
        return size
    raise _unfit("input_shape holds what is no size.", repr(size), "whole numbers from 1 on, or None")


def _whole(name: str, sizes: Sizes, known: OpenShape) -> OpenShape:
    """What was asked for with the batch, None where it was left out."""
    shape = tuple(None if size is None else _size(size) for size in sizes)
    if len(shape) == len(known) - 1:
        shape = (None, *shape)
    if len(shape) != len(known):
        raise _unfit(
            f"input_shape has another number of dimensions than input '{name}'.", _text(shape), f"{_text(known)}"
        )
    return shape


def _merged(name: str, wanted: OpenShape, known: OpenShape) -> OpenShape:
    for size, own in zip(wanted[1:], known[1:], strict=True):
        if size is not None and own is not None and size != own:
            raise _unfit(f"the model has fixed the shape of input '{name}'.", _text(wanted), _text(known))
    return tuple(own if size is None else size for size, own in zip(wanted, known, strict=True))


def _text(shape: OpenShape) -> str:
    return f"({', '.join('open' if size is None else str(size) for size in shape)})"


def _unfit(what: str, got: str, expected: str) -> ConfigError:
    return ConfigError(
        what,
        got=got,
        expected=expected,
        fix="say input_shape=(height, width, channels), with the batch in front or without; several by input name",
    )


def _left_open(name: str, inputs: Mapping[str, OpenShape]) -> OpenShapeError:
    example = tuple(size or 96 for size in inputs[name][1:])
    error = OpenShapeError(
        f"input '{name}' leaves a size open.",
        got=f"shape {_text(inputs[name])}",
        expected="a fixed size for every dimension but the batch, or samples that can be read twice and have it",
        fix=f"say input_shape={example}",
    )
    error.inputs = inputs
    return error
