"""Under which terms the data of a codec's training came."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mscn_tf.runtime.errors import MscnError

TABLE = Path(__file__).resolve().parent.parent / "bundles" / "licences.json"
_MOST = 1000  # characters of each text


@dataclass(frozen=True)
class Licence:
    """What a codec was trained on, and what its makers ask of those who use it.

    Attributes:
      data: what it is, and how much of it.
      terms: licences of the data, by their SPDX names where they have one.
      attribution: who made it.
    """

    data: str
    terms: str
    attribution: str

    @classmethod
    def of(cls, record: Any) -> Licence:
        """Reads the entry `licence` of a manifest or a configuration.

        Raises:
          MscnError: it isn't these three texts.
        """
        names = set(cls.__dataclass_fields__)
        if not isinstance(record, Mapping) or set(record) != names:
            raise MscnError(f"licence has not just the entries {', '.join(sorted(names))}")
        for name, text in record.items():
            if not isinstance(text, str) or not 0 < len(text) <= _MOST or not text.isprintable():
                raise MscnError(f"{name} of the licence is no printable text of 1 to {_MOST}")
        return cls(**record)


@functools.cache
def shipped_licences() -> dict[str, Licence]:
    """Of the bundles that come with the package, by name; those made since say it themselves."""
    records = json.loads(TABLE.read_text(encoding="utf-8"))
    return {name: Licence.of(record) for name, record in records.items()}


def terms_of(name: str) -> dict[str, str]:
    """The same of one bundle, as configurations have it."""
    return asdict(shipped_licences()[name])
