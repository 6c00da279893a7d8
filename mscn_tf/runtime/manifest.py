"""What a codec bundle says of itself: read within bounds, and checked."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mscn_tf.runtime import scheme as schemes
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.layout import MAX_SIDE, overlap_problem
from mscn_tf.runtime.licences import Licence
from mscn_tf.runtime.modality import Modality
from mscn_tf.runtime.quality import LEVELS
from mscn_tf.runtime.values import Values

FORMAT, VERSION = "mscn-bundle", 1
MAX_BYTES = 2**20
MAX_ENTRIES = 2**14  # commas and opening brackets: a container takes 250 bytes, and 2 of JSON
MAX_DEPTH = 32
MAX_CODE = 2**20  # elements of a code
_MAX_DIGITS = 20  # of whole numbers: Python takes a second for a hundred thousand
_MAX_NAME = 100
MAX_CHANNELS = 255  # as files can say
_DEAREST = 1e6  # weight of the rate


@dataclass(frozen=True)
class Manifest:
    """A bundle's entries, of the types and within the ranges that a codec can have.

    Attributes:
      name: printable.
      modality: name of a registered one.
      tile_edge: samples along each side of a tile.
      channels: of the codec's tiles.
      record: all that its writer stored, as JSON; what there is no attribute for too.
      codec: which kind, by the name or an alias of its `Scheme`; or one that isn't known here.
      tile_overlap: samples that neighbouring tiles share.
      code_size: M, elements of a tile's code; None where a kind has no such number.
      qualities: that it was trained for.
      values: range and type of its signals.
      rate_weight: what bits cost encoders; None where a bundle can only decode.
      model: the arguments of what was trained, or None.
      training: how it was trained, as JSON, or None.
      licence: under which terms its training data came, or None.
    """

    name: str
    modality: str
    tile_edge: int
    channels: int
    record: Mapping[str, Any]
    codec: str = "tiles"
    tile_overlap: int = 0
    code_size: int | None = None
    qualities: tuple[float, ...] = ()
    values: Values = field(default_factory=Values)
    rate_weight: float | None = None
    model: Mapping[str, Any] | None = None
    training: Any = None
    licence: Licence | None = None

    @classmethod
    def from_bytes(cls, data: bytes, source: str) -> Manifest:
        """Reads the member `manifest.json`.

        Args:
          data: its content.
          source: what errors call the bundle.

        Raises:
          MscnError: it is no manifest, of another version, or says what no codec can be.
        """
        record = _parsed(data, source)
        if not isinstance(record, dict) or record.get("format") != FORMAT:
            raise MscnError(f"{source}: not a codec bundle; give a .mscnb file")
        version = record.get("version")
        if version != VERSION:
            raise MscnError(
                f"{source}: bundle version {shown(version)}, this program reads {VERSION}; "
                "update mscn-tf"
            )
        try:
            return cls._checked(record)
        except MscnError as error:
            raise MscnError(f"{source}: its manifest is wrong: {error}; get it again") from error

    @classmethod
    def _checked(cls, record: dict[str, Any]) -> Manifest:
        modality = _word(record, "modality")
        if modality not in (names := Modality.names()):
            raise MscnError(f"modality is {shown(modality)}, not one of {', '.join(names)}")
        manifest = cls(
            name=_word(record, "name"),
            modality=modality,
            tile_edge=whole_number(record, "tile_edge", MAX_SIDE),
            channels=whole_number(record, "channels", MAX_CHANNELS),
            record=record,
            codec=_word(record, "codec", "tiles"),
            tile_overlap=whole_number(record, "tile_overlap", MAX_SIDE, 0, default=0),
            code_size=whole_number(record, "code_size", MAX_CODE, default=None),
            qualities=_qualities(record.get("qualities", [])),
            values=Values.of(record.get("values", {})),
            rate_weight=_number(record, "rate_weight", 0, _DEAREST),
            model=json_object(record, "model"),
            training=record.get("training"),
            licence=Licence.of(record["licence"]) if "licence" in record else None,
        )
        manifest._check_tiles()
        if manifest.codec in schemes.registered():  # others can't be used, but named
            schemes.get(manifest.codec).check_manifest(manifest)
        return manifest

    def _check_tiles(self) -> None:
        modality = Modality.named(self.modality)
        problem = overlap_problem(modality.number, self.tile_edge, self.tile_overlap)
        if problem:
            raise MscnError(problem)
        if modality.pixels and self.values != Values():
            raise MscnError("values of pictures that aren't 0 to 255")


def _parsed(data: bytes, source: str) -> Any:
    """JSON within bounds: each entry may take a hundred times the bytes that it is written with."""
    if len(data) > MAX_BYTES or sum(data.count(mark) for mark in b"[{,") > MAX_ENTRIES:
        raise MscnError(f"{source}: its manifest is too large; not a codec bundle")
    try:
        record = json.loads(
            data, parse_int=_parsed_int, parse_float=_parsed_float, parse_constant=_parsed_float
        )
    except (RecursionError, ValueError) as error:
        reason = "too deep" if isinstance(error, RecursionError) else error
        raise MscnError(
            f"{source}: not a codec bundle, or damaged (its manifest: {reason}); "
            "get a fresh .mscnb file"
        ) from error
    level = [record]
    for _ in range(MAX_DEPTH):
        level = [part for whole in level for part in _parts(whole)]
    if level:
        raise MscnError(f"{source}: its manifest is too deep; not a codec bundle")
    return record


def _parts(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _parsed_int(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise ValueError(f"a whole number of {len(digits)} digits")
    return int(digits)


def _parsed_float(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError("a number that isn't finite")
    return value


def shown(value: Any) -> str:
    """A value in an error: short, and without what a terminal would obey."""
    text = ascii(value)
    return text if len(text) <= 40 else text[:40] + "..."


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _word(record: Mapping[str, Any], key: str, default: str | None = None) -> str:
    value = record.get(key, default)
    if not isinstance(value, str) or not 0 < len(value) <= _MAX_NAME or not value.isprintable():
        raise MscnError(f"{key} is {shown(value)}, not a short printable text")
    return value


def whole_number(
    record: Mapping[str, Any], key: str, high: int, low: int = 1, **default: int | None
) -> Any:
    """A whole number of a range, or the default where there is one and no such entry."""
    if default and key not in record:
        return default["default"]
    value = record.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise MscnError(f"{key} is {shown(value)}, not a whole number from {low} to {high}")
    return value


def _number(record: Mapping[str, Any], key: str, low: float, high: float) -> float | None:
    """A number of a range, or None where there is no such entry."""
    if key not in record:
        return None
    value = record[key]
    if not _is_number(value) or not low <= value <= high:
        raise MscnError(f"{key} is {shown(value)}, not a number from {low:g} to {high:g}")
    return value


def json_object(record: Mapping[str, Any], key: str) -> Mapping[str, Any] | None:
    """An object, or None where there is no such entry."""
    if key not in record:
        return None
    value = record[key]
    if not isinstance(value, dict):
        raise MscnError(f"{key} is {shown(value)}, not an object")
    return value


def _qualities(value: Any) -> tuple[float, ...]:
    if not isinstance(value, list) or not all(
        _is_number(quality) and 1 <= quality <= LEVELS for quality in value
    ):
        raise MscnError(f"qualities are {shown(value)}, not numbers from 1 to {LEVELS}")
    return tuple(value)
