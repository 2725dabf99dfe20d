"""What a caller can choose: the scheme and the options of a quantization."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, Self

from octavo.dtypes import DType
from octavo.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Scheme:
    """A named pair of element types, activations x weights.

    Attributes:
        name: The name users type.
        activations: Integer type of activations, or None where they stay float32.
        weights: Type weights are stored in.
        bias: Type of the bias of a layer whose activations are integers, else None.
        title: One line for tables and help.
    """

    name: str
    activations: DType | None
    weights: DType
    bias: DType | None
    title: str

    @property
    def needs_data(self) -> bool:
        """Whether activation ranges, and so a representative dataset, are needed."""
        return self.activations is not None

    @property
    def symmetric_activations(self) -> bool:
        """Whether kernels demand zero point 0 for activations (16x8)."""
        return self.activations is DType.INT16


SCHEMES: dict[str, Scheme] = {
    scheme.name: scheme
    for scheme in (
        Scheme("float32", None, DType.FLOAT32, None, "float, as trained"),
        Scheme("float16", None, DType.FLOAT16, None, "half-precision weights, float arithmetic"),
        Scheme("dynamic", None, DType.INT8, None, "int8 weights, float activations"),
        Scheme("int8", DType.INT8, DType.INT8, DType.INT32, "full integer, int8 in and out"),
        Scheme("int16x8", DType.INT16, DType.INT8, DType.INT64, "int16 activations, int8 weights"),
        Scheme("int8x4", DType.INT8, DType.INT4, DType.INT32, "int8 activations, int4 weights"),
    )
}

IO_TYPES = {"int8": DType.INT8, "uint8": DType.UINT8, "int16": DType.INT16, "float32": DType.FLOAT32}


def scheme_named(name: str) -> Scheme:
    """Look a scheme up by name.

    Raises:
        ConfigError: for an unknown name; the closest known one is offered.
    """
    if name not in SCHEMES:
        raise unknown_name("scheme", name, tuple(SCHEMES))
    return SCHEMES[name]


def unknown_name(kind: str, name: str, known: tuple[str, ...]) -> ConfigError:
    """The error for a name that is not one of `known`."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
    return ConfigError(
        f"unknown {kind} '{name}'.",
        got=repr(name),
        expected=", ".join(known),
        fix=f"did you mean '{close[0]}'?" if close else "use one of these names",
    )


WEIGHT_TYPES = {"int8": DType.INT8, "int4": DType.INT4}


@dataclass(frozen=True, slots=True)
class LayerConfig:
    """What is different for some layers.

    Attributes:
        pattern: Layer name or shell pattern.
        weights: "int8" or "int4"; None takes the scheme's.
        per_axis: One weight scale per output channel or one per tensor; None takes the configuration's.
    """

    pattern: str
    weights: str | None = None
    per_axis: bool | None = None

    def __post_init__(self) -> None:
        if self.weights is not None and self.weights not in WEIGHT_TYPES:
            raise unknown_name("weight type", self.weights, tuple(WEIGHT_TYPES))


@dataclass(frozen=True, slots=True)
class QuantizeConfig:
    """Options of one quantization. Every field has a default that suits most models.

    Attributes:
        scheme: Name of the scheme, see `SCHEMES`.
        per_axis: One weight scale per output channel (True) or one per tensor; "dynamic" always has the former.
        input_type: Type of the written model's inputs; None takes the scheme's own.
        output_type: Likewise for its outputs.
        skip: Layer names or shell patterns kept in float; any sequence, or a single one.
        layers: What is different for some layers; the first that fits a layer counts.
        estimator: How a range is made of statistics: "minmax" or "percentile".
        percentile: Share of values, in percent, that the "percentile" estimator keeps.
        seed: Seed of every random choice.
        verify: "sample" runs a few inputs through all runtimes, "full" the whole dataset, "off" none.
    """

    scheme: str = "int8"
    per_axis: bool = True
    input_type: str | None = None
    output_type: str | None = None
    skip: Sequence[str] = ()
    layers: tuple[LayerConfig, ...] = ()
    estimator: Literal["minmax", "percentile"] = "minmax"
    percentile: float = 99.99
    seed: int = 0
    verify: Literal["sample", "full", "off"] = "sample"

    def __post_init__(self) -> None:
        object.__setattr__(self, "skip", (self.skip,) if isinstance(self.skip, str) else tuple(self.skip))
        layers = (layer if isinstance(layer, LayerConfig) else LayerConfig(**layer) for layer in self.layers)
        object.__setattr__(self, "layers", tuple(layers))
        if scheme_named(self.scheme).activations is not DType.INT8:
            self._refuse_int4()
        for kind, name, known in (
            ("estimator", self.estimator, ("minmax", "percentile")),
            ("verify", self.verify, ("sample", "full", "off")),
            ("input_type", self.input_type, tuple(IO_TYPES)),
            ("output_type", self.output_type, tuple(IO_TYPES)),
        ):
            if name is not None and name not in known:
                raise unknown_name(kind, name, known)
        if not 50.0 < self.percentile <= 100.0:
            raise ConfigError(
                "percentile is out of range.",
                got=str(self.percentile),
                expected="a number above 50 and at most 100",
                fix="use 99.9 to cut one value in a thousand from each range",
            )

    def _refuse_int4(self) -> None:
        for layer in self.layers:
            if layer.weights == "int4":
                raise ConfigError(
                    f"int4 weights of '{layer.pattern}' need int8 activations: other kernels compute garbage.",
                    got=f"scheme '{self.scheme}'",
                    expected="int8 or int8x4",
                    fix="use scheme='int8', or leave these weights in int8",
                )

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Self:
        """Make a config of a parsed TOML table.

        Raises:
            ConfigError: for an unknown key; the closest known one is offered.
        """
        known = tuple(field.name for field in fields(cls))
        for key in values:
            if key not in known:
                raise unknown_name("option", key, known)
        return replace(cls(), **values)
