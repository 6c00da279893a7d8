"""Files with a promise: no value that is decoded is off by more than a bound."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import cast

import numpy as np

from mscn_tf.codec.checks import far
from mscn_tf.codec.encoding import BoundedEncoding, Encoding
from mscn_tf.codec.parts import Parts
from mscn_tf.runtime import exact, occupancy, residuals
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.file_decoder import FileDecoder
from mscn_tf.runtime.modality import Modality

_FINE = 1 / 16  # of the codec's range: with coarser bounds tiles take fewer bytes than slices
_SPACINGS = 16  # spacings of float32: a finer bound is kept of numbers as they are
_WHOLE = 2**62  # that float32 doesn't round to what integers don't hold
_NONE_WRONG = 0.5  # as the bound of truth values in a file, where it is more than 0


def checked_bounds(
    codec: FileDecoder,
    max_error: float | Sequence[float] | None,
    lossless: bool,
    goals: Collection[str],
    count: int,
) -> list[float] | None:
    """What errors of each signal may be, 0 where there is to be no loss; None: nothing is promised.

    Args:
      codec: whose files are wanted.
      max_error: one for all signals, or one each.
      lossless: whether there is to be no loss.
      goals: what else is asked for.
      count: of signals.

    Raises:
      MscnError: the codec can't keep it, or not beside other goals.
    """
    if lossless:
        if goals or max_error is not None:
            raise MscnError("give lossless alone: it leaves nothing to choose")
        return [0.0] * count
    if max_error is None:
        return None
    bounds = [float(bound) for bound in np.broadcast_to(max_error, np.shape(max_error) or count)]
    if len(bounds) != count:
        raise MscnError(f"{len(bounds)} bounds for {count} signals")
    for bound in (min(bounds), max(bounds)):
        if not 0 <= bound < np.inf:
            raise MscnError(f"max_error={bound:g}: must be 0 or more")
        if bound and codec.values.dtype == "bool":
            raise MscnError(f"max_error={bound:g}: must be 0 for truth values")
    if set(goals) - {"quality"}:
        raise MscnError("give max_error alone, or with quality")
    return bounds


def of_exact(
    codec: FileDecoder, promised: Sequence[float] | None, goals: Collection[str]
) -> dict[int, float]:
    """Signals that are to be in the exact form, and bounds on their errors there.

    Those without loss, and all that have a bound, of a codec whose own code keeps none, or which
    takes more for it than the exact form of volumes.
    """
    if promised is None or keeps_truth(codec):
        return {}
    own = codec.peak * _FINE if _of_volumes(codec) and not goals else 0.0
    if not codec.scheme.keeps_bounds:
        own = np.inf
    return {item: bound for item, bound in enumerate(promised) if bound <= own}


def _of_volumes(codec: FileDecoder) -> bool:
    """Whether the codec's signals are numbers on three axes, which `runtime.exact_slices` takes."""
    manifest = codec.bundle.manifest
    axes = Modality.named(manifest.modality).axes
    return (axes, manifest.channels, codec.values.dtype) == (3, 1, "float32")


def in_type(codec: FileDecoder, signal: np.ndarray, bound: float | None) -> np.ndarray:
    """A signal in the codec's type, or as it is where that is too coarse for a bound."""
    with np.errstate(over="ignore"):
        coded = signal.astype(codec.values.dtype, copy=False)
    if bound is None or codec.values.dtype != "float32" or not exact.is_wide(signal):
        return coded
    largest = float(np.abs(coded).max())
    rough = bound > _SPACINGS * float(np.spacing(np.float32(largest))) and not far(codec, largest)
    return coded if rough or (bound == 0 and _is_same(signal, coded)) else signal


def _is_same(signal: np.ndarray, coded: np.ndarray) -> bool:
    """Whether float32 holds all numbers of a signal, bit for bit."""
    if signal.dtype.kind == "f":
        return coded.astype(np.float64).tobytes() == signal.tobytes()
    largest = max(abs(int(signal.min())), abs(int(signal.max())))
    return largest < _WHOLE and np.array_equal(coded.astype(signal.dtype), signal)


def told(codec: FileDecoder, promised: Sequence[float]) -> bool:
    """Whether a file says a bound of its own, beside those of exact planes."""
    return codec.scheme.keeps_bounds and any(promised)


def keeps_truth(codec: FileDecoder) -> bool:
    """Whether the codec's signals are truth values that its tiles come with a correction of."""
    return codec.values.dtype == "bool" and codec.scheme.keeps_bounds


def within(
    codec: FileDecoder,
    parts: Parts,
    encoding: Callable[[], Encoding],
    bounds: Sequence[float],
    goals: Mapping[str, float],
) -> bytes:
    """A file with what brings every value within a bound.

    Args:
      codec: whose files are wanted; it keeps bounds.
      parts: what is encoded; those that are smaller so become exact.
      encoding: makes that of the parts which aren't exact.
      bounds: on the absolute difference of every value of each signal; of truth values 0. Where a
        codec has one bound for all of a file, it is the least of them.
      goals: the ``quality``; without it that of the smallest file.
    """
    if keeps_truth(codec):
        return _of_truth(codec, parts, encoding, goals)
    q16 = round(16 * goals["quality"]) if "quality" in goals else None
    return cast(BoundedEncoding, encoding()).file_within(bounds, q16)


def _of_truth(
    codec: FileDecoder, parts: Parts, encoding: Callable[[], Encoding], goals: Mapping[str, float]
) -> bytes:
    """A file of truth values of which none is wrong.

    What is coded besides them, for other sizes, is the same at all qualities: the lowest will do.
    """
    occupied = _occupied(codec, parts)
    data = encoding().file(round(16 * goals.get("quality", 1)))
    return parts.bounded(data, _NONE_WRONG, occupied)


def _occupied(codec: FileDecoder, parts: Parts) -> list[bytes]:
    """Truth values of each item, but for those that become exact because they're smaller so."""
    coder, payloads = codec.scheme.occupancy, []
    for item, signal in enumerate(parts.signals):
        stored = parts.payloads.get((item, 0)) or exact.encode(signal)
        coded = coder.encode(signal) if coder and occupancy.fits(signal.shape) else None
        if coded is None or len(stored) <= len(coded):
            parts.payloads[item, 0] = stored
            coded = b""
        payloads.append(coded)
    return payloads


def check_kept(signal: np.ndarray, decoded: np.ndarray, bound: float) -> None:
    """Compares a signal that was read back: what was promised is kept.

    Raises:
      MscnError: it isn't.
    """
    if np.array_equal(signal, decoded):
        return
    error = residuals.largest_error(signal, decoded)
    if not error <= bound:
        raise MscnError(
            f"an error of {error:g} is left, max_error={bound:g} can't be kept in "
            f"{decoded.dtype}; raise it"
        )
