"""Whether arrays and options are what a codec can encode."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from mscn_tf.runtime import exact
from mscn_tf.runtime.container import MAX_PIXELS, MAX_SIDE, longest, size_text
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.file_decoder import FileDecoder
from mscn_tf.runtime.modality import Modality
from mscn_tf.runtime.quality import LEVELS
from mscn_tf.signals.colour import grey_if_neutral

_FARTHEST = 2**20  # times the codec's range: beyond it symbols would not do


def far(codec: FileDecoder, largest: float) -> bool:
    """Whether a value lies so far from a codec's range that symbols would not do."""
    return largest > _FARTHEST * max(map(abs, codec.range))


def checked_signals(
    codec: FileDecoder,
    signals: np.ndarray | Sequence[np.ndarray],
    lossless: bool,
    bounded: bool = False,
) -> Sequence[np.ndarray]:
    """Arrays ``[.., C]`` that a codec can encode, once they are of its type, or without loss.

    Args:
      codec: whose files are wanted.
      signals: what was given for them.
      lossless: whether nothing is to be lost.
      bounded: whether there is a bound, which wide numbers are kept as they are for.

    Raises:
      MscnError: they aren't such arrays.
    """
    manifest, values = codec.bundle.manifest, codec.values
    if Modality.named(manifest.modality).pixels:
        return _checked_pictures(signals)
    modality, channels = manifest.modality, manifest.channels
    axes = Modality.named(modality).axes
    if isinstance(signals, np.ndarray) and signals.ndim == axes + 1:
        signals = [signals]
    signals = signals if isinstance(signals, Sequence) else list(signals)
    if not signals:
        raise MscnError(f"there is no {modality} to encode")
    shapes = set()
    for signal in signals:
        shape: tuple[int, ...] = getattr(signal, "shape", ())
        if len(shape) != axes + 1 or shape[-1] != channels:
            raise MscnError(
                f"{codec.bundle.name} encodes {modality} signals of {axes} axes and {channels} "
                f"channels, not an array of shape {list(shape)}"
            )
        if 0 in shape:
            raise MscnError(f"a {modality} of size {size_text(shape[:-1])} holds nothing")
        if max(shape) > longest(axes) or math.prod(shape[:-1]) > MAX_PIXELS:
            raise MscnError(
                f"a {modality} of size {size_text(shape[:-1])} is too large: at most "
                f"{MAX_PIXELS} samples, sides up to {longest(axes)}"
            )
        if not np.can_cast(signal.dtype, values.dtype, "same_kind"):
            raise MscnError(f"a {modality} of {signal.dtype}; convert it to {values.dtype}")
        if signal.dtype.kind == "f" and not np.isfinite(signal).all():
            raise MscnError(f"a {modality} with NaN or infinite values; replace them")
        largest = max(abs(float(signal.min())), abs(float(signal.max())))
        kept = lossless or (bounded and exact.is_wide(signal))
        if not kept and far(codec, largest):
            raise MscnError(
                f"a {modality} with values up to {largest:g}, but {codec.bundle.name} is for "
                f"{values.low:g} to {values.high:g}; scale them"
            )
        shapes.add(shape)
    one_grid = Modality.named(modality).sphere and not codec.scheme.any_values
    if one_grid and len(shapes) > 1:
        raise MscnError("fields of different grids; encode them into a file each")
    return signals


def _checked_pictures(pictures: np.ndarray | Sequence[np.ndarray]) -> list[np.ndarray]:
    """A list of uint8 [H, W, C] pictures, grey where nothing in them has a colour."""
    if isinstance(pictures, np.ndarray) and pictures.ndim == 3:
        pictures = [pictures]
    pictures = list(pictures)
    if not pictures:
        raise MscnError("there is no picture to encode")
    for picture in pictures:
        shape: tuple[int, ...] = getattr(picture, "shape", ())
        if getattr(picture, "dtype", None) != np.uint8 or len(shape) != 3 or not 1 <= shape[2] <= 4:
            raise MscnError(
                "a picture must be a uint8 array [H, W, C] of 1 to 4 channels, not "
                f"{getattr(picture, 'dtype', type(picture).__name__)} {list(shape)}"
            )
        if 0 in shape:
            raise MscnError(f"a picture of {shape[1]}x{shape[0]} pixels has nothing to encode")
        if max(shape) > MAX_SIDE or shape[0] * shape[1] > MAX_PIXELS:
            raise MscnError(
                f"a picture of {shape[1]}x{shape[0]} pixels is too large: at most {MAX_PIXELS} "
                f"pixels, sides up to {MAX_SIDE}"
            )
    return [grey_if_neutral(picture) for picture in pictures]


def checked_goal(**goals: float | None) -> dict[str, float]:
    """The one of ``quality``, ``bpp``, ``psnr`` and ``bytes`` that is given, or nothing.

    Raises:
      MscnError: there are several, or it is beyond what a file can have.
    """
    given = {name: value for name, value in goals.items() if value is not None}
    if len(given) > 1:
        raise MscnError("give one of quality, bpp, psnr and size")
    for name, value in given.items():
        if name == "quality" and not 1 <= value <= LEVELS:
            raise MscnError(f"quality={value:g}: must be 1 to {LEVELS}")
        if not 0 < value < np.inf:
            raise MscnError(f"{name}={value:g}: must be more than 0")
    return given


def check_alpha(codec: FileDecoder, quality: float, bounded: bool) -> None:
    """Raises MscnError where alpha can't be made coarser, or not as much."""
    if not 1 <= quality <= LEVELS:
        raise MscnError(f"alpha_quality={quality:g}: must be 1 to {LEVELS}")
    if not Modality.named(codec.bundle.manifest.modality).pixels:
        raise MscnError("alpha_quality is for pictures")
    if bounded:
        raise MscnError("give alpha_quality without lossless and max_error")
