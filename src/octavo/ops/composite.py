"""Keras layers, activations and operations that have no single operator: each becomes several, or none."""

from __future__ import annotations

from typing import Any

from octavo.ir.types import Shape
from octavo.ops import composed_activations, conv_operations
from octavo.ops import normalization_layers as normalization
from octavo.ops.forms import layer_form
from octavo.ops.refuse import refuse, require_channels_last
from octavo.ops.slices import emit_strided_slice
from octavo.ops.spec import Emitter, KerasCall, KerasForm

# Layers that do nothing at inference, with arguments to construct one.
IDENTITIES: dict[str, tuple[Any, ...]] = {
    "ActivityRegularization": (0.1,),
    "AlphaDropout": (0.2,),
    "AugMix": (),
    "Dropout": (0.2,),
    "CutMix": (),
    "GaussianDropout": (0.2,),
    "GaussianNoise": (0.2,),
    "Identity": (),
    "MixUp": (),
    "RandAugment": (),
    "RandomBrightness": (0.2,),
    "RandomColorDegeneration": (0.2,),
    "RandomColorJitter": (),
    "RandomContrast": (0.2,),
    "RandomElasticTransform": (),
    "RandomErasing": (),
    "RandomFlip": (),
    "RandomGaussianBlur": (),
    "RandomGrayscale": (),
    "RandomHue": (0.2,),
    "RandomInvert": (),
    "RandomPerspective": (),
    "RandomPosterization": (4,),
    "RandomRotation": (0.2,),
    "RandomSaturation": (0.2,),
    "RandomSharpness": (0.2,),
    "RandomShear": (),
    "RandomTranslation": (0.2, 0.2),
    "RandomZoom": (0.2,),
    "SpatialDropout2D": (0.2,),
}


def lower_identity(b: Emitter, call: KerasCall) -> str:
    """What computes nothing at inference: its input is its result."""
    return call.inputs[0]


def lower_activation_layer(b: Emitter, call: KerasCall) -> str:
    """keras.layers.Activation: its function's form."""
    return b.activation(call.operation.activation, call.inputs[0])


def lower_center_crop(b: Emitter, call: KerasCall) -> str:
    """keras.layers.CenterCrop of images no smaller than the crop; where a margin is odd, the far side loses more."""
    layer, (x,) = call.operation, call.inputs
    require_channels_last(layer)
    height, width = b.shape(x)[1:3]
    top, left = (height - layer.height) // 2, (width - layer.width) // 2
    if top < 0 or left < 0:
        raise refuse(
            layer,
            got=f"images of {height} x {width}, cropped to {layer.height} x {layer.width}",
            expected="images no smaller than the crop",
            fix="make the images larger first, with keras.layers.Resizing",
        )
    rows, columns = slice(top, top + layer.height), slice(left, left + layer.width)
    return emit_strided_slice(b, x, [slice(None), rows, columns, slice(None)], suffix="")


def _identity(name: str, arguments: tuple[Any, ...], shape: Shape = (6, 5, 3)) -> KerasForm:
    return layer_form(lower_identity, lambda keras: getattr(keras.layers, name)(*arguments), shape)


IMAGE = (6, 5, 6)

FORMS: dict[str, KerasForm] = {
    **composed_activations.FORMS,
    **conv_operations.FORMS,
    **{f"layers.{name}": _identity(name, arguments) for name, arguments in IDENTITIES.items()},
    "layers.SpatialDropout1D": _identity("SpatialDropout1D", (0.2,), (6, 4)),
    "activations.linear": layer_form(lower_identity, lambda keras: keras.layers.Activation("linear")),
    "layers.Activation": layer_form(lower_activation_layer, lambda keras: keras.layers.Activation("relu")),
    "layers.BatchNormalization": layer_form(
        normalization.lower_batch_normalization, lambda keras: keras.layers.BatchNormalization(), IMAGE
    ),
    "layers.CenterCrop": layer_form(lower_center_crop, lambda keras: keras.layers.CenterCrop(3, 3), IMAGE),
    "layers.GroupNormalization": layer_form(
        normalization.lower_group_normalization, lambda keras: keras.layers.GroupNormalization(3), IMAGE
    ),
    "layers.LayerNormalization": layer_form(
        normalization.lower_layer_normalization, lambda keras: keras.layers.LayerNormalization()
    ),
    "layers.Normalization": layer_form(
        normalization.lower_normalization,
        lambda keras: keras.layers.Normalization(mean=(0.1, 0.2, -0.3, 0.0), variance=(0.5, 2.0, 1.0, 0.1)),
    ),
    "layers.RMSNormalization": layer_form(
        normalization.lower_rms_normalization, lambda keras: keras.layers.RMSNormalization()
    ),
    "layers.Rescaling": layer_form(normalization.lower_rescaling, lambda keras: keras.layers.Rescaling(1 / 127.5, -1)),
}
