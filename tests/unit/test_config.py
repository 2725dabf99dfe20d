"""Schemes and options: what is accepted, what is refused, and what is offered instead."""

from __future__ import annotations

import tomllib
from dataclasses import asdict
from typing import Any

import pytest

from octavo.config import IO_TYPES, SCHEMES, LayerConfig, QuantizeConfig, scheme_named, unknown_name
from octavo.dtypes import DType
from octavo.errors import ConfigError


def test_the_schemes_are_named_activations_by_weights() -> None:
    assert list(SCHEMES) == ["float32", "float16", "dynamic", "int8", "int16x8", "int8x4"]
    assert all(scheme.name == name for name, scheme in SCHEMES.items())


@pytest.mark.parametrize(
    ("name", "activations", "weights"),
    [
        ("float32", None, DType.FLOAT32),
        ("float16", None, DType.FLOAT16),
        ("dynamic", None, DType.INT8),
        ("int8", DType.INT8, DType.INT8),
        ("int16x8", DType.INT16, DType.INT8),
        ("int8x4", DType.INT8, DType.INT4),
    ],
)
def test_a_scheme_says_its_types(name: str, activations: DType | None, weights: DType) -> None:
    scheme = scheme_named(name)
    assert (scheme.activations, scheme.weights) == (activations, weights)
    assert scheme.needs_data == (activations is not None)


@pytest.mark.parametrize(
    ("options", "fix"),
    [
        ({"scheme": "int9"}, r"did you mean 'int8'\?"),
        ({"scheme": "zzz"}, "use one of these names"),
        ({"estimator": "percentiles"}, r"did you mean 'percentile'\?"),
        ({"verify": "ful"}, r"did you mean 'full'\?"),
        ({"input_type": "uint16"}, r"did you mean 'u?int\d+'\?"),
        ({"output_type": "flaot32"}, r"did you mean 'float32'\?"),
        ({"percentile": 50.0}, "use 99.9 to cut one value in a thousand"),
        ({"percentile": 100.5}, "use 99.9 to cut one value in a thousand"),
    ],
)
def test_a_value_that_is_not_known_is_refused(options: dict[str, Any], fix: str) -> None:
    with pytest.raises(ConfigError, match=rf"fix: +{fix}"):
        QuantizeConfig(**options)


def test_a_layers_own_weights_are_refused_where_no_kernel_takes_them() -> None:
    with pytest.raises(ConfigError, match=r"fix: +did you mean 'int4'\?"):
        LayerConfig("dense", weights="nt4")
    for scheme in ("int16x8", "dynamic"):
        with pytest.raises(ConfigError, match=r"fix: +use scheme='int8', or leave these weights in int8"):
            QuantizeConfig(scheme, layers=(LayerConfig("dense", weights="int4"),))
    assert QuantizeConfig("int16x8", layers=(LayerConfig("dense", per_axis=False),)).layers[0].weights is None


def test_an_error_for_a_name_lists_all_known_ones() -> None:
    assert unknown_name("colour", "grean", ("red", "green")).expected == "red, green"


@pytest.mark.parametrize("percentile", [50.001, 99.99, 100.0])
def test_percentiles_above_50_up_to_100_are_accepted(percentile: float) -> None:
    assert QuantizeConfig(percentile=percentile).percentile == percentile


@pytest.mark.parametrize("name", IO_TYPES)
def test_every_input_and_output_type_is_accepted(name: str) -> None:
    assert QuantizeConfig(input_type=name, output_type=name).input_type == name


def test_a_toml_table_becomes_a_config() -> None:
    table = tomllib.loads('scheme = "int16x8"\nskip = ["head", "stem/*"]\nper_axis = false\nseed = 3')
    expected = QuantizeConfig("int16x8", per_axis=False, skip=("head", "stem/*"), seed=3)
    assert QuantizeConfig.from_mapping(table) == expected


def test_a_config_as_a_table_is_the_same_config() -> None:
    layers = (LayerConfig("head", "int4"), LayerConfig("*", per_axis=False))
    config = QuantizeConfig("int8", skip=("a",), layers=layers, estimator="percentile", percentile=99.0, verify="off")
    assert QuantizeConfig.from_mapping(asdict(config)) == config


def test_an_unknown_key_is_refused_with_the_closest_known_one() -> None:
    with pytest.raises(ConfigError, match=r"fix: +did you mean 'per_axis'\?"):
        QuantizeConfig.from_mapping({"per_axes": True})


@pytest.mark.parametrize("skip", ["head", ["head"], ("head",)])
def test_one_layer_to_skip_may_stand_alone(skip: Any) -> None:
    assert QuantizeConfig(skip=skip) == QuantizeConfig(skip=("head",))
