"""What a codec bundle says of itself: read within bounds, and checked."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.header import AXES, MAX_SIDE, MODALITIES, overlap_problem
from mscn_tf.runtime.quantiser import QUALITIES
from mscn_tf.runtime.values import Values

FORMAT, VERSION = "mscn-bundle", 1
MAX_BYTES = 2**20
MAX_ENTRIES = 2**14  # commas and opening brackets: a container takes 250 bytes, and 2 of JSON
MAX_DEPTH = 32
_MAX_DIGITS = 20  # of whole numbers: Python takes a second for a hundred thousand
_MAX_NAME = 100
_MAX_CHANNELS = 255  # as files can say
_MAX_TILE = 2**22  # values of a tile that a network makes at once
_MAX_TABLE = 2**24  # values of its functions, along an axis or on a sphere
_DEAREST = 1e6  # weight of the rate
_MOST_STEPS = 1000
# Entries of a network, all of them whole numbers, and how large they may be.
_NETWORK = {
    "axes": 3,
    "channels": _MAX_CHANNELS,
    "code_size": 2**20,
    "coordinate_frequencies": 2**12,
    "depth": 64,
    "edge": MAX_SIDE,
    "feature_code_size": 2**20,
    "feature_frequencies": 2**12,
    "features": 2**12,
    "frequencies": 2**12,
    "width": 2**12,
}


@dataclass(frozen=True)
class Manifest:
    """A bundle's entries, of the types and within the ranges that a codec can have.

    Attributes:
      name: printable.
      modality: of `MODALITIES`.
      tile_edge: samples along each side of a tile.
      channels: of the codec's tiles.
      record: all that its writer stored, as JSON; what there is no attribute for too.
      codec: which kind: `basis` or `pyramid`, or one that this program doesn't know.
      tile_overlap: samples that neighbouring tiles share.
      code_size: M, elements of a tile's code; None of pyramids.
      qualities: that it was trained for.
      values: range and type of its signals.
      rate_weight: what bits cost encoders; None where a bundle can only decode.
      model: the arguments of what was trained, or None.
      training: how it was trained, as JSON, or None.
    """

    name: str
    modality: str
    tile_edge: int
    channels: int
    record: Mapping[str, Any]
    codec: str = "basis"
    tile_overlap: int = 0
    code_size: int | None = None
    qualities: tuple[float, ...] = ()
    values: Values = field(default_factory=Values)
    rate_weight: float | None = None
    model: Mapping[str, Any] | None = None
    training: Any = None

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
                f"{source}: bundle version {_shown(version)}, this program reads {VERSION}; "
                "update mscn-tf"
            )
        try:
            return cls._checked(record)
        except MscnError as error:
            raise MscnError(f"{source}: its manifest is wrong: {error}; get it again") from error

    @classmethod
    def _checked(cls, record: dict[str, Any]) -> Manifest:
        modality = _word(record, "modality")
        if modality not in MODALITIES:
            raise MscnError(f"modality is {_shown(modality)}, not one of {', '.join(MODALITIES)}")
        manifest = cls(
            name=_word(record, "name"),
            modality=modality,
            tile_edge=_whole(record, "tile_edge", MAX_SIDE),
            channels=_whole(record, "channels", _MAX_CHANNELS),
            record=record,
            codec=_word(record, "codec", "basis"),
            tile_overlap=_whole(record, "tile_overlap", MAX_SIDE, 0, default=0),
            code_size=_whole(record, "code_size", _NETWORK["code_size"], default=None),
            qualities=_qualities(record.get("qualities", [])),
            values=Values.of(record.get("values", {})),
            rate_weight=_number(record, "rate_weight", 0, _DEAREST),
            model=_object(record, "model"),
            training=record.get("training"),
        )
        manifest._check_tiles()
        if manifest.codec == "basis" and manifest.model is not None:
            manifest._check_model(manifest.model)
        return manifest

    @property
    def _sphere(self) -> bool:
        return self.modality == "field"

    def _check_tiles(self) -> None:
        number = MODALITIES.index(self.modality)
        problem = overlap_problem(number, self.tile_edge, self.tile_overlap)
        if problem:
            raise MscnError(problem)
        if self.modality == "image" and self.values != Values():
            raise MscnError("values of pictures that aren't 0 to 255")
        samples = self.tile_edge ** AXES[self.modality]
        if self.codec == "basis" and not self._sphere and samples * self.channels > _MAX_TILE:
            raise MscnError(f"a tile of {samples} samples, more than {_MAX_TILE} values")

    def _check_model(self, model: Mapping[str, Any]) -> None:
        """Before anything as large as a network says is made; weights are compared with it later.

        Raises:
          MscnError: it is no network of this codec, or too large.
        """
        _whole(model, "steps", _MOST_STEPS)
        if (model.get("domain") == "sphere") != self._sphere:
            raise MscnError(f"domain is {_shown(model.get('domain'))}, of a {self.modality}")
        network = _object(model, "network")
        if network is None:
            raise MscnError("model has no network")
        sizes = {
            name: _whole(network, name, most)
            for name, most in _NETWORK.items()
            if network.get(name) is not None
        }
        own = {"channels": self.channels, "code_size": self.code_size}
        if not self._sphere:
            own.update(edge=self.tile_edge, axes=AXES[self.modality])
            sizes.setdefault("axes", 2)
        for name, value in own.items():
            if sizes.get(name) != value:
                raise MscnError(f"the network's {name} is {sizes.get(name)}, the codec's {value}")
        frequencies = max(sizes.get(name, 1) for name in _NETWORK if name.endswith("frequencies"))
        rows, columns = _nominal_shape(network) if self._sphere else (self.tile_edge, 1)
        table = rows * (frequencies + 1) ** 2 if self._sphere else rows * frequencies
        if max(table, rows * columns) > _MAX_TABLE:
            raise MscnError(f"a network of {frequencies} frequencies on {rows}x{columns} points")


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


def _shown(value: Any) -> str:
    """A value in an error: short, and without what a terminal would obey."""
    text = ascii(value)
    return text if len(text) <= 40 else text[:40] + "..."


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _word(record: Mapping[str, Any], key: str, default: str | None = None) -> str:
    value = record.get(key, default)
    if not isinstance(value, str) or not 0 < len(value) <= _MAX_NAME or not value.isprintable():
        raise MscnError(f"{key} is {_shown(value)}, not a short printable text")
    return value


def _whole(
    record: Mapping[str, Any], key: str, high: int, low: int = 1, **default: int | None
) -> Any:
    """A whole number of a range, or the default where there is one and no such entry."""
    if default and key not in record:
        return default["default"]
    value = record.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise MscnError(f"{key} is {_shown(value)}, not a whole number from {low} to {high}")
    return value


def _number(record: Mapping[str, Any], key: str, low: float, high: float) -> float | None:
    """A number of a range, or None where there is no such entry."""
    if key not in record:
        return None
    value = record[key]
    if not _is_number(value) or not low <= value <= high:
        raise MscnError(f"{key} is {_shown(value)}, not a number from {low:g} to {high:g}")
    return value


def _object(record: Mapping[str, Any], key: str) -> Mapping[str, Any] | None:
    """An object, or None where there is no such entry."""
    if key not in record:
        return None
    value = record[key]
    if not isinstance(value, dict):
        raise MscnError(f"{key} is {_shown(value)}, not an object")
    return value


def _qualities(value: Any) -> tuple[float, ...]:
    if not isinstance(value, list) or not all(
        _is_number(quality) and 1 <= quality <= QUALITIES for quality in value
    ):
        raise MscnError(f"qualities are {_shown(value)}, not numbers from 1 to {QUALITIES}")
    return tuple(value)


def _nominal_shape(network: Mapping[str, Any]) -> tuple[int, int]:
    """Rows and columns of the grid that a network of the sphere was trained on."""
    shape = network.get("nominal_shape")
    if not isinstance(shape, list) or len(shape) != 2:
        raise MscnError(f"nominal_shape is {_shown(shape)}, not rows and columns")
    rows, columns = (_whole({"nominal_shape": side}, "nominal_shape", 2**12, 2) for side in shape)
    return rows, columns
