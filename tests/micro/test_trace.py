"""What a model in C tells behind each operator, as a whole and row by row; and an arena that is too small."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from generated import NAME, NEEDS_COMPILER, quantized, random_vectors, write, written_on_host
from octavo.ir.types import Graph
from octavo.ops.build import GraphBuilder
from octavo.ops.conv_kernels import Conv2DOptions, DepthwiseConv2DOptions
from octavo.ops.window import Padding
from octavo.run import reference
from octavo.write.c.order import ordered

TRACE = """
#include <stdio.h>
#include <stdint.h>
void network_trace(int32_t operation, const char *layer, const void *values, int32_t bytes);
void network_trace(int32_t operation, const char *layer, const void *values, int32_t bytes) {
  FILE *file = fopen(TRACE_FILE, "ab");
  fprintf(file, "%ld|%s|%ld\\n", (long)operation, layer, (long)bytes);
  fwrite(values, 1, (size_t)bytes, file);
  fclose(file);
}
"""


@pytest.fixture(scope="module")
def graph() -> Graph:
    rng = np.random.default_rng(5)
    b = GraphBuilder(NAME)

    def weights(*shape: int) -> str:
        return b.constant(rng.normal(size=shape).astype(np.float32), f"w{rng.integers(1 << 30)}")

    same = Conv2DOptions(Padding.SAME)
    y = b.emit("CONV_2D", [b.input("x", (1, 12, 10, 3)), weights(16, 3, 3, 3), weights(16)], same, suffix="stem")
    y = b.emit("DEPTHWISE_CONV_2D", [y, weights(1, 3, 3, 16), weights(16)], DepthwiseConv2DOptions(), suffix="deep")
    floats = b.finish((b.emit("CONV_2D", [y, weights(2, 1, 1, 16), weights(2)], same, suffix="last"),))
    return quantized(floats, [{"x": rng.normal(size=(1, 12, 10, 3)).astype(np.float32)}])


def told(path: Path) -> list[tuple[int, str, bytes]]:
    """Operation, layer and values of all calls."""
    content, found = path.read_bytes(), []
    while content:
        line, content = content.split(b"\n", 1)
        operation, layer, size = line.decode().split("|")
        found.append((int(operation), layer, content[: int(size)]))
        content = content[int(size) :]
    return found


@NEEDS_COMPILER
@pytest.mark.parametrize(("ram_bytes", "calls"), [(None, 3), (2200, 20)], ids=["as a whole", "row by row"])
def test_a_model_tells_what_every_operator_has_written(
    ram_bytes: int | None, calls: int, graph: Graph, tmp_path: Path
) -> None:
    model = write(graph, tmp_path, ram_bytes=ram_bytes)
    assert (model.order is None) == (ram_bytes is None)
    (tmp_path / "trace.c").write_text(TRACE)
    record = tmp_path / "record"
    vectors = random_vectors(graph, 1)
    written_on_host(
        graph, vectors, tmp_path, "-DNETWORK_TRACE=1", "-DNETWORK_SELF_TEST=1", f'-DTRACE_FILE="{record}"',
        str(tmp_path / "trace.c"),
    )  # fmt: skip
    nodes, found = ordered(graph).nodes, told(record)
    first = found[: len(found) // 2]  # the rest is the self-test
    assert len(first) >= calls
    values = reference.run(graph, vectors[0], [node.outputs[0] for node in nodes])
    for i, node in enumerate(nodes):
        parts = [part for operation, _, part in first if operation == i]
        assert b"".join(parts) == values[node.outputs[0]].tobytes()
        assert {layer.split(",")[0] for operation, layer, _ in first if operation == i} == {node.op}


@NEEDS_COMPILER
@pytest.mark.parametrize(("missing", "code"), [(0, 0), (1, 1)])
def test_too_small_an_arena_is_refused_by_the_compiler(missing: int, code: int, graph: Graph, tmp_path: Path) -> None:
    write(graph, tmp_path)
    main = tmp_path / "main.c"
    main.write_text(
        f'#include "{NAME}.h"\nstatic char arena[NETWORK_ARENA_BYTES - {missing}];\n'
        "NETWORK_CHECK_ARENA(sizeof arena);\n"
        "int main(void) {\n  NETWORK_CHECK_ARENA(sizeof arena);\n  return arena[0];\n}\n"
    )
    command = ["gcc", "-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror", "-fsyntax-only", str(main)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert ("network_arena_is_too_small" in done.stderr) == bool(missing)
