"""Whether arrays and options are what a codec can encode, and files what was promised."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

import numpy as np

from mscn_tf.runtime import residuals
from mscn_tf.runtime.codec import Codec
from mscn_tf.runtime.container import AXES, MAX_PIXELS, MAX_SIDE, longest, size_text
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.pyramids import Pyramids
from mscn_tf.runtime.quantiser import QUALITIES

_FARTHEST = 2**20  # times the codec's range: beyond it symbols would not do


def checked_signals(
    codec: Codec, signals: np.ndarray | Sequence[np.ndarray], lossless: bool
) -> list[np.ndarray]:
    """A list of arrays ``[.., C]`` that a codec can encode, once they are of its type.

    Raises:
      MscnError: they aren't such arrays.
    """
    manifest, values = codec.bundle.manifest, codec.values
    if manifest.modality == "image":
        return _checked_pictures(signals)
    modality, channels = manifest.modality, manifest.channels
    axes = AXES[modality]
    if isinstance(signals, np.ndarray) and signals.ndim == axes + 1:
        signals = [signals]
    signals = list(signals)
    if not signals:
        raise MscnError(f"there is no {modality} to encode")
    for signal in signals:
        shape = getattr(signal, "shape", ())
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
        if not lossless and largest > _FARTHEST * max(map(abs, codec.range)):
            raise MscnError(
                f"a {modality} with values up to {largest:g}, but {codec.bundle.name} is for "
                f"{values.low:g} to {values.high:g}; scale them"
            )
    if manifest.modality == "field" and len({signal.shape for signal in signals}) > 1:
        raise MscnError("fields of different grids; encode them into a file each")
    return signals


def _checked_pictures(pictures: np.ndarray | Sequence[np.ndarray]) -> list[np.ndarray]:
    """A list of uint8 [H, W, C] pictures."""
    if isinstance(pictures, np.ndarray) and pictures.ndim == 3:
        pictures = [pictures]
    pictures = list(pictures)
    if not pictures:
        raise MscnError("there is no picture to encode")
    for picture in pictures:
        shape = getattr(picture, "shape", ())
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
    return pictures


def check_goal(name: str, value: float) -> None:
    """Raises MscnError where a quality, rate, PSNR or size is beyond what a file can have."""
    if name == "quality" and not 1 <= value <= QUALITIES:
        raise MscnError(f"quality={value:g}: must be 1 to {QUALITIES}")
    if not 0 < value < np.inf:
        raise MscnError(f"{name}={value:g}: must be more than 0")


def check_bound(codec: Codec, bound: float, goals: Collection[str]) -> None:
    """Raises MscnError where a codec can't keep a bound on errors, or not beside other goals."""
    if not 0 <= bound < np.inf:
        raise MscnError(f"max_error={bound:g}: must be 0 or more")
    if bound and codec.values.dtype == "bool":
        raise MscnError(f"max_error={bound:g}: must be 0 for truth values")
    if bound and isinstance(codec.scheme, Pyramids):
        raise MscnError(
            f"{codec.bundle.name} can't keep max_error={bound:g}; take --lossless, or a codec "
            "of tiles, such as thumb32"
        )
    if set(goals) - {"quality"}:
        raise MscnError("give max_error alone, or with quality")


def check_alpha(codec: Codec, quality: float, bound: float | None) -> None:
    """Raises MscnError where alpha can't be made coarser, or not as much."""
    if not 1 <= quality <= QUALITIES:
        raise MscnError(f"alpha_quality={quality:g}: must be 1 to {QUALITIES}")
    if codec.bundle.manifest.modality != "image":
        raise MscnError("alpha_quality is for pictures")
    if bound is not None:
        raise MscnError("give alpha_quality without lossless and max_error")


def check_kept(codec: Codec, data: bytes, signals: Sequence[np.ndarray], bound: float) -> None:
    """Reads a file back: what was promised is kept.

    Raises:
      MscnError: it isn't.
    """
    for signal, decoded in zip(signals, codec.decode_all(data)):
        if np.array_equal(signal, decoded):
            continue
        error = residuals.largest_error(signal, decoded)
        if not error <= bound:
            raise MscnError(
                f"an error of {error:g} is left, max_error={bound:g} can't be kept in "
                f"{decoded.dtype}; raise it"
            )
