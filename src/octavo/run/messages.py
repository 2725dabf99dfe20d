"""Messages between a process and the child it supervises: pickles whose arrays travel beside them, without a copy.

A message is a count, that many lengths, and that many frames; the first frame is the pickle, the others its arrays.
"""

from __future__ import annotations

import pickle
import struct
from collections.abc import Sequence
from typing import Any, BinaryIO

import numpy as np

_LENGTH = struct.Struct("<Q")


def send(stream: BinaryIO, message: Any) -> None:
    """Write a message.

    Raises:
        OSError: if nobody reads any more.
    """
    buffers: list[pickle.PickleBuffer] = []
    frames = [memoryview(pickle.dumps(message, protocol=5, buffer_callback=buffers.append))]
    frames += [buffer.raw() for buffer in buffers]
    lengths = [len(frames), *(frame.nbytes for frame in frames)]
    stream.write(b"".join(map(_LENGTH.pack, lengths)))
    for frame in frames:
        stream.write(frame)
    stream.flush()


def receive(stream: BinaryIO) -> list[Any]:
    """Wait for a message and read its frames; `opened` makes of them what was sent.

    Raises:
        EOFError: if the stream ends.
    """
    (count,) = _LENGTH.unpack(_read(stream, _LENGTH.size))
    lengths = [_LENGTH.unpack(_read(stream, _LENGTH.size))[0] for _ in range(count)]
    return [_read(stream, length) for length in lengths]


def opened(frames: Sequence[Any]) -> Any:
    """The message of these frames; its arrays are the frames' memory."""
    return pickle.loads(frames[0], buffers=frames[1:])


def _read(stream: BinaryIO, length: int) -> memoryview:
    frame = np.empty(length, np.uint8).data
    read = 0
    while read < length:
        part = stream.readinto(frame[read:])  # type: ignore[attr-defined]
        if not part:
            raise EOFError("the stream ended")
        read += part
    return frame
