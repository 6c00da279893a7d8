"""What files say of pictures beside pixels, as JSON: EXIF, XMP, resolution, comments."""

from __future__ import annotations

import base64
import re
import warnings
from collections.abc import Mapping
from typing import Any, Optional

from PIL import ExifTags, Image, PngImagePlugin

MOST = 2**20  # bytes of a picture's
_MOST_IN_JPEG = 65_000  # of a segment
_MARK = b"Exif\0\0"
# What in XMP would turn an upright picture once more.
_TURN = re.compile(rb"""tiff:Orientation=["'].*?["']|<tiff:Orientation>.*?</tiff:Orientation>""")
_XMP_TAG = 700  # of TIFF
_XMP = "XML:com.adobe.xmp"
# Tags that describe the picture, not how it lies in a TIFF file.
_DESCRIPTIVE = (270, 271, 272, 305, 306, 315, 33432)
_SUB_DIRECTORIES = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)
_NAMES = ("exif", "xmp", "dpi", "comment", "text")
_HOLDS = {
    "JPEG": ("exif", "xmp", "dpi", "comment"),
    "PNG": ("exif", "xmp", "dpi", "comment", "text"),
    "WEBP": ("exif", "xmp"),
    "TIFF": ("exif", "xmp", "dpi"),
    "AVIF": ("exif", "xmp"),
    "BMP": ("dpi",),
    "GIF": ("comment",),
    "JPEG2000": ("comment",),
}


def of_picture(picture: Image.Image) -> tuple[dict[str, Any], list[str]]:
    """What a loaded picture, already turned upright, says; and what to say of it.

    Returns:
      A JSON object: `exif` and `xmp` in base64, `dpi` [across, down], `comment`, `text` (of PNG, by
      keywords); what isn't there is left out. And notes.
    """
    notes = []
    metadata: dict[str, Any] = {}
    try:
        exif = _exif(picture)
        if exif:
            metadata["exif"] = base64.b64encode(exif).decode()
    except Exception:  # Pillow's reader of EXIF raises all kinds of errors
        notes.append("its EXIF is damaged: left out")
    xmp = picture.info.get("xmp") or picture.info.get(_XMP)
    if xmp:
        xmp = xmp.encode() if isinstance(xmp, str) else bytes(xmp)
        metadata["xmp"] = base64.b64encode(_TURN.sub(b"", xmp)).decode()
    dpi = picture.info.get("dpi")
    if dpi is not None and _is_dpi([float(value) for value in dpi]):
        metadata["dpi"] = [float(value) for value in dpi]
    comment = picture.info.get("comment")
    if comment:
        metadata["comment"] = (
            comment.decode("utf-8", "replace") if isinstance(comment, bytes) else str(comment)
        )
    if picture.format == "PNG":
        text = {
            key: str(value)
            for key, value in getattr(picture, "text", {}).items()
            if key != _XMP and not key.startswith("Raw profile type")
        }
        if text:
            metadata["text"] = text
    for name in list(metadata):
        if len(str(metadata[name])) > MOST:
            del metadata[name]
            notes.append(f"its {name} of more than {MOST // 2**20} MiB: left out")
    return metadata, notes


def _exif(picture: Image.Image) -> bytes:
    exif = picture.info.get("exif")
    if exif is None:
        kept = _descriptive(picture.getexif())
        exif = kept.tobytes() if len(kept) else b""
    if exif.startswith(_MARK):
        exif = exif[len(_MARK) :]
    _check_exif(exif)
    return exif


def _descriptive(exif: Image.Exif) -> Image.Exif:
    """Those of its tags that are not about how a file is laid out."""
    kept = Image.Exif()
    kept.update({tag: exif[tag] for tag in _DESCRIPTIVE if tag in exif})
    kept.update({tag: exif.get_ifd(tag) for tag in _SUB_DIRECTORIES if exif.get_ifd(tag)})
    return kept


