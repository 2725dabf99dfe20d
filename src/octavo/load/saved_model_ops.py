"""Which TensorFlow operators a SavedModel may hold: loading one runs its initializers, so the graph is read first."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from octavo.errors import ModelFileError, UnsupportedLayerError

# Operators with an effect that stays inside the process: variables, calls, random numbers, checks.
_HARMLESS = frozenset(
    {
        "Assert", "AssignAddVariableOp", "AssignSubVariableOp", "AssignVariableOp", "ConstUnique",
        "DestroyResourceOp", "DisableCopyOnRead", "DummySeedGenerator", "If", "Multinomial",
        "ParameterizedTruncatedNormal",
        "PartitionedCall", "Placeholder", "RandomGamma", "RandomPoisson", "RandomShuffle", "RandomStandardNormal",
        "RandomUniform", "RandomUniformInt", "ReadVariableOp", "ResourceGather", "RngReadAndSkip", "RngSkip",
        "StatefulPartitionedCall", "StatefulStandardNormalV2", "StatefulTruncatedNormal", "StatefulUniform",
        "StatefulUniformFullInt", "StatefulUniformInt", "TruncatedNormal", "VarHandleOp", "VarIsInitializedOp",
        "VariableShape", "While", "XlaCallModule",
    }
)  # fmt: skip
# What reaches outside the process, though some of it counts as free of effects.
_OUTSIDE = re.compile(
    "File|Dataset|Reader|Record|Debug|Checkpoint|Rpc|Save|Restore|Print|Summary|PyFunc|Sql|Library|ImmutableConst|Send|Recv"
)
# What the standard saver is made of; it runs when a model is saved or its variables are restored.
_SAVER = frozenset({"MergeV2Checkpoints", "RestoreV2", "SaveV2", "ShardedFilename"})
_SAVER_FUNCTIONS = re.compile(r"__inference__traced_(save|restore)_\d+")


def check_operators(saved: Any, is_stateful: Any, folder: str) -> None:
    """Refuse a SavedModel that could do more than compute, before anything of it is loaded.

    Args:
        saved: The parsed SavedModel message.
        is_stateful: Whether an operator of this name has effects; None where TensorFlow does not know it.
        folder: Its name, for errors.

    Raises:
        UnsupportedLayerError: for operators that read or write files, call Python, or reach outside in another way;
            for a program of JAX.
        ModelFileError: for a SavedModel of TensorFlow 1.
    """
    for meta in saved.meta_graphs:
        if not meta.object_graph_def.nodes:
            raise _of_tensorflow_1(folder)
        for place, node in _nodes(meta):
            if node.op == "XlaCallModule":
                raise _made_by_jax(folder)
            if (problem := _problem(place, node, is_stateful)) is not None:
                raise _reaches_outside(folder, place, problem)
        exposed = sorted(filter(_SAVER_FUNCTIONS.fullmatch, meta.object_graph_def.concrete_functions))
        if exposed:
            raise _reaches_outside(folder, exposed[0], "a function of the saver that can be called")


def _nodes(meta: Any) -> Iterator[tuple[str, Any]]:
    """Every node with the function it stands in, "" for the graph itself."""
    for node in meta.graph_def.node:
        yield "", node
    for function in meta.graph_def.library.function:
        for node in function.node_def:
            yield function.signature.name, node


def _problem(place: str, node: Any, is_stateful: Any) -> str | None:
    """What a node does that it must not, or None."""
    in_saver = _SAVER_FUNCTIONS.fullmatch(place) is not None
    if in_saver and node.op in _SAVER:
        return None
    if node.op not in _HARMLESS and (_OUTSIDE.search(node.op) or is_stateful(node.op)):
        return node.op
    # The graph itself runs only to save and restore, by the standard saver; functions run when they are called.
    called = [name for name in _called(node) if _SAVER_FUNCTIONS.fullmatch(name)]
    return f"a call of {called[0]}" if called and place else None


def _called(node: Any) -> Iterator[str]:
    for value in node.attr.values():
        if value.HasField("func"):
            yield value.func.name
        yield from (function.name for function in value.list.func)


def _reaches_outside(folder: str, place: str, problem: str) -> UnsupportedLayerError:
    return UnsupportedLayerError(
        f"SavedModel '{folder}' would do more than compute when it is loaded or run.",
        got=f"{problem} in {f'function {place!r}' if place else 'its graph'}",
        expected="operators that neither read nor write files, call Python, nor keep tables or queues",
        fix="export the model's computation alone, without its input pipeline, or give the .keras file",
    )


def _made_by_jax(folder: str) -> UnsupportedLayerError:
    """What TensorFlow's converter makes of a program of JAX cannot be quantized well."""
    return UnsupportedLayerError(
        f"SavedModel '{folder}' holds a program of JAX instead of TensorFlow operators.",
        got="an XlaCallModule, as Keras exports it on the JAX backend",
        expected="a SavedModel exported on Keras's TensorFlow backend",
        fix="export it again with KERAS_BACKEND=tensorflow, or give the .keras file",
    )


def _of_tensorflow_1(folder: str) -> ModelFileError:
    return ModelFileError(
        f"SavedModel '{folder}' was written by TensorFlow 1.",
        got="a graph without objects, whose initializer would run unseen",
        expected="a SavedModel of TensorFlow 2",
        fix="load it with tf.saved_model.load(...) where you trust it, and save it again with tf.saved_model.save(...)",
    )
