"""Units of temperature, in the spellings that files have."""

from __future__ import annotations

import pytest

from mscn_tf.signals.units import to_kelvins


@pytest.mark.parametrize(
    ("units", "freezing"),
    [
        (("K", "kelvin", "Kelvins", "degK", "deg_K", "degrees_kelvin", "degree K", ""), 273.15),
        (
            (
                "degC",
                "deg_C",
                "°C",
                "Celsius",
                "degrees_Celsius",
                "degree_celsius",
                "deg C",
                "C",
                "℃",
                "º C",
            ),
            0,
        ),
        (("degF", "°F", "Fahrenheit", "degrees_fahrenheit", "deg_F"), 32),
        (("degR", "rankine"), 491.67),
    ],
)
def test_spellings(units, freezing):
    for unit in units:
        scale, offset = to_kelvins(unit)
        assert freezing * scale + offset == pytest.approx(273.15, abs=1e-9), unit


@pytest.mark.parametrize("unit", ["m s-1", "m", "1", "mol mol-1", "K s-1", "%", "hPa", "degrees"])
def test_others_are_none(unit):
    assert to_kelvins(unit) is None
