"""NAME.h: what a caller of the model in C needs."""

from __future__ import annotations

from octavo.ir.types import Graph, Tensor
from octavo.version import VERSION
from octavo.write.c.ports import c_type, port_type
from octavo.write.c.row_order import row_bytes
from octavo.write.c.trace import trace_declared

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
/* A declaration that a compiler refuses of too small an arena: {upper}_CHECK_ARENA(sizeof arena); */
#define {upper}_CHECK_ARENA(bytes) \\
  extern char (*{name}_arena_is_too_small(void))[(bytes) >= {upper}_ARENA_BYTES ? 1 : -1]
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
{trace}
{helpers}
#ifdef __cplusplus
}}
#endif

#endif
"""


_CONVERT = """\
/* A real number in steps of an input, rounded, halves away from zero; and the real number of an output's step. */
static inline {kind} {name}_quantize{suffix}(float real, float scale, int32_t zero_point) {{
  const float steps = real / scale + (float)zero_point;
  if (!(steps > {low}.0f)) {{
    return {low};
  }}
  return steps >= {high}.0f ? ({kind}){high} : ({kind})(steps < 0.0f ? steps - 0.5f : steps + 0.5f);
}}

static inline float {name}_dequantize{suffix}({kind} value, float scale, int32_t zero_point) {{
  return (float)(value - zero_point) * scale;
}}
"""

_ROWS = """
/* The same, but the input's rows are asked for when they are needed, each once, from the first to the last: `read`
 * writes row `row`, of {upper}_INPUT_ROW_BYTES, and returns 0; anything else ends the run, which returns -2. */
#define {upper}_INPUT_ROW_BYTES {row_bytes}
typedef int (*{name}_row_reader)(void *context, int32_t row, {kind} *to);
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
        trace=trace_declared(name),
        helpers=_helpers(graph, name),
    )


def signature(graph: Graph, name: str) -> str:
    """The function that runs the model, as it is declared."""
    kind = port_type(graph, graph.inputs)
    given = f"const {kind} *in" if len(graph.inputs) == 1 else f"const {kind} *const *in"
    return f"int {name}_invoke({given}, {_made(graph)}, void *arena)"


def rows_signature(graph: Graph, name: str) -> str:
    """The function that runs the model on an input it asks for row by row, as it is declared."""
    return f"int {name}_invoke_rows({name}_row_reader read, void *context, {_made(graph)}, void *arena)"


def _rows(graph: Graph, name: str) -> str:
    size, kind = row_bytes(graph.tensors[graph.inputs[0]]), port_type(graph, graph.inputs)
    signature = rows_signature(graph, name)
    return _ROWS.format(name=name, upper=name.upper(), row_bytes=size, kind=kind, signature=signature)


def self_test_signature(graph: Graph, name: str) -> str:
    """The function that runs the golden vector, as it is declared."""
    return f"int {name}_self_test({_made(graph)}, void *arena)"


def _made(graph: Graph) -> str:
    kind = port_type(graph, graph.outputs)
    return f"{kind} *out" if len(graph.outputs) == 1 else f"{kind} *const *out"


def _helpers(graph: Graph, name: str) -> str:
    """The functions between reals and integers, for each type that stands for reals in an input or output."""
    real = [t for t in (graph.tensors[port] for port in (*graph.inputs, *graph.outputs)) if t.quantization is not None]
    types = sorted({tensor.dtype for tensor in real}, key=lambda dtype: dtype.value)
    texts = []
    for dtype in types:
        low, high = dtype.integer_range
        suffix = "" if len(types) == 1 else f"_{dtype.value}"
        texts.append(_CONVERT.format(name=name, suffix=suffix, kind=c_type(dtype), low=low, high=high))
    return "\n".join(texts)


def _port(prefix: str, tensor: Tensor) -> list[str]:
    if tensor.quantization is None:
        return [f"#define {prefix}_BYTES {tensor.bytes}"]
    scale = f"{tensor.scale:.9g}"
    return [
        f"#define {prefix}_BYTES {tensor.bytes}",
        f"#define {prefix}_SCALE {scale if set(scale) & set('.e') else scale + '.0'}f",
        f"#define {prefix}_ZERO_POINT ({tensor.zero_point})",
    ]
