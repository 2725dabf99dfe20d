"""What rounding does to each layer of a network, in numbers that can be drawn."""

from __future__ import annotations

import base64
from io import BytesIO

import numpy as np

from octavo.diagnosis.downstream import activations_of
from octavo.diagnosis.pair import own_pair
from octavo.diagnosis.places import Place, places_of
from octavo.diagnosis.samples import Arrays
from octavo.footprint.generated import arena_plan
from octavo.ir.types import Graph
from octavo.numerics.affine import along_axis, representable
from octavo.report.mapping import map_layer

BINS = 64
# Samples whose activations are drawn, values of each that are looked at, and pictures of other answers.
SAMPLES, VALUES, PICTURES = 16, 200_000, 12


def layer_views(floats: Graph, integers: Graph, x: Arrays) -> list[dict[str, object]]:
    """Range, histogram, steps and merging values of every activation and weight that a file rounds.

    Args:
        floats: The float graph.
        integers: What Octavo made of it.
        x: Samples by input name.
    """
    places = places_of(own_pair(floats, integers))
    names = [place.tensor for place in places if place.kind == "activations"]
    values = activations_of(floats, names, {name: array[:SAMPLES] for name, array in x.items()})
    views = []
    for place in places:
        if place.kind == "activations":
            views.append(_activation_view(place, _some(values[place.tensor])))
        elif place.kind == "weights":
            views.append(_weight_view(place, floats.tensors[place.tensor].values))
    return views


def _some(values: np.ndarray) -> np.ndarray:
    flat = values.ravel()
    return flat[:: max(1, len(flat) // VALUES)]


def _activation_view(place: Place, values: np.ndarray) -> dict[str, object]:
    low, high = representable(place.parameters, place.dtype)
    mapping = map_layer(place.layer, values, place.parameters, place.dtype)
    return {
        "layer": place.layer,
        "kind": "activations",
        **mapping.to_dict(),
        "seen_low": float(values.min()),
        "seen_high": float(values.max()),
        "histogram": _histogram(values, min(low, float(values.min())), max(high, float(values.max()))),
    }


def _weight_view(place: Place, values: np.ndarray) -> dict[str, object]:
    """Weights by their own scale each, in steps, so that channels of different scales can be drawn together."""
    scale, _ = along_axis(place.parameters, values.ndim)
    steps, reach = values / scale, float(np.abs(values).max(initial=0))
    largest = place.dtype.integer_range[1]
    return {
        "layer": place.layer,
        "kind": "weights",
        "dtype": place.dtype.value,
        "low": -reach,
        "high": reach,
        "scale": float(place.parameters.scale.max()),
        "smallest_scale": float(place.parameters.scale.min()),
        "scales": len(place.parameters.scale),
        "zero_point": 0,
        "zeros": float((np.abs(steps) < 0.5).mean()),
        "histogram": _histogram(steps.ravel(), -largest - 0.5, largest + 0.5),
    }


def _histogram(values: np.ndarray, low: float, high: float) -> dict[str, list[float]]:
    if not high > low:
        low, high = low - 0.5, high + 0.5
    counts, edges = np.histogram(values, bins=BINS, range=(low, high))
    return {"edges": [float(f"{edge:.6g}") for edge in edges], "counts": [int(count) for count in counts]}


def flipped(x: Arrays, floats: np.ndarray, found: np.ndarray, labels: np.ndarray | None) -> list[dict[str, object]]:
    """The first samples whose largest output is another one, with their pictures where they are images.

    Args:
        x: Samples by input name.
        floats, found: Outputs of the float network and of the file, [samples, classes].
        labels: Class numbers, or None.
    """
    if floats.ndim != 2 or floats.shape[1] < 2:
        return []
    places = np.flatnonzero(floats.argmax(axis=1) != found.argmax(axis=1))
    images = next(iter(x.values()))
    return [
        {
            "sample": int(i),
            "float": int(floats[i].argmax()),
            "quantized": int(found[i].argmax()),
            "label": None if labels is None or labels.ndim != 1 else int(labels[i]),
            "picture": picture(images[i]) if len(x) == 1 else None,
        }
        for i in places[:PICTURES]
    ]


def picture(values: np.ndarray) -> str | None:
    """A sample as a PNG in a data address; None where it is no image."""
    image = values[..., np.newaxis] if values.ndim == 2 else values
    if image.ndim != 3 or image.shape[-1] not in (1, 3) or min(image.shape[:2]) < 4:
        return None
    try:
        from PIL import Image
    except ImportError:
        return None
    low, high = float(image.min()), float(image.max())
    pixels = ((image - low) * (255.0 / max(high - low, 1e-30))).astype(np.uint8)
    buffer = BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def arena_over_time(graph: Graph) -> dict[str, object] | None:
    """Where each activation lies and from which operator to which, as `octavo.fit` plans it; None without a C form."""
    plan = arena_plan(graph)
    if plan is None or not plan.buffers:
        return None
    return {
        "arena_bytes": plan.arena_bytes,
        "ports_bytes": sum(graph.tensors[name].bytes for name in (*graph.inputs, *graph.outputs)),
        "operators": plan.steps,
        "buffers": [
            {
                "name": each.name,
                "offset": plan.offsets[each.name],
                "bytes": each.size,
                "first": each.first,
                "last": each.last,
            }
            for each in plan.buffers
        ],
    }
