"""What a caller can choose: the scheme and the options of a quantization."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import Any, Literal, Self

from octavo.arguments import LIST, MAPPING, NAME, NAMES, NUMBER, SEED, YES_OR_NO, Kind, check_kinds
from octavo.dtypes import DType
from octavo.errors import ConfigError
from octavo.numerics.estimators import ESTIMATORS, Estimator


@dataclass(frozen=True, slots=True)
class Scheme:
    """A named pair of element types, activations x weights.

    Attributes:
        name: The name users type.
        activations: Integer type of activations, or None where they stay float32.
        weights: Type weights are stored in.
        title: One line for tables and help.
    """

    name: str
    activations: DType | None
    weights: DType
    title: str

    @property
    def needs_data(self) -> bool:
        """Whether activation ranges, and so a representative dataset, are needed."""
        return self.activations is not None


SCHEMES: Mapping[str, Scheme] = MappingProxyType(
    {
        scheme.name: scheme
        for scheme in (
            Scheme("float32", None, DType.FLOAT32, "float, as trained"),
            Scheme("float16", None, DType.FLOAT16, "half-precision weights, float arithmetic"),
            Scheme("dynamic", None, DType.INT8, "int8 weights, float activations"),
            Scheme("int8", DType.INT8, DType.INT8, "full integer, int8 activations and weights"),
            Scheme("int16x8", DType.INT16, DType.INT8, "int16 activations, int8 weights"),
            Scheme("int8x4", DType.INT8, DType.INT4, "int8 activations, int4 weights"),
        )
    }
)

IO_TYPES = {"int8": DType.INT8, "uint8": DType.UINT8, "int16": DType.INT16, "float32": DType.FLOAT32}


# Names that an error lists, and how many of them where there are more.
NAMED, FEW = 8, 5
LAYERS_SHOWN = "`octavo inspect` of its file"


def scheme_named(name: str) -> Scheme:
    """Look a scheme up by name.

    Raises:
        ConfigError: for an unknown name, the closest known one is offered; for something else in the name's place.
    """
    if not isinstance(name, str):
        raise ConfigError(
            "a scheme is a name, and this is none.",
            got=f"an object of {type(name).__module__}.{type(name).__qualname__}",
            expected=", ".join(SCHEMES),
            fix="name what it is: data=x_train[:500] for samples, scheme='int8' for a scheme",
        )
    if name not in SCHEMES:
        raise unknown_name("scheme", name, tuple(SCHEMES))
    return SCHEMES[name]


def unknown_name(kind: str, name: str, known: tuple[str, ...], all_by: str = "") -> ConfigError:
    """The error for a name that is not one of `known`.

    Args:
        kind: What the name is of.
        name: As it was given.
        known: All there are.
        all_by: What shows all of them, where they can be many.
    """
    close = difflib.get_close_matches(str(name), known, n=1, cutoff=0.4)
    return ConfigError(
        f"unknown {kind} '{name}'.",
        got=repr(name),
        expected=nearest(name, known) + (f"; {all_by} shows all" if all_by and len(known) > NAMED else ""),
        fix=f"did you mean '{close[0]}'?" if close else "use one of these names",
    )


def nearest(name: str, known: Sequence[str]) -> str:
    """Names as an error lists them: all of a few, else those most like `name`, and how many more there are."""
    if len(known) <= NAMED:
        return ", ".join(known)
    close = difflib.get_close_matches(name, known, n=FEW, cutoff=0.0)
    return f"{', '.join(close)} and {len(known) - len(close)} more"


# What may be done to lose less, by name: what each level does beyond the one before it.
EFFORTS: Mapping[str, str] = MappingProxyType(
    {
        "fast": "ranges alone",
        "default": "biases make up for rounding, where there are samples",
        "good": "channels are scaled and weights rounded by their layers' outputs; seconds to minutes",
        "best": "scales and biases are trained until the network makes what it makes in float; minutes",
    }
)

WEIGHT_TYPES = {"int8": DType.INT8, "int4": DType.INT4}
# float32 keeps a layer in float.
ACTIVATION_TYPES: Mapping[str, DType | None] = MappingProxyType(
    {"int8": DType.INT8, "int16": DType.INT16, "float32": None}
)


OWN_TYPES: Mapping[str, type] = {"per_axis": bool, "mix": bool, "percentile": float, "seed": int}
LAYER_KINDS = {"pattern": NAME.such_as("'head/*'"), "per_axis": YES_OR_NO}
KINDS = {
    "scheme": NAME,
    "per_axis": YES_OR_NO,
    "mix": YES_OR_NO,
    "skip": NAMES,
    "layers": LIST,
    "estimator": Kind(
        lambda value: isinstance(value, str | Estimator),
        f"{', '.join(ESTIMATORS)}, or an estimator of your own",
        "'mse'",
    ),
    "percentile": NUMBER,
    "seed": SEED,
    "effort": NAME.such_as("'good'"),
    "verify": NAME.such_as("'full'"),
    "input_type": NAME,
    "output_type": NAME,
}


@dataclass(frozen=True, slots=True)
class LayerConfig:
    """What is different for some layers.

    Attributes:
        pattern: Layer name or shell pattern; "scores:SOFTMAX" is that operator of layer "scores" alone.
        weights: "int8" or "int4"; None takes the scheme's.
        per_axis: One weight scale per output channel or one per tensor; None takes the configuration's.
        activations: "int8", "int16" or "float32"; None takes the scheme's. Where types meet, a conversion stands.
    """

    pattern: str
    weights: str | None = None
    per_axis: bool | None = None
    activations: str | None = None

    def __post_init__(self) -> None:
        check_kinds(LAYER_KINDS, {"pattern": self.pattern, "per_axis": self.per_axis})
        if self.activations is not None and self.activations not in ACTIVATION_TYPES:
            raise unknown_name("activation type", self.activations, tuple(ACTIVATION_TYPES))
        if self.weights is not None and self.weights not in WEIGHT_TYPES:
            raise unknown_name("weight type", self.weights, tuple(WEIGHT_TYPES))


# What one word makes of a layer in an int8 model, by the fields of `LayerConfig`.
LAYER_TYPES: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "int4": {"weights": "int4"},
        "int8": {"weights": "int8", "activations": "int8"},
        "int16": {"activations": "int16"},
        "float32": {"activations": "float32"},
    }
)


def layer_of_type(pattern: str, name: str) -> LayerConfig:
    """The configuration of layers of a type.

    Raises:
        ConfigError: for an unknown type.
    """
    if name not in LAYER_TYPES:
        raise unknown_name("type of a layer", name, tuple(LAYER_TYPES))
    return LayerConfig(pattern, **LAYER_TYPES[name])


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
        estimator: How a range is made of statistics: a name in `ESTIMATORS`, or an `Estimator` of one's own.
        percentile: Share of values, in percent, that the "percentile" estimator keeps.
        effort: What is done to lose less, a name in `EFFORTS`; no level is worse than the one before it on samples held
            out of calibration.
        mix: Whether the fewest operators that mend it become int16 where int8 throughout answers poorly; effort "fast"
            never does.
        seed: Seed of every random choice.
        verify: "sample" runs a few inputs through all runtimes, "full" the whole dataset, "off" none.
    """

    scheme: str = "int8"
    per_axis: bool = True
    input_type: str | None = None
    output_type: str | None = None
    skip: Sequence[str] = ()
    layers: tuple[LayerConfig, ...] = ()
    estimator: str | Estimator = "minmax"
    percentile: float = 99.99
    effort: str = "default"
    mix: bool = True
    seed: int = 0
    verify: Literal["sample", "full", "off"] = "sample"

    def __post_init__(self) -> None:
        check_kinds(KINDS, {name: getattr(self, name) for name in KINDS})
        # Numbers of numpy serve as well; files and comparisons want Python's own.
        for field, own in OWN_TYPES.items():
            object.__setattr__(self, field, own(getattr(self, field)))
        object.__setattr__(self, "skip", (self.skip,) if isinstance(self.skip, str) else tuple(self.skip))
        object.__setattr__(self, "layers", tuple(map(_layer_config, self.layers)))
        self._check_layers(scheme_named(self.scheme))
        for kind, name, known in (
            ("estimator", self.estimator if isinstance(self.estimator, str) else None, tuple(ESTIMATORS)),
            ("effort", self.effort, tuple(EFFORTS)),
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

    def _check_layers(self, scheme: Scheme) -> None:
        for layer in self.layers:
            own = None if layer.activations is None else ACTIVATION_TYPES[layer.activations]
            if own is not None and scheme.activations is None:
                raise ConfigError(
                    f"integer activations of '{layer.pattern}' need an integer scheme, which measures ranges.",
                    got=f"activations='{layer.activations}' in scheme '{scheme.name}'",
                    expected=", ".join(name for name, each in SCHEMES.items() if each.needs_data),
                    fix="use scheme='int8', and activations='float32' for the layers that shall stay in float",
                )
            beside = scheme.activations if layer.activations is None else own
            if layer.weights == "int4" and beside is not DType.INT8:
                raise ConfigError(
                    f"int4 weights of '{layer.pattern}' need int8 activations: other kernels compute garbage.",
                    got=f"scheme '{scheme.name}'"
                    if layer.activations is None
                    else f"activations='{layer.activations}'",
                    expected="int8 activations, as of the schemes int8 and int8x4",
                    fix="use scheme='int8', or leave these weights in int8",
                )

    @property
    def range_estimator(self) -> Estimator:
        """The estimator that was named, or given."""
        given = self.estimator
        return ESTIMATORS[given](self.percentile) if isinstance(given, str) else given

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


def _layer_config(layer: object) -> LayerConfig:
    """What is said of a layer, in an object or a dict.

    Raises:
        ConfigError: for anything else, and for a key that is none.
    """
    if isinstance(layer, LayerConfig):
        return layer
    check_kinds({"layers": MAPPING}, {"layers": layer})
    known = tuple(each.name for each in fields(LayerConfig))
    assert isinstance(layer, Mapping)
    for key in layer:
        if key not in known:
            raise unknown_name("key of a layer's configuration", str(key), known)
    if "pattern" not in layer:
        raise ConfigError(
            "a layer's configuration names no layer.",
            got=repr(dict(layer)),
            expected="a pattern beside what is different",
            fix="say which: {'pattern': 'dense', ...}",
        )
    return LayerConfig(**layer)


def configured(config: QuantizeConfig | None, **options: Any) -> QuantizeConfig:
    """The configuration that a caller gave, in one object or as options one by one.

    Args:
        config: The object; None takes the options.
        options: Fields by name; None, and what a field is anyway, says nothing.

    Raises:
        ConfigError: for an object of another kind, for one beside options of its own, or an option it does not take.
    """
    check_kinds({name: kind for name, kind in KINDS.items() if name != "scheme"}, options)
    if options.get("scheme") is not None:
        scheme_named(options["scheme"])
    said = {
        name: value
        for name, value in options.items()
        if value is not None
        and not (isinstance(value, (tuple, list)) and not value)
        and (name == "scheme" or value != getattr(QuantizeConfig(), name))
    }
    if config is None:
        return QuantizeConfig(**said)
    if not isinstance(config, QuantizeConfig):
        raise ConfigError(
            "config is no configuration of a quantization.",
            got=type(config).__name__,
            expected="octavo.QuantizeConfig",
            fix="pass octavo.QuantizeConfig('int8', ...); what octavo.qat.TrainingConfig says goes in training=",
        )
    if said:
        raise ConfigError(
            "options are said twice, in config and beside it.",
            got=", ".join(f"{name}={value!r}" for name, value in said.items()),
            expected="config alone, or options alone",
            fix=f"put them into it: dataclasses.replace(config, {next(iter(said))}=...)",
        )
    return config
