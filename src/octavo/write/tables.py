"""Tables of a .tflite file that the schema's own Python writer writes otherwise: aligned, and with shared vectors."""

from __future__ import annotations

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from octavo.write.stored import FILE_IDENTIFIER


class Builder(flatbuffers.Builder):
    """A builder that remembers the vectors it may share."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.shared: dict[tuple[str, bytes], int] = {}

    def shared_vector(self, array: np.ndarray) -> int:
        """Offset of a vector with these elements, written at most once."""
        key = (array.dtype.str, array.tobytes())
        if key not in self.shared:
            self.shared[key] = self.CreateNumpyVector(array)
        return self.shared[key]


class Buffer(schema.BufferT):
    """A buffer whose data is aligned to 16 bytes, as the schema demands and its Python writer does not do.

    Attributes:
        content: The bytes, uint8, 1-D; no copy of the constant they belong to.
    """

    def __init__(self, content: np.ndarray) -> None:
        super().__init__()
        self.content = content

    def Pack(self, builder: flatbuffers.Builder) -> int:
        """Write the table; called by the schema's own `Pack`."""
        offset, size = 0, self.content.nbytes
        if size:
            builder.StartVector(1, size, 16)
            builder.head = builder.Head() - size
            builder.Bytes[builder.Head() : builder.Head() + size] = self.content.data
            offset = builder.EndVector()
        schema.BufferStart(builder)
        if offset:
            schema.BufferAddData(builder, offset)
        return schema.BufferEnd(builder)


class Parameters(schema.QuantizationParametersT):
    """Parameters whose vectors are shared between tensors.

    Args:
        scale, zero_point: float32 and int64, 1-D.
        axis: Dimension that they go along, if they do.
    """

    def __init__(self, scale: np.ndarray, zero_point: np.ndarray, axis: int = 0) -> None:
        super().__init__()
        self.vectors, self.axis = (scale, zero_point), axis

    def Pack(self, builder: Builder) -> int:
        """Write the table; called by the schema's own `Pack`."""
        scale, zero_point = (builder.shared_vector(each) for each in self.vectors)
        schema.QuantizationParametersStart(builder)
        schema.QuantizationParametersAddScale(builder, scale)
        schema.QuantizationParametersAddZeroPoint(builder, zero_point)
        schema.QuantizationParametersAddQuantizedDimension(builder, self.axis)
        return schema.QuantizationParametersEnd(builder)


def finished(model: schema.ModelT, room: int) -> bytes:
    """The bytes of a file, given about how many they are: without room left a builder takes twice as much."""
    builder = Builder(room)
    builder.Finish(model.Pack(builder), FILE_IDENTIFIER)
    # The builder's own `Output` would copy once more.
    return bytes(memoryview(builder.Bytes)[builder.Head() :])
