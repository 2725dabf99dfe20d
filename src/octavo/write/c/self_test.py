"""The vector that a model in C carries, and the function that runs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from octavo.ir.types import Graph
from octavo.write.c.header import self_test_signature
from octavo.write.c.ports import c_type, port_type, read_as
from octavo.write.c.text import array

Values = Mapping[str, np.ndarray]


@dataclass(frozen=True, slots=True)
class GoldenVector:
    """Inputs, and the outputs that the integer reference has for them, by name."""

    inputs: Values
    outputs: Values


def self_test(graph: Graph, name: str, golden: GoldenVector) -> str:
    """The function, and the arrays it needs."""
    upper = name.upper()
    given = [
        array(c_type(graph.tensors[port].dtype), f"{name}_golden_in_{i}", golden.inputs[port])
        for i, port in enumerate(graph.inputs)
    ]
    wanted = [
        array(c_type(graph.tensors[port].dtype), f"{name}_golden_out_{i}", golden.outputs[port])
        for i, port in enumerate(graph.outputs)
    ]
    one_in, one_out = len(graph.inputs) == 1, len(graph.outputs) == 1
    pointers = ", ".join(f"{name}_golden_in_{i}" for i in range(len(graph.inputs)))
    lines = (
        [] if one_in else [f"  const {port_type(graph, graph.inputs)} *const in[{len(graph.inputs)}] = {{{pointers}}};"]
    )
    lines += ["  int32_t i, different = 0;"]
    lines += [
        f"  if ({name}_invoke({f'{name}_golden_in_0' if one_in else 'in'}, out, arena) != 0) {{",
        "    return -1;",
        "  }",
    ]
    for i, port in enumerate(graph.outputs):
        made = "out" if one_out else read_as(graph.tensors[port], f"out[{i}]", port_type(graph, graph.outputs))
        lines += [
            f"  for (i = 0; i < {graph.tensors[port].size}; i++) {{",
            f"    different += {made}[i] != {name}_golden_out_{i}[i];",
            "  }",
        ]
    lines += ["  return (int)different;"]
    body = "\n".join(lines)
    arrays = "\n".join([*given, *wanted])
    return f"#if {upper}_SELF_TEST\n{arrays}\n{self_test_signature(graph, name)} {{\n{body}\n}}\n#endif\n"
