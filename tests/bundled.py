"""Many models in C as one program: one compilation, with each kernel once, and one run on this machine or a core.

To what builds and runs it the bundle is a model of its own: its input is all models' inputs end to end; its output is
all their outputs and then, a byte each, what their calls returned. On a machine with an allocator each model gets
buffers of their exact sizes, so that the sanitizer sees every step beyond them; on a core the buffers lie at any
address, as a caller's may.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np

from generated import NAME, Values, build_and_run_on_host, expected, packed, random_vectors, sizes
from octavo.board.emulator import Image
from octavo.export import golden_vector
from octavo.ir.types import Graph
from octavo.write.c.model import CModel, write_c

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
    """Models under the names of tests, and the vectors they run on, as many for each."""

    graphs: Mapping[str, Graph]
    vectors: Mapping[str, Sequence[Values]]
    fast: bool = False

    def on_host(self, folder: Path, *flags: str) -> dict[str, np.ndarray]:
        """What each computes on this machine under sanitizers: int8 [vectors, bytes of its outputs]."""
        self._write(folder)
        return self._parts(build_and_run_on_host(folder, [self._in_bytes], [self._out_bytes], self._packed(), *flags))

    def on_core(self, folder: Path, core: str) -> dict[str, np.ndarray]:
        """What each computes on an emulated core."""
        self._write(folder)
        image = Image(folder, NAME, [self._in_bytes], [self._out_bytes], core)
        vectors = np.frombuffer(self._packed(), np.int8).reshape(-1, self._in_bytes)
        return self._parts(image.run(vectors).outputs)

    def expected(self, name: str) -> np.ndarray:
        """What the integer reference computes of a model."""
        return expected(self.graphs[name], self.vectors[name])

    @property
    def _in_bytes(self) -> int:
        return sum(sum(sizes(graph, graph.inputs)) for graph in self.graphs.values())

    @property
    def _out_bytes(self) -> int:
        return len(self.graphs) + sum(sum(sizes(graph, graph.outputs)) for graph in self.graphs.values())

    def _packed(self) -> bytes:
        rounds = zip(*(self.vectors[name] for name in self.graphs), strict=True)
        return b"".join(
            packed(graph, [values])
            for every in rounds
            for graph, values in zip(self.graphs.values(), every, strict=True)
        )

    def _parts(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        lengths = [sum(sizes(graph, graph.outputs)) for graph in self.graphs.values()]
        *parts, returned = np.split(rows, np.cumsum(lengths), axis=1)
        failed = [name for name, column in zip(self.graphs, returned.T, strict=True) if column.any()]
        assert not failed, "a call or the self-test failed"
        return dict(zip(self.graphs, parts, strict=True))

    def _write(self, folder: Path) -> None:
        models = [
            write_c(graph, f"model{i}", golden_vector(graph, 0), "none", fast=self.fast)
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
        kernels = sorted(
            (item for item in (files("octavo") / "kernels").iterdir() if item.name.endswith((".c", ".h"))),
            key=lambda item: (item.name != "common.h", item.name),
        )
        texts = [item.read_text(encoding="utf-8") for item in kernels]
        parts = [f'#include "{NAME}.h"\n', *texts, _BUFFERS]
        calls, given, made = [], 0, 0
        ends = self._out_bytes - len(models)
        for i, (model, graph) in enumerate(zip(models, self.graphs.values(), strict=True)):
            source = model.files[f"{model.name}.c"]
            for text in texts:
                source = source.replace(text, "")
            parts += [source, _wrapper(model, graph)]
            calls.append(f"  out[{ends + i}] = {model.name}_run(in + {given}, out + {made}, arena);")
            given += sum(sizes(graph, graph.inputs))
            made += sum(sizes(graph, graph.outputs))
        body = "\n".join(calls)
        parts += [
            f"int {NAME}_invoke(const int8_t *in, int8_t *out, void *arena) {{\n{body}\n  return 0;\n}}\n",
            f"int {NAME}_self_test(int8_t *out, void *arena) {{\n  (void)out, (void)arena;\n  return 0;\n}}\n",
        ]
        return "\n".join(parts)


def random_bundle(graphs: Mapping[str, Graph], count: int, *, fast: bool = False) -> Bundle:
    """Models and as many random vectors for each."""
    return Bundle(graphs, {name: random_vectors(graph, count) for name, graph in graphs.items()}, fast)


def _wrapper(model: CModel, graph: Graph) -> str:
    """A function that gives a model buffers of its own, calls it and runs its self-test."""
    name, lines, ends = model.name, [], []
    for kind, ports, buffer, source in (("x", graph.inputs, "in", True), ("y", graph.outputs, "out", False)):
        place = 0
        for i, size in enumerate(sizes(graph, ports)):
            where = f"{buffer} + {place}"
            given = where if source else f"__STDC_HOSTED__ ? 0 : {where}"
            lines.append(f"  int8_t *const {kind}{i} = taken({given}, {size});")
            ends.append(f"  returned({kind}{i}, {'0' if source else where}, {size});")
            place += size
    lines.append(f"  int8_t *const lent = taken(arena, {max(model.arena_bytes, 4)});")
    ends.append(f"  returned(lent, 0, {max(model.arena_bytes, 4)});")
    xs, ys = (_list(kind, len(ports)) for kind, ports in (("x", graph.inputs), ("y", graph.outputs)))
    if len(graph.inputs) > 1:
        lines.append(f"  const int8_t *const xs[{len(graph.inputs)}] = {{{xs}}};")
    if len(graph.outputs) > 1:
        lines.append(f"  int8_t *const ys[{len(graph.outputs)}] = {{{ys}}};")
    given, made = ("x0" if len(graph.inputs) == 1 else "xs"), ("y0" if len(graph.outputs) == 1 else "ys")
    lines += [
        f"  memset(lent, 0xA5, {max(model.arena_bytes, 4)});",
        f"  int8_t failed = (int8_t)({name}_self_test({made}, lent) != 0);",
        f"  failed = (int8_t)(failed | ({name}_invoke({given}, {made}, lent) != 0));",
        *ends,
        "  return failed;",
    ]
    body = "\n".join(lines)
    return f"static int8_t {name}_run(const int8_t *in, int8_t *out, int8_t *arena) {{\n{body}\n}}\n"


def _list(kind: str, count: int) -> str:
    return ", ".join(f"{kind}{i}" for i in range(count))
