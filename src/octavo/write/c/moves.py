"""What only moves values: blocks on grids where places are regular, runs of bytes where they are not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from octavo.ir.graph import operands, results
from octavo.ir.inputs import Inputs
from octavo.ir.types import Graph, Node, Tensor
from octavo.ops.operands import data_inputs
from octavo.ops.table import spec_of
from octavo.write.c.call import Call
from octavo.write.c.refuse import refuse
from octavo.write.c.text import braces, rows, structure

_DIMENSIONS = 5


@dataclass(frozen=True, slots=True)
class Grid:
    """Blocks of elements at regular places; see move.c."""

    block: int
    sizes: tuple[int, ...]
    in_steps: tuple[int, ...]
    out_steps: tuple[int, ...]
    in_start: int
    out_start: int


def lower_alias(graph: Graph, node: Node, prefix: str) -> Call:
    """RESHAPE and its like: another shape of the same memory, copied only where it must lie in two places."""
    (y,) = results(graph, node)
    return Call(statements=(f"memcpy({{y}}, {{x0}}, {y.bytes});",))


def lower_move(graph: Graph, node: Node, prefix: str) -> Call:
    """Any operator whose results are values of its operands, or a constant: by where its reference takes them from.

    Raises:
        UnsupportedLayerError: for one that writes a state.
    """
    if any(tensor.is_variable for tensor in results(graph, node)):
        raise refuse(
            node,
            got="a state that one run leaves to the next",
            expected="a model whose every call begins anew, as the C of all operators does",
            fix="export it with to='tflm', as TensorFlow Lite Micro keeps states; or build the layer with "
            "stateful=False",
        )
    data = [graph.tensors[name] for _, name in data_inputs(graph, node)]
    fill = _fill(node, data)
    data = data[:1] if fill is not None else data
    constants, statements = [], []
    for i, (y, sources) in enumerate(zip(results(graph, node), _sources(graph, node, data), strict=True)):
        if fill is not None:
            statements.append(_filled(y, fill))
        start = 1
        for k, tensor in enumerate(data):
            mine = (sources >= start) & (sources < start + tensor.size)
            taken = np.where(mine, sources - start, -1)
            name = f"{prefix}_from_{k}" if len(node.outputs) == 1 else f"{prefix}_from_{k}_to_{i}"
            text, call = _copy(name, taken, tensor, f"{{x{k}}}, {{y{i}}}")
            constants.append(text)
            statements.append(call)
            start += tensor.size
    return Call(("move",), tuple(constants), tuple(statements))


def _filled(y: Tensor, value: int) -> str:
    """A statement that gives all of a result one value."""
    if y.dtype.bits == 16 and value:
        return f"octavo_fill_16({{y}}, {value}, {y.size});"
    return f"memset({{y}}, {value}, {y.bytes});"


def _fill(node: Node, data: Sequence[Tensor]) -> int | None:
    """The integer around padded values, None where there is none."""
    if node.op == "PAD":
        return data[0].zero_point
    if node.op == "PADV2":
        assert data[1].data is not None
        return int(data[1].data.ravel()[0])
    return None


def _sources(graph: Graph, node: Node, data: Sequence[Tensor]) -> list[np.ndarray]:
    """For each place of each result, 1 + the place among all operands' values laid end to end; 0 where it is filled."""
    arrays: list[np.ndarray | None] = []
    start = 1
    for tensor in operands(graph, node).items:
        if tensor is not None and any(tensor is other for other in data):
            arrays.append(np.arange(start, start + tensor.size).reshape(tensor.shape))
            start += tensor.size
        elif node.op == "PADV2" and tensor is not None and tensor.dtype is data[0].dtype:
            arrays.append(np.zeros(tensor.shape, np.int64))
        elif tensor is not None and tensor.data is None:
            raise refuse(
                node,
                got=f"'{tensor.name}', which says what is moved where, computed by the model",
                expected="a constant",
                fix="give the layer constant indices or shapes, or run the .tflite with TensorFlow Lite Micro",
            )
        else:
            arrays.append(None if tensor is None else tensor.data)
    return [np.asarray(made, np.int64) for made in spec_of(node.op).run_float(node.options, Inputs(arrays))]


