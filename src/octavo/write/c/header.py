"""NAME.h: what a caller of the model in C needs."""

from __future__ import annotations

from octavo.ir.types import Graph, Tensor
from octavo.version import VERSION

_TEXT = """\
/* {name}: a model in C99, written by octavo {version}.
 *
 * Lend it {upper}_ARENA_BYTES bytes, aligned to 4, for the time of a call; nothing is kept in them between calls.
 * Calls with arenas of their own may run at the same time.
 */
#ifndef OCTAVO_{upper}_H
#define OCTAVO_{upper}_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {{
#endif

#define {upper}_OCTAVO_VERSION "{version}"
#define {upper}_DIGEST "{digest}" /* SHA-256 of the .tflite file */
#define {upper}_ARENA_BYTES {arena}
{ports}
/* Run the model once. Returns 0; -1 if the arena is missing or not aligned. Input and output must lie apart. */
{signature};
{rows}
/* Run the model on a vector it carries. Returns 0 if the outputs are what the integer reference computed, else the
 * number of values that differ; -1 as above. Without {upper}_SELF_TEST set to 0 the vector takes a little flash. */
#ifndef {upper}_SELF_TEST
#define {upper}_SELF_TEST 1
#endif
#if {upper}_SELF_TEST
{self_test};
#endif

/* A real number in steps of an input, rounded, halves away from zero; and the real number of an output's step. */
static inline int8_t {name}_quantize(float real, float scale, int32_t zero_point) {{
  const float steps = real / scale + (float)zero_point;
  if (!(steps > -128.0f)) {{
    return -128;
  }}
  return steps >= 127.0f ? (int8_t)127 : (int8_t)(steps < 0.0f ? steps - 0.5f : steps + 0.5f);
}}

static inline float {name}_dequantize(int8_t value, float scale, int32_t zero_point) {{
  return (float)(value - zero_point) * scale;
}}

#ifdef __cplusplus
}}
#endif

#endif
"""


_ROWS = """
/* The same, but the input's rows are asked for when they are needed, each once, from the first to the last: `read`
 * writes row `row`, of {upper}_INPUT_ROW_BYTES, and returns 0; anything else ends the run, which returns -2. */
#define {upper}_INPUT_ROW_BYTES {row_bytes}
typedef int (*{name}_row_reader)(void *context, int32_t row, int8_t *to);
{signature};
"""


def header(graph: Graph, name: str, arena_bytes: int, digest: str, *, streamed: bool = False) -> str:
    """The text of NAME.h."""
    ports = [
        line
        for kind, names in (("INPUT", graph.inputs), ("OUTPUT", graph.outputs))
        for i, port in enumerate(names)
        for line in _port(f"{name.upper()}_{kind}{'' if len(names) == 1 else f'_{i}'}", graph.tensors[port])
    ]
    return _TEXT.format(
        name=name,
        upper=name.upper(),
        version=VERSION,
        digest=digest,
        arena=max(arena_bytes, 4),
        ports="\n".join(ports),
        signature=signature(graph, name),
        rows=_rows(graph, name) if streamed else "",
        self_test=self_test_signature(graph, name),
    )


def signature(graph: Graph, name: str) -> str:
    """The function that runs the model, as it is declared."""
    given = "const int8_t *in" if len(graph.inputs) == 1 else "const int8_t *const *in"
    return f"int {name}_invoke({given}, {_made(graph)}, void *arena)"


def rows_signature(graph: Graph, name: str) -> str:
    """The function that runs the model on an input it asks for row by row, as it is declared."""
    return f"int {name}_invoke_rows({name}_row_reader read, void *context, {_made(graph)}, void *arena)"


def _rows(graph: Graph, name: str) -> str:
    shape = graph.tensors[graph.inputs[0]].shape
    signature = rows_signature(graph, name)
    return _ROWS.format(name=name, upper=name.upper(), row_bytes=shape[2] * shape[3], signature=signature)


def self_test_signature(graph: Graph, name: str) -> str:
    """The function that runs the golden vector, as it is declared."""
    return f"int {name}_self_test({_made(graph)}, void *arena)"


def _made(graph: Graph) -> str:
    return "int8_t *out" if len(graph.outputs) == 1 else "int8_t *const *out"


def _port(prefix: str, tensor: Tensor) -> list[str]:
    scale = f"{tensor.scale:.9g}"
    return [
        f"#define {prefix}_BYTES {tensor.size}",
        f"#define {prefix}_SCALE {scale if set(scale) & set('.e') else scale + '.0'}f",
        f"#define {prefix}_ZERO_POINT ({tensor.zero_point})",
    ]
