"""Picture codecs, each through the library that most programs use."""

from __future__ import annotations

import functools
import io
from collections.abc import Iterable
from typing import Any, Callable

import numpy as np
import PIL
from PIL import Image, features

from mscn_tf.evaluation.baselines import Baseline, require
from mscn_tf.evaluation.signal import Signal
from mscn_tf.runtime.errors import MscnError, install


@functools.cache
def _heif() -> str:
    require("pillow_heif")
    import pillow_heif

    pillow_heif.register_heif_opener()
    info = pillow_heif.libheif_info()
    if not info["HEIF"]:
        raise MscnError("heic needs a pillow-heif with an HEVC encoder: install its PyPI wheel")
    return f"libheif {info['libheif']} with {info['HEIF']}"


def _pillow(feature: str, library: str) -> Callable[[], str]:
    def version() -> str:
        if not features.check(feature):
            raise MscnError(f"this Pillow is without {library}: {install('evaluate')}")
        return f"Pillow {PIL.__version__} with {library} {features.version(feature)}"

    return version


def _format(
    name: str,
    family: str,
    label: str,
    settings: Iterable[float],
    library: Callable[[], str],
    kind: str,
    options: Callable[[int], dict[str, Any]],
    used: str,
    lossless: bool = False,
) -> Baseline:
    """A baseline that is one of Pillow's formats.

    Args:
      name, family, label, settings, lossless: of the baseline.
      library: its version; makes the format known to Pillow where a plug-in brings it.
      kind: Pillow's name of the format.
      options: a whole setting to the options of `Image.save`.
      used: the options in words.
    """

    def encode(signal: Signal, setting: float) -> bytes:
        library()
        file = io.BytesIO()
        pixels = signal.array[..., 0] if signal.array.shape[2] == 1 else signal.array
        Image.fromarray(pixels).save(file, kind, **options(int(setting)))
        return file.getvalue()

    def decode(data: bytes, signal: Signal, setting: float) -> np.ndarray:
        library()
        channels = signal.array.shape[2]
        with Image.open(io.BytesIO(data)) as image:
            pixels = np.asarray(image.convert("L" if channels == 1 else "RGB"))
        return pixels.reshape(*pixels.shape[:2], channels)

    def version() -> str:
        return f"{library()}; {used}"

    return Baseline(name, family, label, tuple(settings), encode, decode, version, lossless)


_JPEG = _pillow("jpg", "libjpeg")
_JPEG2000 = _pillow("jpg_2000", "OpenJPEG")
_WEBP = _pillow("webp", "libwebp")
_AVIF = _pillow("avif", "libavif")
_PNG = _pillow("zlib", "zlib")
_CHROMA = ("4:2:0", "4:4:4")


def _jpeg(chroma: str) -> Baseline:
    return _format(
        f"jpeg{chroma.replace(':', '')}",
        "jpeg",
        "JPEG",
        (2, 5, 8, 12, 17, 23, 30, 40, 50, 60, 70, 78, 84, 89, 93, 96),
        _JPEG,
        "JPEG",
        lambda quality: dict(quality=quality, subsampling=chroma, optimize=True),
        f"{chroma}, optimised tables",
    )


def _avif(chroma: str) -> Baseline:
    # Pillow's AVIF and not that of imagecodecs, which cannot tune for PSNR. Speed 3 takes half as
    # long again for 1.5 % of the bytes; speed 6 costs 8 %.
    return _format(
        f"avif{chroma.replace(':', '')}",
        "avif",
        "AVIF",
        (3, 7, 11, 16, 22, 29, 37, 46, 56, 67, 78, 88),
        _AVIF,
        "AVIF",
        lambda quality: dict(
            quality=quality,
            subsampling=chroma,
            speed=4,
            max_threads=1,
            advanced={"tune": "psnr"},
        ),
        f"{chroma}, speed 4, tuned for PSNR",
    )


def _heic(chroma: str) -> Baseline:
    return _format(
        f"heic{chroma.replace(':', '')}",
        "heic",
        "HEIC",
        (2, 6, 10, 14, 18, 23, 28, 33, 38, 44, 50, 57, 64, 72),
        _heif,
        "HEIF",
        lambda quality: dict(
            quality=quality, chroma=chroma.replace(":", ""), enc_params={"tune": "psnr"}
        ),
        f"{chroma}, preset slow, tuned for PSNR",
    )


BASELINES = (
    *map(_jpeg, _CHROMA),
    # Pillow's OpenJPEG and not that of imagecodecs: the library is the same, but only Pillow
    # takes a rate, which OpenJPEG meets with the least squared error, or leaves out the JP2
    # boxes around the codestream.
    _format(
        "jpeg2000",
        "jpeg2000",
        "JPEG 2000",
        (400, 300, 200, 150, 110, 80, 60, 45, 34, 26, 20, 15, 12, 10, 9, 8, 7, 6, 5),
        _JPEG2000,
        "JPEG2000",
        lambda rate: dict(
            quality_mode="rates", quality_layers=[rate], irreversible=True, mct=1, no_jp2=True
        ),
        "rates, 9/7 wavelet, irreversible colour transform, raw codestream",
    ),
    _format(
        "webp",
        "webp",
        "WebP",
        (0, 3, 6, 10, 15, 20, 30, 40, 50, 60, 70, 78, 84, 88, 91, 94, 97),
        _WEBP,
        "WEBP",
        lambda quality: dict(quality=quality, method=6),
        "method 6",
    ),
    *map(_avif, _CHROMA),
    *map(_heic, _CHROMA),
    _format(
        "png",
        "png",
        "PNG",
        (0,),
        _PNG,
        "PNG",
        lambda _: dict(optimize=True),
        "optimised",
        lossless=True,
    ),
    _format(
        "webp-lossless",
        "webp-lossless",
        "WebP, lossless",
        (80,),
        _WEBP,
        "WEBP",
        lambda effort: dict(quality=effort, method=6, lossless=True),
        "lossless, method 6",
        lossless=True,
    ),
)