def _copy(name: str, sources: np.ndarray, operand: Tensor, words: str) -> tuple[str, str]:
    """Definition and call of one operand's copy; `sources` is -1 where the result comes from elsewhere."""
    grid, each = grid_of(sources, operand.shape), operand.dtype.numpy.itemsize
    if grid is not None:
        fields = [
            ("block", str(each * grid.block)),
            ("size", braces(grid.sizes)),
            ("step in", braces(each * step for step in grid.in_steps)),
            ("step out", braces(each * step for step in grid.out_steps)),
            ("start in, out", f"{each * grid.in_start}, {each * grid.out_start}"),
        ]
        return structure("octavo_grid", name, fields), f"octavo_copy_grid(&{name}, {words});"
    table = [braces(each * place for place in run) for run in runs_of(sources)]
    text = rows("octavo_run", name, table)
    return text, f"octavo_copy_runs({name}, {len(table)}, {words});"


def grid_of(sources: np.ndarray, shape: Sequence[int]) -> Grid | None:
    """The grid that copies what `sources` says, None where places are not regular.

    Args:
        sources: For each place of the result the place in the operand, -1 where it comes from elsewhere.
        shape: The operand's.
    """
    places = np.flatnonzero(sources.ravel() >= 0)
    taken = sources.ravel()[places]
    size = int(np.prod(shape, dtype=np.int64))
    if len(taken) == size == len(np.unique(taken)):
        targets = np.empty(size, np.int64)
        targets[taken] = places
        found = _affine(targets.reshape(shape))
        if found is not None:
            start, steps = found
            return _merged(shape, _steps(shape), steps, 0, start)
    found = _affine(sources) if len(places) == sources.size else None
    if found is None:
        return None
    start, steps = found
    return _merged(sources.shape, steps, _steps(sources.shape), start, 0)


def _affine(places: np.ndarray) -> tuple[int, tuple[int, ...]] | None:
    """(start, steps) if the places are a start and a multiple of each index."""
    start, steps = int(places.flat[0]), []
    expected = np.full([1] * places.ndim, start, np.int64)
    for axis, size in enumerate(places.shape):
        step = int(places.take(1, axis).flat[0]) - start if size > 1 else 0
        steps.append(step)
        expected = expected + (np.arange(size) * step).reshape([-1 if i == axis else 1 for i in range(places.ndim)])
    return (start, tuple(steps)) if np.array_equal(np.broadcast_to(expected, places.shape), places) else None


def _steps(shape: Sequence[int]) -> tuple[int, ...]:
    return tuple(int(np.prod(shape[i + 1 :], dtype=np.int64)) for i in range(len(shape)))


def _merged(
    shape: Sequence[int], in_steps: Sequence[int], out_steps: Sequence[int], in_start: int, out_start: int
) -> Grid | None:
    """A grid with dimensions that follow on each other joined; None if too many are left."""
    dimensions: list[tuple[int, int, int]] = []
    for size, a, b in zip(reversed(shape), reversed(in_steps), reversed(out_steps), strict=True):
        if size == 1:
            continue
        if dimensions and (a, b) == (dimensions[0][0] * dimensions[0][1], dimensions[0][0] * dimensions[0][2]):
            dimensions[0] = (dimensions[0][0] * size, dimensions[0][1], dimensions[0][2])
        else:
            dimensions.insert(0, (size, a, b))
    block = dimensions.pop()[0] if dimensions and dimensions[-1][1:] == (1, 1) else 1
    if len(dimensions) > _DIMENSIONS:
        return None
    padded = [(1, 0, 0)] * (_DIMENSIONS - len(dimensions)) + dimensions
    sizes, ins, outs = zip(*padded, strict=True)
    return Grid(block, sizes, ins, outs, in_start, out_start)


def runs_of(sources: np.ndarray) -> Iterator[tuple[int, int, int]]:
    """(from, to, count) of elements that lie in a row on both sides."""
    flat = sources.ravel()
    places = np.flatnonzero(flat >= 0)
    taken = flat[places]
    breaks = np.flatnonzero((np.diff(places) != 1) | (np.diff(taken) != 1)) + 1
    for part in np.split(np.arange(len(places)), breaks):
        if part.size:
            yield int(taken[part[0]]), int(places[part[0]]), part.size
