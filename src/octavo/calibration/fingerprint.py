"""By what statistics know the model that they are of."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from octavo.ir.types import Graph
from octavo.ops.text import format_graph


def fingerprint(graph: Graph, tensors: Sequence[str]) -> str:
    """Digest of a graph, constants included but for its name, and of the tensors observed in it."""
    digest = hashlib.sha256(json.dumps([format_graph(replace(graph, name="")), list(tensors)]).encode())
    for tensor in graph.tensors.values():
        if tensor.data is not None:
            digest.update(np.ascontiguousarray(tensor.data).data)
    return digest.hexdigest()
