"""Many models in C as one program: one compilation, with each kernel once, and one run on this machine or a core.

To what builds and runs it the bundle is a model of its own: its input is all models' inputs end to end; its output is
all their outputs and then, a byte each, what their calls returned. On a machine with an allocator each model gets
buffers of their exact sizes, so that the sanitizer sees every step beyond them; on a core bytes lie at any
address, as a caller's may, and wider values at multiples of their size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np

from generated import NAME, Values, build_and_run_on_host, expected, random_vectors, sizes
from octavo.board.emulator import Image
from octavo.export import golden_vector
from octavo.ir.types import Graph
from octavo.write.c.model import CModel, write_c
from riscv import Program

_BUFFERS = """\
#if __STDC_HOSTED__
#include <stdlib.h>
static int8_t *taken(const int8_t *from, size_t size) {
  int8_t *buffer = (int8_t *)malloc(size);
  if (from != 0) {
    memcpy(buffer, from, size);
  }
  return buffer;
}
static void returned(int8_t *buffer, int8_t *to, size_t size) {
  if (to != 0) {
    memcpy(to, buffer, size);
  }
  free(buffer);
}
#else
static int8_t *taken(const int8_t *from, size_t size) {
  (void)size;
  return (int8_t *)(uintptr_t)from;
}
static void returned(int8_t *buffer, int8_t *to, size_t size) {
  (void)buffer, (void)to, (void)size;
}
#endif
"""


@dataclass(frozen=True, slots=True)
class Bundle:
    """Models under the names of tests, and the vectors they run on, as many for each; the rest as for `write_c`."""

    graphs: Mapping[str, Graph]
    vectors: Mapping[str, Sequence[Values]]
    fast: bool = False
    cmsis_nn: bool = False

    def on_host(self, folder: Path, *flags: str) -> dict[str, np.ndarray]:
        """What each computes on this machine under sanitizers: int8 [vectors, bytes of its outputs]."""
        self._write(folder)
        return self._parts(build_and_run_on_host(folder, [self._in_bytes], [self._out_bytes], self._packed(), *flags))

    def on_core(self, folder: Path, core: str, *flags: str) -> dict[str, np.ndarray]:
        """What each computes on an emulated core."""
        self._write(folder)
        image = Image(folder, NAME, [self._in_bytes], [self._out_bytes], core, flags)
        vectors = np.frombuffer(self._packed(), np.int8).reshape(-1, self._in_bytes)
        return self._parts(image.run(vectors).outputs)

    def on_riscv(self, folder: Path) -> dict[str, np.ndarray]:
        """What each computes on an emulated RISC-V core."""
        self._write(folder)
        vectors = np.frombuffer(self._packed(), np.int8).reshape(-1, self._in_bytes)
        return self._parts(Program(folder, NAME, self._in_bytes, self._out_bytes).run(vectors))

    def expected(self, name: str) -> np.ndarray:
        """What the integer reference computes of a model."""
        return expected(self.graphs[name], self.vectors[name])

    @property
    def _in_bytes(self) -> int:
        return _places(self.graphs.values(), lambda graph: graph.inputs)[1]

    @property
    def _out_bytes(self) -> int:
        return len(self.graphs) + _places(self.graphs.values(), lambda graph: graph.outputs)[1]

    def _packed(self) -> bytes:
        places, end = _places(self.graphs.values(), lambda graph: graph.inputs)
        rows = np.zeros((len(next(iter(self.vectors.values()))), end), np.int8)
        for (name, graph), starts in zip(self.graphs.items(), places, strict=True):
            for port, start in zip(graph.inputs, starts, strict=True):
                for row, values in zip(rows, self.vectors[name], strict=True):
                    row[start : start + graph.tensors[port].bytes] = values[port].ravel().view(np.int8)
        return rows.tobytes()

    def _parts(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        places, end = _places(self.graphs.values(), lambda graph: graph.outputs)
        failed = [name for name, column in zip(self.graphs, rows[:, end:].T, strict=True) if column.any()]
        assert not failed, "a call or the self-test failed"
        parts = {}
        for (name, graph), starts in zip(self.graphs.items(), places, strict=True):
            ports = zip(starts, sizes(graph, graph.outputs), strict=True)
            parts[name] = np.concatenate([rows[:, start : start + size] for start, size in ports], axis=1)
        return parts

    def _write(self, folder: Path) -> None:
        models = [
            write_c(graph, f"model{i}", golden_vector(graph, 0), "none", fast=self.fast, cmsis_nn=self.cmsis_nn)
            for i, graph in enumerate(self.graphs.values())
        ]
        folder.mkdir(parents=True, exist_ok=True)
        for model in models:
            (folder / f"{model.name}.h").write_text(model.files[f"{model.name}.h"])
        arena = max(4, *(model.arena_bytes for model in models))
        (folder / f"{NAME}.h").write_text(
            f"#include <stdint.h>\n#define {NAME.upper()}_ARENA_BYTES {arena}\n"
            f"int {NAME}_invoke(const int8_t *in, int8_t *out, void *arena);\n"
            f"int {NAME}_self_test(int8_t *out, void *arena);\n"
        )
        (folder / f"{NAME}.c").write_text(self._source(models))

    def _source(self, models: Sequence[CModel]) -> str:
        kernels = dict.fromkeys(kernel for model in models for kernel in model.kernels)
        used = [files("octavo") / "kernels" / name for name in ("common.h", *(f"{kernel}.c" for kernel in kernels))]
        texts = [item.read_text(encoding="utf-8") for item in used]
        parts = [f'#include "{NAME}.h"\n', *texts, _BUFFERS]
        calls = []
        given, _ = _places(self.graphs.values(), lambda graph: graph.inputs)
        made, ends = _places(self.graphs.values(), lambda graph: graph.outputs)
        for i, (model, graph) in enumerate(zip(models, self.graphs.values(), strict=True)):
            source = model.files[f"{model.name}.c"]
            for text in texts:
                source = source.replace(text, "")
            parts += [source, _wrapper(model, graph, given[i], made[i])]
            calls.append(f"  out[{ends + i}] = {model.name}_run(in, out, arena);")
        body = "\n".join(calls)
        parts += [
            f"int {NAME}_invoke(const int8_t *in, int8_t *out, void *arena) {{\n{body}\n  return 0;\n}}\n",
            f"int {NAME}_self_test(int8_t *out, void *arena) {{\n  (void)out, (void)arena;\n  return 0;\n}}\n",
        ]
        return "\n".join(parts)


def random_bundle(graphs: Mapping[str, Graph], count: int, *, fast: bool = False, cmsis_nn: bool = False) -> Bundle:
    """Models and as many random vectors for each."""
    vectors = {name: random_vectors(graph, count) for name, graph in graphs.items()}
    return Bundle(graphs, vectors, fast, cmsis_nn)


def _places(graphs: Iterable[Graph], ports_of: Callable[[Graph], Sequence[str]]) -> tuple[list[list[int]], int]:
    """Where each model's inputs or outputs lie in the bundle's, and where the last one ends."""
    places, end = [], 0
    for graph in graphs:
        places.append([])
        for tensor in (graph.tensors[port] for port in ports_of(graph)):
            end += -end % tensor.dtype.numpy.itemsize
            places[-1].append(end)
            end += tensor.bytes
    return places, end


def _wrapper(model: CModel, graph: Graph, given: Sequence[int], made: Sequence[int]) -> str:
    """A function that gives a model buffers of its own, calls it and runs its self-test."""
    name, lines, ends = model.name, [], []
    for kind, ports, buffer, places in (("x", graph.inputs, "in", given), ("y", graph.outputs, "out", made)):
        for i, (size, place) in enumerate(zip(sizes(graph, ports), places, strict=True)):
            where = f"{buffer} + {place}"
            source = where if kind == "x" else f"__STDC_HOSTED__ ? 0 : {where}"
            lines.append(f"  int8_t *const {kind}{i} = taken({source}, {size});")
            ends.append(f"  returned({kind}{i}, {'0' if kind == 'x' else where}, {size});")
    lines.append(f"  int8_t *const lent = taken(arena, {max(model.arena_bytes, 4)});")
    ends.append(f"  returned(lent, 0, {max(model.arena_bytes, 4)});")
    xs, ys = (_list(kind, len(ports)) for kind, ports in (("x", graph.inputs), ("y", graph.outputs)))
    if len(graph.inputs) > 1:
        lines.append(f"  const void *const xs[{len(graph.inputs)}] = {{{xs}}};")
    if len(graph.outputs) > 1:
        lines.append(f"  void *const ys[{len(graph.outputs)}] = {{{ys}}};")
    # As pointers to nothing, which become those to whatever the model takes.
    source = "(const void *)x0" if len(graph.inputs) == 1 else "(const void *)xs"
    target = "(void *)y0" if len(graph.outputs) == 1 else "(void *)(uintptr_t)ys"
    lines += [
        f"  memset(lent, 0xA5, {max(model.arena_bytes, 4)});",
        f"  int8_t failed = (int8_t)({name}_self_test({target}, lent) != 0);",
        f"  failed = (int8_t)(failed | ({name}_invoke({source}, {target}, lent) != 0));",
        *ends,
        "  return failed;",
    ]
    body = "\n".join(lines)
    return f"static int8_t {name}_run(const int8_t *in, int8_t *out, int8_t *arena) {{\n{body}\n}}\n"


def _list(kind: str, count: int) -> str:
    return ", ".join(f"{kind}{i}" for i in range(count))
