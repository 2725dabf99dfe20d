"""Keras layers, activations and operations that have no single operator: each becomes several, or none."""

from __future__ import annotations

from typing import Any

from octavo.ops.spec import Emitter, KerasCall, KerasForm

# Layers that do nothing at inference, with arguments to construct one.
IDENTITIES: dict[str, tuple[Any, ...]] = {
    "ActivityRegularization": (0.1,),
    "AlphaDropout": (0.2,),
    "AugMix": (),
    "CutMix": (),
    "Dropout": (0.2,),
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


def _identity(name: str, arguments: tuple[Any, ...]) -> KerasForm:
    return KerasForm(lower_identity, lambda keras: (getattr(keras.layers, name)(*arguments), ((8, 8, 3),)))


FORMS: dict[str, KerasForm] = {
    **{f"layers.{name}": _identity(name, arguments) for name, arguments in IDENTITIES.items()},
    "layers.SpatialDropout1D": KerasForm(lower_identity, lambda keras: (keras.layers.SpatialDropout1D(0.2), ((8, 3),))),
    "activations.linear": KerasForm(lower_identity, lambda keras: (keras.layers.Activation("linear"), ((4,),))),
    "layers.Activation": KerasForm(lower_activation_layer, lambda keras: (keras.layers.Activation("relu"), ((4, 3),))),
}
