"""A memory plan in a .tflite file, which TensorFlow Lite Micro then follows instead of its own.

Its own planner is greedy and finds no better place afterwards; ours goes on until it meets the lower bound or finds
nothing more. Source: tensorflow/lite/micro/docs/offline_memory_plan.md and micro/micro_allocation_info.cc.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from octavo.board.plan_memory import Buffer as Memory
from octavo.board.plan_memory import MemoryPlan, plan_memory
from octavo.dtypes import DType
from octavo.errors import ModelFileError
from octavo.write.tables import Buffer, Parameters, finished

METADATA_NAME = "OfflineMemoryAllocation"
# Where TensorFlow Lite Micro puts tensors.
ALIGNMENT = 16
# What is said of a tensor that is not planned.
_BY_THE_INTERPRETER = -1
_DTYPES = {value: DType[name] for name, value in vars(schema.TensorType).items() if name in DType.__members__}


def with_offline_plan(content: bytes) -> tuple[bytes, MemoryPlan]:
    """A file with a plan of its activations; what else it holds stays.

    Args:
        content: A .tflite file.

    Returns:
        The new file, and the plan by indices of tensors.

    Raises:
        ModelFileError: if it has several subgraphs, of which no plan can be made in advance.
    """
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    if len(model.subgraphs) != 1:
        raise ModelFileError(
            "a model of several subgraphs cannot be given a memory plan.",
            got=f"{len(model.subgraphs)} subgraphs",
            expected="one",
            fix="leave the plan out; TensorFlow Lite Micro makes its own",
        )
    (graph,) = model.subgraphs
    plan = plan_memory(_activations(model, graph))
    offsets = [plan.offsets.get(str(i), _BY_THE_INTERPRETER) for i in range(len(graph.tensors))]
    # Version, subgraph, number of offsets, offsets.
    words = np.array([1, 0, len(offsets), *offsets], "<i4")
    others = [entry for entry in model.metadata or [] if entry.name not in (METADATA_NAME, METADATA_NAME.encode())]
    entry = schema.MetadataT()
    entry.name, entry.buffer = METADATA_NAME, len(model.buffers)
    model.metadata = [*others, entry]
    model.buffers = [Buffer(_content(table)) for table in model.buffers]
    model.buffers.append(Buffer(words.view(np.uint8)))
    for tensor in graph.tensors:
        tensor.quantization = _sharing(tensor.quantization)
    return finished(model, len(content) + words.nbytes + 4096), plan


def _activations(model: schema.ModelT, graph: schema.SubGraphT) -> list[Memory]:
    """What lives in the arena: neither constants nor variables; inputs from the start, outputs to the end."""
    found: dict[int, Memory] = {}

    def lives(i: int, step: int) -> None:
        tensor = graph.tensors[i]
        if tensor.isVariable or _content(model.buffers[tensor.buffer]).size:
            return
        count = math.prod(int(size) for size in ([] if tensor.shape is None else tensor.shape))
        size = -(-count * _DTYPES[tensor.type].bits // 8 // ALIGNMENT) * ALIGNMENT
        known = found.get(i, Memory(str(i), size, step, step))
        found[i] = replace(known, last=step)

    for i in graph.inputs:
        lives(int(i), 0)
    for step, operator in enumerate(graph.operators):
        for i in (*operator.inputs, *operator.outputs):
            if i >= 0:
                lives(int(i), step)
    for i in graph.outputs:
        lives(int(i), len(graph.operators))
    return list(found.values())


def _content(table: schema.BufferT) -> np.ndarray:
    return np.asarray([] if table.data is None else table.data, np.uint8)


def _sharing(table: schema.QuantizationParametersT | None) -> schema.QuantizationParametersT | None:
    """Parameters that say no more than scales and zero points, in vectors that tensors share."""
    if table is None or table.scale is None or table.zeroPoint is None or table.details is not None:
        return table
    if table.min is not None or table.max is not None:
        return table
    scale, zero_point = np.asarray(table.scale, np.float32), np.asarray(table.zeroPoint, np.int64)
    return Parameters(scale, zero_point, table.quantizedDimension)
