"""Every public layer of Keras, each with several configurations, to see what becomes of it."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from keras import layers

# What a layer is tried on; those whose input has another rank refuse in Keras, and are left out.
SHAPES: tuple[tuple[int, ...], ...] = ((8,), (6, 4), (8, 8, 3), (4, 4, 4, 2))
# Arguments that required parameters get, by name; a layer that takes none of several values is left out with them.
ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "units": (4,),
    "filters": (4,),
    "kernel_size": (3, 1),
    "rate": (0.3,),
    "stddev": (0.1,),
    "input_dim": (12,),
    "output_dim": (5,),
    "num_heads": (2,),
    "key_dim": (4,),
    "head_dim": (4,),
    "num_query_heads": (4,),
    "num_key_value_heads": (2,),
    "equation": ("ab,bc->ac", "abc,cd->abd"),
    "output_shape": (4, (None, 4)),
    "target_shape": ((-1, 2),),
    "dims": ((2, 1), (2, 3, 1)),
    "n": (3,),
    "scale": (0.5,),
    "height": (4,),
    "width": (4,),
    "factor": (0.2,),
    "axes": (1, 2),
    "num_tokens": (10,),
    "bin_boundaries": ([0.0, 1.0],),
    "max_value": (10,),
    "num_bins": (8,),
    "epsilon": (1e-3,),
    "value": (0.1,),
    "value_range": ((0.0, 1.0),),
    "height_factor": (0.2,),
    "width_factor": (0.2,),
    "l2": (0.1,),
    "activation": ("relu", "gelu", "softmax"),
    "padding": ("same",),
    "pool_size": (2,),
    "output_size": (2,),
}
# Optional parameters that are tried besides.
OPTIONS: dict[str, tuple[Any, ...]] = {
    "use_bias": (False,),
    "padding": ("same", "causal"),
    "strides": (2,),
    "dilation_rate": (2,),
    "data_format": ("channels_first",),
    "return_sequences": (True,),
    "go_backwards": (True,),
    "axis": (1, [1, 2]),
    "keepdims": (True,),
    "activation": ("swish",),
    "interpolation": ("bilinear",),
    "mask_zero": (True,),
    "scale": (False,),
    "center": (False,),
    "output_mode": ("one_hot",),
    "use_scale": (True,),
    "unroll": (True,),
    "groups": (2,),
}
CELLS = ("RNN", "Bidirectional", "TimeDistributed", "StackedRNNCells", "SpectralNormalization", "Wrapper")


def classes() -> list[str]:
    """Names of the layer classes that `keras.layers` exports."""
    exported = ((name, getattr(layers, name)) for name in dir(layers))
    return [name for name, kind in exported if inspect.isclass(kind) and issubclass(kind, layers.Layer)]


def models(name: str) -> Iterator[tuple[str, keras.Model]]:
    """(description, model) for each configuration of a class and each input that Keras itself can run."""
    for options in configurations(name):
        for shape in SHAPES:
            for count in (1, 2, 3):
                try:
                    layer = make(name, options)
                    inputs = [keras.Input(shape) for _ in range(count)]
                    result = call(layer, inputs)
                    model = keras.Model(inputs, result)
                    model([np.ones((1, *shape), np.float32)] * count)
                except Exception:
                    continue
                yield f"{name}({options}) on {count} x {shape}", model
                break


def call(layer: Any, inputs: list[Any]) -> Any:
    """Call a layer on one tensor, or on several as it takes them: in a list, or one by one."""
    if len(inputs) == 1:
        return layer(inputs[0])
    try:
        return layer(inputs)
    except Exception:
        return layer(*inputs)


def make(name: str, options: dict[str, Any]) -> Any:
    """A new layer; those around another one get one."""
    if name in ("RNN", "StackedRNNCells"):
        return layers.RNN(layers.LSTMCell(4) if name == "RNN" else [layers.GRUCell(3), layers.LSTMCell(4)])
    if name == "Bidirectional":
        return layers.Bidirectional(layers.LSTM(4), **options)
    if name in CELLS:
        return getattr(layers, name)(layers.Dense(4), **options)
    return getattr(layers, name)(**options)


def configurations(name: str) -> Iterator[dict[str, Any]]:
    """Arguments to construct a class with: the required ones alone, then with one optional one each."""
    signature = inspect.signature(getattr(layers, name).__init__).parameters.values()
    parameters = [each for each in signature if each.name != "self" and each.kind is not each.VAR_KEYWORD]
    required = [each.name for each in parameters if each.default is each.empty and each.kind is not each.VAR_POSITIONAL]
    if name in CELLS or not set(required) <= set(ARGUMENTS):
        yield {}
        return
    base = {key: ARGUMENTS[key][0] for key in required}
    yield base
    for key in required:
        yield from ({**base, key: value} for value in ARGUMENTS[key][1:])
    for each in parameters:
        if each.name in OPTIONS and each.name not in base:
            yield from ({**base, each.name: value} for value in OPTIONS[each.name])
