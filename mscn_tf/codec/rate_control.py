"""The search for the quality at which a file reaches a rate, a size or a PSNR."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cache

import numpy as np

from mscn_tf.codec.encoding import Encoding, VariedEncoding
from mscn_tf.codec.parts import Parts
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.file_decoder import FileDecoder
from mscn_tf.runtime.quality import HIGHEST, LEVELS, LOWEST
from mscn_tf.signals import images

DEFAULT_QUALITY = 5.0
_CLOSE = 0.99  # of a wanted rate is close enough
_DEAREST = 1.25  # times what bits cost: about what the next lower quality saves
_TRIES = 5
_ROUNDING = 1e-12  # of a rate that was multiplied and divided


def best_file(
    codec: FileDecoder, parts: Parts, encoding: Encoding, goals: Mapping[str, float]
) -> bytes:
    """The best file that reaches a goal, or that of the default quality.

    Args:
      codec: whose files are wanted.
      parts: what is encoded.
      encoding: of the parts.
      goals: one of ``bpp``, ``bytes``, ``psnr`` and ``quality``, or none.

    Raises:
      MscnError: no file reaches it.
    """
    if "bpp" in goals:
        bits = goals["bpp"] * sum(math.prod(signal.shape[:-1]) for signal in parts.signals)
        return _best_within(parts, encoding, bits, f"bpp={goals['bpp']:g}")
    if "bytes" in goals:
        return _best_within(parts, encoding, 8.0 * goals["bytes"], f"bytes={goals['bytes']:g}")
    if "psnr" in goals:
        return _reaching(codec, parts, encoding, goals["psnr"])
    return encoding.file(round(16 * goals.get("quality", DEFAULT_QUALITY)))


def smallest_file(encode_at: Callable[[int], bytes]) -> bytes:
    """The smallest file that a walk over the qualities finds.

    Args:
      encode_at: sixteenths of quality to a file.
    """
    encode_at = cache(encode_at)
    q16 = HIGHEST // 2
    for stride in (32, 16):
        while True:
            near = [q for q in (q16 - stride, q16, q16 + stride) if LOWEST <= q <= HIGHEST]
            best = min(near, key=lambda q: len(encode_at(q)))
            if best == q16:
                break
            q16 = best
    return encode_at(q16)


def _best_within(parts: Parts, encoding: Encoding, bits: float, wish: str) -> bytes:
    """The best file of at most so many bits, of all ways to code the parts."""
    if not isinstance(encoding, VariedEncoding):
        return _within(parts, encoding, bits, wish)
    files, problem = [], None
    for way in encoding.ways():
        try:
            files.append(_within(parts, way, bits, wish))
        except MscnError as error:
            problem = error  # of the last way, whose files are the smallest
    if not files and problem:
        raise problem
    return min(files, key=encoding.loss)


def _within(parts: Parts, encoding: Encoding, bits: float, wish: str) -> bytes:
    """The best file of at most so many bits."""
    pixels = sum(math.prod(signal.shape[:-1]) for signal in parts.signals)
    advice = ", or lower --alpha-quality" if any(plane for _, plane in parts.payloads) else ""
    # The first quality whose file is too large: the one below it is wanted.
    target = _Target(
        float(np.log(bits) + _ROUNDING),
        encoding.file,
        lambda data: float(np.log(8 * len(data))),
        lambda q16: float(np.log(max(encoding.estimated_bits(q16), 1.0))),
    )
    best = target.below
    if not best:
        raise MscnError(
            f"{wish} is out of reach: the smallest file takes {len(target.above)} bytes "
            f"({8 * len(target.above) / pixels:.4f} bpp); raise it, or shrink the picture"
            f"{advice}"
        )
    # Between two qualities: the higher one with bits a little dearer.
    bit_price, step = 1.0, _DEAREST - 1
    for _ in range(_TRIES if target.above else 0):
        if 8 * len(best) >= _CLOSE * bits:
            break
        step /= 2
        data = encoding.file(target.high, bit_price + step)
        if 8 * len(data) > bits * (1 + _ROUNDING):
            bit_price += step
        elif len(data) > len(best):
            best = data
    return best


def _reaching(codec: FileDecoder, parts: Parts, encoding: Encoding, psnr: float) -> bytes:
    """The smallest file of at least so many dB, in the mean of all items that aren't exact."""

    def measured(data: bytes) -> float:
        psnrs = [
            images.psnr(signal, decoded, codec.peak)
            for item, (signal, decoded) in enumerate(zip(parts.signals, codec.decode_all(data)))
            if parts.coded_of(item, signal).size
        ]
        return float(np.mean(psnrs)) if psnrs else np.inf

    target = _Target(psnr, encoding.file, measured, encoding.estimated_psnr)
    if not target.above:
        raise MscnError(
            f"psnr={psnr:g} is out of reach: quality {LEVELS} gives "
            f"{measured(target.below):.2f} dB; lower it"
        )
    return target.above


class _Target:
    """The two neighbouring qualities between which a file's measure reaches a target.

    An estimate leads to them, put right by every file that is measured, so that a few files do.

    Args:
      target: value of ``measure`` to reach; it grows with quality.
      encode_at: sixteenths of quality to a file.
      measure: of a file.
      estimate: of what ``measure`` will be at some sixteenths of quality, but for a constant.

    Attributes:
      below: the best file that falls short of the target; empty if even the lowest doesn't.
      above: the first file that reaches it; empty if even the highest doesn't.
      high: its quality in sixteenths.
    """

    def __init__(
        self,
        target: float,
        encode_at: Callable[[int], bytes],
        measure: Callable[[bytes], float],
        estimate: Callable[[int], float],
    ):
        estimate = cache(estimate)
        self.below = self.above = b""
        low, high, correction = LOWEST - 1, HIGHEST + 1, 0.0
        while high - low > 1:
            wanted = target - correction
            q16 = _search(estimate, wanted)
            # Of the pair that decides, the half that isn't known yet.
            q16 = min(max(q16 if q16 < high else high - 1, low + 1), high - 1)
            data = encode_at(q16)
            value = measure(data)
            correction = value - estimate(q16)
            if value >= target:
                high, self.above = q16, data
            else:
                low, self.below = q16, data
        self.high = high


def _search(estimate: Callable[[int], float], wanted: float) -> int:
    """The lowest quality, in sixteenths, at which an estimate that grows with it is enough.

    One more than the highest quality where it never does.
    """
    low, high = LOWEST, HIGHEST + 1
    while low < high:
        middle = (low + high) // 2
        if estimate(middle) >= wanted:
            high = middle
        else:
            low = middle + 1
    return low
