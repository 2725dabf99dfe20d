"""All families of keras.applications in int8 against TensorFlow's converter, each held against Keras in float.

The weights are random, with statistics as training leaves them: moving means and variances are those of the samples,
found by one pass in training mode.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from bench import peers
from bench.process import in_process
from bench.real_data import cifar_jpeg

CALIBRATION, TEST, CLASSES = 32, 16, 10
SIZES = (64, 96)


@dataclass(frozen=True)
class Family:
    """One network of a module of keras.applications.

    Attributes:
        name: Of the function that builds it.
        module: That has its `preprocess_input`.
        least: Pixels on each side that it takes at least.
    """

    name: str
    module: str
    least: int = 32


FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        family.name: family
        for family in (
            Family("MobileNet", "mobilenet"),
            Family("MobileNetV2", "mobilenet_v2"),
            Family("MobileNetV3Small", "mobilenet_v3"),
            Family("EfficientNetB0", "efficientnet"),
            Family("EfficientNetV2B0", "efficientnet_v2"),
            Family("NASNetMobile", "nasnet"),
            Family("DenseNet121", "densenet"),
            Family("ResNet50", "resnet"),
            Family("ResNet50V2", "resnet_v2"),
            Family("Xception", "xception", 71),
            Family("InceptionV3", "inception_v3", 75),
            Family("ConvNeXtTiny", "convnext"),
            Family("VGG16", "vgg16"),
            Family("VGG19", "vgg19"),
            Family("InceptionResNetV2", "inception_resnet_v2", 75),
        )
    }
)


def measure(name: str, sides: Sequence[int] = SIZES) -> dict[str, dict[str, Any]]:
    """By size: SQNR in dB of both tools' int8 files, the operators that are left in float, and the bytes.

    Args:
        name: Of a family.
        sides: Pixels on each side; what the family does not take is raised to its least.
    """
    sizes = sorted({max(size, FAMILIES[name].least) for size in sides})
    return {f"{name} {size}": _at(name, size) for size in sizes}


def _at(name: str, size: int) -> dict[str, Any]:
    try:
        ours = in_process("applications", "octavo_file", name, size, backend="tensorflow")
        theirs = in_process("applications", "converter_file", name, size, backend="tensorflow")
    except RuntimeError as error:
        return {"ended": str(error).splitlines()[-1]}
    return ours | theirs | {"ours_over_converter_db": ours["octavo_db"] - theirs["converter_db"]}


def octavo_file(name: str, size: int) -> dict[str, Any]:
    """Figures of Octavo's file, verified by samples."""
    import octavo

    model, calibration, test = load(name, size)
    made = octavo.quantize(model, "int8", calibration)
    assert made.verification is not None
    figures = {
        "islands": len(made.islands),
        "verified": made.verification.ok,
        "seconds": sum(made.seconds.values()),
        "octavo_bytes": len(made.model),
    }
    return {"octavo_db": _sqnr(model.predict(test, verbose=0), run_int8(made.model, test)), **figures}


def converter_file(name: str, size: int) -> dict[str, Any]:
    """Figures of the converter's file."""
    model, calibration, test = load(name, size)
    content = peers.converter(model, "int8", calibration)
    answers = run_int8(content, test)
    return {"converter_db": _sqnr(model.predict(test, verbose=0), answers), "converter_bytes": len(content)}


def load(name: str, size: int) -> tuple[Any, np.ndarray, np.ndarray]:
    """The model, the samples it is calibrated on, and others."""
    import importlib

    import keras

    family = FAMILIES[name]
    images = resized(cifar_jpeg("train", CALIBRATION + TEST)[0], size)
    preprocess = importlib.import_module(f"keras.applications.{family.module}").preprocess_input
    images = np.asarray(preprocess(images), np.float32)
    keras.utils.set_random_seed(0)
    build: Callable[..., Any] = getattr(keras.applications, name)
    model = build(
        input_shape=(size, size, 3), weights=None, classes=CLASSES, classifier_activation=None, include_top=True
    )
    settle(model, images[:CALIBRATION])
    return model, images[:CALIBRATION], images[CALIBRATION:]


def settle(model: Any, samples: np.ndarray, seed: int = 0) -> None:
    """Give scales and offsets values as training does, and moving statistics those of samples."""
    import keras

    rng = np.random.default_rng(seed)
    for variable in model.weights:
        if variable.path.endswith("gamma"):
            variable.assign(rng.uniform(0.5, 1.5, variable.shape))
        elif variable.path.endswith(("beta", "bias")):
            variable.assign(rng.normal(0, 0.1, variable.shape))
    layers = list(model.layers)
    for layer in layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
        elif isinstance(layer, keras.layers.Dropout):
            layer.rate = 0.0
    model(samples, training=True)


def resized(images: np.ndarray, size: int) -> np.ndarray:
    """Images of another size, float32 in 0..255."""
    from PIL import Image

    pictures = (Image.fromarray(image.astype(np.uint8)) for image in images)
    return np.stack([np.asarray(each.resize((size, size), Image.Resampling.BICUBIC)) for each in pictures]).astype(
        np.float32
    )


def run_int8(content: bytes, samples: np.ndarray) -> np.ndarray:
    """Answers of a file whose input and output are int8, in real numbers."""
    from ai_edge_litert.interpreter import Interpreter

    runtime = Interpreter(model_content=content)
    runtime.allocate_tensors()
    (entry,), (result,) = runtime.get_input_details(), runtime.get_output_details()
    scale, zero_point = entry["quantization"]
    answers = []
    for sample in samples:
        integers = np.clip(np.round(sample[np.newaxis] / scale) + zero_point, -128, 127).astype(np.int8)
        runtime.set_tensor(entry["index"], integers)
        runtime.invoke()
        answers.append(runtime.get_tensor(result["index"])[0])
    scale, zero_point = result["quantization"]
    return (np.stack(answers).astype(np.float64) - zero_point) * scale


def _sqnr(wanted: np.ndarray, found: np.ndarray) -> float:
    """Decibels of the float answers over the error."""
    wanted = wanted.astype(np.float64)
    return float(10 * np.log10(np.square(wanted).sum() / np.square(found - wanted).sum()))