def _check_exif(exif: bytes) -> None:
    """Raises where it can't be read, or would turn the picture once more."""
    if _parsed(exif).get(ExifTags.Base.Orientation, 1) != 1:
        raise ValueError("orientation")


def _parsed(exif: bytes) -> Image.Exif:
    parsed = Image.Exif()
    parsed.load(exif)
    return parsed


def checked(entry: Any) -> dict[str, Any]:
    """An object as `of_picture` gives it, with `exif`, `xmp` and `comment` as bytes.

    Raises:
      ValueError: it is something else: it may come from a stranger.
    """
    if not isinstance(entry, Mapping):
        raise ValueError("no object")
    metadata = {name: entry[name] for name in _NAMES if name in entry}
    try:
        for name in ("exif", "xmp"):
            if name in metadata:
                metadata[name] = base64.b64decode(metadata[name], validate=True)
        if "xmp" in metadata:
            metadata["xmp"] = _TURN.sub(b"", metadata["xmp"])
        if "comment" in metadata:
            metadata["comment"] = metadata["comment"].encode()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _check_exif(metadata.get("exif", b""))
    except Exception as error:  # as above
        raise ValueError("exif, xmp or comment") from error
    if "dpi" in metadata and not _is_dpi(metadata["dpi"]):
        raise ValueError("dpi")
    text = metadata.get("text", {})
    if not isinstance(text, Mapping) or not all(map(_is_text, text.items())):
        raise ValueError("text")
    return metadata


def _is_dpi(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2
        and all(type(number) in (int, float) for number in value)
        and all(1 < number < 1e6 for number in value)  # 1: Pillow's where a TIFF has no unit
    )


def _is_text(pair: tuple[str, Any]) -> bool:
    """Whether a PNG can hold the keyword and the text."""
    key, value = pair
    return (
        key.isprintable()
        and key.encode("latin-1", "ignore").decode("latin-1") == key
        and 1 <= len(key) <= 79
        and isinstance(value, str)
        and value.encode("utf-8", "ignore").decode() == value
        and "\0" not in value
    )


def unheld(metadata: Mapping[str, Any], kind: str) -> list[str]:
    """Names of what a format can't hold; as of `options`."""
    names = [name for name in metadata if name not in _HOLDS.get(kind, ())]
    if kind == "JPEG":
        names += [
            name
            for name in ("exif", "xmp", "comment")
            if len(metadata.get(name, b"")) > _MOST_IN_JPEG
        ]
    if kind == "TIFF" and _rewritten(metadata.get("exif", b"")) is None:
        names.append("exif")
    return names


def _rewritten(exif: bytes) -> Optional[Image.Exif]:
    """What of it describes the picture; None where that can't be written anew."""
    try:
        return _parsed(_descriptive(_parsed(exif)).tobytes())
    except Exception:  # as above
        return None


def options(metadata: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """What `Image.save` takes to write it, as far as the format can.

    Args:
      metadata: as `checked` gives it.
      kind: Pillow's name of the format.
    """
    lost = unheld(metadata, kind)
    held = {name: value for name, value in metadata.items() if name not in lost}
    if kind == "JPEG" and "exif" in held:
        held["exif"] = _MARK + held["exif"]
    if kind == "PNG":
        chunks = PngImagePlugin.PngInfo()
        if "xmp" in held:
            chunks.add_itxt(_XMP, held.pop("xmp").decode("utf-8", "replace"))
        if "comment" in held:
            chunks.add_text("Comment", held.pop("comment").decode())
        for key, value in held.pop("text", {}).items():
            chunks.add_text(key, value)
        held["pnginfo"] = chunks
    if kind == "TIFF":
        exif = _rewritten(held.pop("exif", b"")) or Image.Exif()
        if "xmp" in held:
            exif[_XMP_TAG] = held.pop("xmp")
        held["tiffinfo"] = exif
    return held
