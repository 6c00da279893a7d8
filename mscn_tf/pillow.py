"""Pictures in `.mscn` files for Pillow, and so for what reads through it, such as imageio.

import mscn_tf.pillow
from PIL import Image

mscn_tf.pillow.register()
Image.open("photo.png").save("photo.mscn", bpp=0.5)
picture = Image.open("photo.mscn")
"""

from __future__ import annotations

import base64
import os
from functools import lru_cache
from typing import IO, Any, Union

import numpy as np
from PIL import Image, ImageFile, ImageSequence

from mscn_tf.codec.codec import Codec
from mscn_tf.runtime.container import Container
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.file_decoder import FileDecoder
from mscn_tf.runtime.header import MAGIC
from mscn_tf.runtime.modality import Modality
from mscn_tf.signals import images, picture_metadata
from mscn_tf.signals.picture_files import pixels_of
from mscn_tf.signals.signal import Signals

Name = Union[str, bytes]
FORMAT = "MSCN"
_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}  # by channels
_GOALS = tuple("quality bpp psnr size max_error lossless effort tune alpha_quality".split())
_KEPT = ("exif", "xmp", "dpi", "comment")

_load = lru_cache(2)(Codec.load)


def register() -> None:
    """Makes Pillow open and save `.mscn` files.

    `Image.save` takes what `Codec.encode` does: one of ``quality``, ``bpp``, ``psnr``, ``size`` and
    ``max_error``, or ``lossless``; ``effort``, ``tune``, ``alpha_quality``; ``codec``, a shipped
    codec's name or the path of a bundle; and ``exif``, ``xmp``, ``dpi`` and ``comment``, which are
    kept. With ``save_all`` and ``append_images`` several pictures become an archive, which opens as
    frames.
    """
    Image.register_open(FORMAT, MscnImageFile, lambda head: head.startswith(MAGIC))
    Image.register_save(FORMAT, _save)
    Image.register_save_all(FORMAT, _save_all)
    Image.register_extension(FORMAT, ".mscn")


class MscnImageFile(ImageFile.ImageFile):
    """A `.mscn` file of pictures, each of which is a frame; decoded when its pixels are asked for.

    Raises:
      MscnError: it is damaged, holds other signals, or its codec isn't there.
      EOFError: there is no such frame.
    """

    format = FORMAT
    format_description = "mscn_tf"

    def _open(self) -> None:
        assert self.fp is not None  # before it is read
        name = os.fsdecode(self.filename) if self.filename else "input"
        self._container = Container.from_bytes(self.fp.read(), name, lazy=True)
        modality = Modality.numbered(self._container.modality)
        if not modality.pixels:
            raise MscnError(f"{name}: holds {modality.nouns}, not pictures; see `mscn decode`")
        self._decoder = FileDecoder.of(self._container)
        self.n_frames = self._container.items
        self.is_animated = self.n_frames > 1
        self._show(0)

    def _show(self, frame: int) -> None:
        height, width = self._container.shapes[frame]
        self._size, self._mode = (width, height), _MODES[self._container.channels[frame]]
        self.info = _info(self._container.metadata, frame)
        self._frame, self._decoded = frame, False

    def seek(self, frame: int) -> None:
        """Goes to a frame."""
        if not 0 <= frame < self.n_frames:
            raise EOFError(f"no frame {frame}; there are {self.n_frames}")
        if frame != self._frame:
            self._show(frame)

    def tell(self) -> int:
        """The frame that is shown."""
        return self._frame

    def load(self) -> Any:
        """Decodes the frame, if need be."""
        if not self._decoded:
            self.im = _image(self._decoder.decode(self._container, self._frame)).im
            self._decoded = True
        if getattr(self, "_exclusive_fp", False) and self.fp:  # opened here, and read to its end
            self.fp.close()
            self.fp = None
        return Image.Image.load(self)


def _image(pixels: np.ndarray) -> Image.Image:
    """Of uint8 [H, W, C]."""
    height, width, channels = pixels.shape
    return Image.frombytes(_MODES[channels], (width, height), pixels.tobytes())


def _info(metadata: dict[str, Any] | None, frame: int) -> dict[Any, Any]:
    """What a file says of a frame; nothing where that is damaged."""
    try:
        entry = (metadata or {})["pictures"][frame]
        found = picture_metadata.checked(entry or {})
    except (IndexError, KeyError, TypeError, ValueError):
        return {}
    return {name: tuple(found[name]) if name == "dpi" else found[name] for name in found}


def _save(picture: Image.Image, file: IO[bytes], name: Name) -> None:
    file.write(_encoded([picture], picture.encoderinfo, _named(name)))


def _save_all(picture: Image.Image, file: IO[bytes], name: Name) -> None:
    pictures = [picture, *picture.encoderinfo.get("append_images", ())]
    file.write(_encoded(ImageSequence.all_frames(pictures), picture.encoderinfo, _named(name)))


def _named(name: Name) -> str:
    return os.fsdecode(name) or "output"


def _encoded(pictures: list[Image.Image], options: dict[str, Any], name: str) -> bytes:
    """A file of pictures, in sRGB as their profiles say.

    Raises:
      MscnError: they are of a kind that isn't coded, or an option can't be met.
    """
    arrays = [pixels_of(picture, name) for picture in pictures]
    goals = {key: options[key] for key in _GOALS if options.get(key) is not None}
    kept = {key: options[key] for key in _KEPT if options.get(key) is not None}
    metadata = {"pictures": [_entry(kept, name)] * len(arrays)} if kept else None
    codec = _load(options.get("codec") or images.codec_for(Signals(arrays), False))
    return codec.encode(arrays, metadata=metadata, **goals)


def _entry(kept: dict[str, Any], name: str) -> dict[str, Any]:
    """What a file keeps of options as Pillow's formats take them."""
    entry = dict(kept)
    for key in ("exif", "xmp"):
        if key in entry:
            content = entry[key].tobytes() if isinstance(entry[key], Image.Exif) else entry[key]
            entry[key] = base64.b64encode(content.removeprefix(b"Exif\0\0")).decode()
    if "dpi" in entry:
        entry["dpi"] = [float(value) for value in entry["dpi"]]
    if isinstance(entry.get("comment"), bytes):
        entry["comment"] = entry["comment"].decode("utf-8", "replace")
    try:
        picture_metadata.checked(entry)
    except ValueError as error:
        raise MscnError(
            f"{name}: {error} can't be kept; leave it out, and turn pictures upright before, with "
            "ImageOps.exif_transpose"
        ) from error
    return entry
