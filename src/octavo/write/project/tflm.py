"""What a program with TensorFlow Lite Micro needs of a model: its bytes, a resolver, the arena and an example."""

from __future__ import annotations

from collections.abc import Mapping

from octavo.dtypes import DType
from octavo.ir.types import Graph
from octavo.ops.table import spec_of
from octavo.version import VERSION
from octavo.write.c.ports import c_type
from octavo.write.c.text import wrapped
from octavo.write.project.packed import Packed, encoded

# Members of TfLitePtrUnion.
FIELDS = {DType.INT8: "int8", DType.UINT8: "uint8", DType.INT16: "i16", DType.INT32: "i32", DType.BOOL: "b"}

_HEADER = """\
/* {name}: a model for TensorFlow Lite Micro, written by octavo {version}. */
#ifndef OCTAVO_{upper}_MODEL_H
#define OCTAVO_{upper}_MODEL_H

#include <cstdint>

#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"

#define {upper}_DIGEST "{digest}" /* SHA-256 of the .tflite file */

alignas(16) extern const unsigned char {name}_model[];
constexpr unsigned int {name}_model_bytes = {bytes};

/* What the interpreter took of its arena on a machine with pointers of 64 bits; a microcontroller takes less, and
 * optimized kernels some scratch more. `interpreter.arena_used_bytes()` tells what yours takes. */
constexpr unsigned int {name}_arena_bytes = {arena};

/* Exactly the operators that the model has. */
using {name}_resolver = tflite::MicroMutableOpResolver<{count}>;

inline TfLiteStatus {name}_add_operators({name}_resolver &resolver) {{
{adds}
  return kTfLiteOk;
}}

#endif
"""

_MAIN = """\
/* Runs the model on a vector; returns how many values differ from what the desk computed, -1 if it cannot run. */
#include <cstring>

#include "{name}_model.h"
#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/schema/schema_generated.h"

{vectors}
alignas(16) static uint8_t arena[{name}_arena_bytes];

int {name}_self_test() {{
  {name}_resolver resolver;
  if ({name}_add_operators(resolver) != kTfLiteOk) {{
    return -1;
  }}
  tflite::MicroInterpreter interpreter(tflite::GetModel({name}_model), resolver, arena, sizeof arena);
  if (interpreter.AllocateTensors() != kTfLiteOk) {{
    return -1;
  }}
{copies}
  if (interpreter.Invoke() != kTfLiteOk) {{
    return -1;
  }}
  int different = 0;
{compares}
  return different;
}}

int main() {{ return {name}_self_test(); }}
"""


def tflm(packed: Packed) -> Mapping[str, bytes]:
    """NAME_model.h, NAME_model.cc and NAME_main.cc."""
    name, graph = packed.name, packed.graph
    ops = resolver_methods(graph)
    adds = "\n".join(f"  if (resolver.{method}() != kTfLiteOk) {{\n    return kTfLiteError;\n  }}" for method in ops)
    head = _HEADER.format(
        name=name,
        upper=name.upper(),
        version=VERSION,
        digest=packed.digest,
        bytes=len(packed.content),
        arena=-(-packed.arena_bytes // 16) * 16,
        count=len(ops),
        adds=adds,
    )
    body = wrapped(packed.content)
    data = f'#include "{name}_model.h"\n\nalignas(16) const unsigned char {name}_model[] = {{\n{body}\n}};\n'
    return encoded({f"{name}_model.h": head, f"{name}_model.cc": data, f"{name}_main.cc": _example(packed)})


def resolver_methods(graph: Graph) -> list[str]:
    """The methods of TensorFlow Lite Micro's resolver that add a graph's operators."""
    specs = (spec_of(op) for op in dict.fromkeys(node.op for node in graph.nodes))
    return [f"Add{spec.micro_name or _usual_name(spec.name)}" for spec in specs]


def _usual_name(op: str) -> str:
    """CONV_2D -> Conv2D."""
    return "".join(part.capitalize() for part in op.split("_")).replace("2d", "2D")


def _example(packed: Packed) -> str:
    graph, golden, name = packed.graph, packed.golden, packed.name
    vectors, copies, compares = [], [], []
    for kind, ports, values in (("in", graph.inputs, golden.inputs), ("out", graph.outputs, golden.outputs)):
        for i, port in enumerate(ports):
            tensor = graph.tensors[port]
            kept = f"static const {c_type(tensor.dtype)} golden_{kind}_{i}[{tensor.size}]"
            vectors.append(f"{kept} = {{\n{wrapped(map(int, values[port].ravel()))}\n}};")
            if kind == "in":
                copies.append(f"  std::memcpy(interpreter.input({i})->data.raw, golden_in_{i}, sizeof golden_in_{i});")
            else:
                made = f"interpreter.output({i})->data.{FIELDS[tensor.dtype]}[k]"
                compares.append(f"  for (int k = 0; k < {tensor.size}; k++) {{")
                compares.append(f"    different += {made} != golden_out_{i}[k];\n  }}")
    return _MAIN.format(name=name, vectors="\n".join(vectors), copies="\n".join(copies), compares="\n".join(compares))
