"""Temperatures: their units, as files spell them, and the range that they have on Earth."""

from __future__ import annotations

import re
import unicodedata
from typing import Optional

LOWEST, HIGHEST = 202.66, 320.93  # kelvins, that COIN++ scales ERA5 by, for its PSNR
KELVIN = "K"
CELSIUS_ZERO = 273.15  # kelvins
_SPELLINGS = {  # of CF and UDUNITS, and what people write; without "degrees", spaces and "_"
    "kelvin": ("k", "kelvin", "kelvins"),
    "celsius": ("c", "celsius", "celcius", "centigrade"),
    "fahrenheit": ("f", "fahrenheit"),
    "rankine": ("r", "rankine"),
}
_KELVINS = {
    "kelvin": (1.0, 0.0),
    "celsius": (1.0, CELSIUS_ZERO),
    "fahrenheit": (5 / 9, 459.67 * 5 / 9),
    "rankine": (5 / 9, 0.0),
}


def to_kelvins(unit: str) -> Optional[tuple[float, float]]:
    """Scale and offset that turn values of a unit into kelvins; None of what is no temperature.

    An empty unit is taken for kelvins.
    """
    # Signs such as that of one character for "degrees Celsius" are taken apart.
    plain = unicodedata.normalize("NFKC", re.sub("[º˚]", "°", unit)).lower()
    plain = re.sub(r"^(degrees?|deg|°)", "", re.sub(r"[\s_.]", "", plain))
    for name, spellings in _SPELLINGS.items():
        if plain in spellings:
            return _KELVINS[name]
    return None if unit.strip() else _KELVINS["kelvin"]
