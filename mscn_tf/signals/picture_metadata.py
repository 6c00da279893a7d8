"""What files say of pictures beside pixels, as JSON: EXIF, XMP, resolution, comments."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from PIL import ExifTags, Image, PngImagePlugin

MOST = 2**20  # bytes of a picture's
_MOST_IN_JPEG = 65_000  # of a segment
_MARK = b"Exif\0\0"
_XMP = "XML:com.adobe.xmp"
# Tags that describe the picture, not how it lies in a TIFF file.
_DESCRIPTIVE = (270, 271, 272, 305, 306, 315, 33432)
_SUB_DIRECTORIES = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)
_HOLDS = {
    "JPEG": ("exif", "xmp", "dpi", "comment"),
    "PNG": ("exif", "xmp", "dpi", "text"),
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
    found: dict[str, Any] = {}
    try:
        exif = _exif(picture)
        if exif:
            found["exif"] = base64.b64encode(exif).decode()
    except Exception:  # Pillow's reader of EXIF raises all kinds of errors
        notes.append("its EXIF is damaged: left out")
    xmp = picture.info.get("xmp") or picture.info.get(_XMP)
    if xmp:
        xmp = xmp.encode() if isinstance(xmp, str) else bytes(xmp)
        found["xmp"] = base64.b64encode(xmp).decode()
    dpi = picture.info.get("dpi")
    if dpi is not None and _is_dpi([float(value) for value in dpi]):
        found["dpi"] = [float(value) for value in dpi]
    comment = picture.info.get("comment")
    if comment:
        found["comment"] = (
            comment.decode("utf-8", "replace") if isinstance(comment, bytes) else str(comment)
        )
    if picture.format == "PNG":
        text = {
            key: str(value)
            for key, value in picture.text.items()
            if key != _XMP and not key.startswith("Raw profile type")
        }
        if text:
            found["text"] = text
    for name in list(found):
        if len(str(found[name])) > MOST:
            del found[name]
            notes.append(f"its {name} of more than {MOST // 2**20} MiB: left out")
    return found, notes


def _exif(picture: Image.Image) -> bytes:
    exif = picture.info.get("exif")
    if exif is None:
        full, kept = picture.getexif(), Image.Exif()
        kept.update({tag: full[tag] for tag in _DESCRIPTIVE if tag in full})
        kept.update({tag: full.get_ifd(tag) for tag in _SUB_DIRECTORIES if full.get_ifd(tag)})
        exif = kept.tobytes() if len(kept) else b""
    if exif.startswith(_MARK):
        exif = exif[len(_MARK) :]
    _check_exif(exif)
    return exif


def _check_exif(exif: bytes) -> None:
    """Raises where it can't be read, or would turn the picture once more."""
    if exif:
        parsed = Image.Exif()
        parsed.load(exif)
        if parsed.get(ExifTags.Base.Orientation, 1) != 1:
            raise ValueError("orientation")


def checked(entry: Any) -> dict[str, Any]:
    """An object as `of_picture` gives it, with `exif` and `xmp` as bytes.

    Raises:
      ValueError: it is something else: it may come from a stranger.
    """
    if not isinstance(entry, Mapping):
        raise ValueError("no object")
    found = dict(entry)
    try:
        for name in ("exif", "xmp"):
            if name in found:
                found[name] = base64.b64decode(found[name], validate=True)
        _check_exif(found.get("exif", b""))
    except Exception as error:  # as above
        raise ValueError("exif or xmp") from error
    if "dpi" in found and not _is_dpi(found["dpi"]):
        raise ValueError("dpi")
    if not isinstance(found.get("comment", ""), str):
        raise ValueError("comment")
    text = found.get("text", {})
    if not isinstance(text, Mapping) or not all(map(_is_text, text.items())):
        raise ValueError("text")
    return found


def _is_dpi(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2
        and all(type(number) in (int, float) for number in value)
        and all(0 < number < 1e6 for number in value)
    )


def _is_text(pair: tuple[str, Any]) -> bool:
    """Whether a PNG can hold the keyword and the text."""
    key, value = pair
    printable = key.isprintable() and key.encode("latin-1", "ignore").decode("latin-1") == key
    return printable and 1 <= len(key) <= 79 and isinstance(value, str) and "\0" not in value


def options(found: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """What `Image.save` takes to write it, as far as the format can.

    Args:
      found: as `checked` gives it.
      kind: Pillow's name of the format.
    """
    held = {name: found[name] for name in _HOLDS.get(kind, ()) if name in found}
    if kind == "JPEG":
        for name in ("exif", "xmp"):
            if len(held.get(name, b"")) > _MOST_IN_JPEG:
                del held[name]
    if kind == "PNG":
        chunks = PngImagePlugin.PngInfo()
        if "xmp" in held:
            chunks.add_itxt(_XMP, held.pop("xmp").decode("utf-8", "replace"))
        for key, value in held.pop("text", {}).items():
            chunks.add_text(key, value)
        held["pnginfo"] = chunks
    if kind == "TIFF" and "xmp" in held:
        held["tiffinfo"] = {700: held.pop("xmp")}
    return held
