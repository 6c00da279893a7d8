"""Bytes of a volume without loss and within a bound, beside JPEG 2000 by slice.

    python benchmarks/bounded_volumes.py FILE [--bounds=0,1,2,4] [--axis=0] [--tiles] [--slices=N]

FILE is what `mscn encode` takes for a volume, of whole numbers that 8 bits hold. JPEG 2000 has no
bounds: it gets values in steps of 2 E + 1, without loss, so that none is off by more than E. Every
bound is checked. `--tiles` measures the codec's tiles with residuals, too, at quality 5.
"""

from __future__ import annotations

import argparse
import io
import time

import numpy as np
from PIL import Image

from mscn_tf.codec import Codec
from mscn_tf.signals import volumes


def jpeg_2000_bytes(whole: np.ndarray, bound: int) -> int:
    """Of all slices ``[D, H, W]``, coded one by one."""
    steps = ((whole + bound) // (2 * bound + 1)).astype(np.uint8)
    total = 0
    for part in steps:
        data = io.BytesIO()
        Image.fromarray(part).save(data, "JPEG2000", irreversible=False)
        total += len(data.getvalue())
    return total


def own_bytes(codec: Codec, whole: np.ndarray, bound: int, tiles: bool) -> tuple[int, float, float]:
    """Of the file; CPU seconds of encoding and decoding it.

    Raises:
      SystemExit: a value is off by more.
    """
    span = float(np.ptp(whole)) if bound else 1.0  # shares of the range, or values as they are
    shares = (whole / span).astype(np.float32)[..., None]
    goal = {"quality": 5.0} if tiles else {}
    begun = time.process_time()
    # Values are rounded to whole numbers, so that up to half of one more is kept.
    kept = (bound + 0.499) / span if bound else 0.0
    data = codec.encode(shares, max_error=kept, check=False, **goal)
    between = time.process_time()
    decoded = codec.decode(data)
    seconds = between - begun, time.process_time() - between
    off = np.abs(np.rint(decoded[..., 0].astype(np.float64) * span) - whole).max()
    if off > bound:
        raise SystemExit(f"off by {off}, more than {bound}")
    return len(data), *seconds


def main() -> None:
    """Prints a row for each bound."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("file")
    parser.add_argument("--bounds", default="0,1,2,4")
    parser.add_argument("--axis", type=int, default=0, help="along which slices lie")
    parser.add_argument("--slices", type=int, default=0, help="in the middle; default all")
    parser.add_argument("--tiles", action="store_true")
    options = parser.parse_args()
    signals = volumes.read(options.file, lossless=True)
    whole = np.moveaxis(signals.arrays[0][..., 0].astype(np.float64), options.axis, 0)
    whole = (whole - whole.min()).astype(np.int64)
    if options.slices:
        first = (len(whole) - options.slices) // 2
        whole = whole[first : first + options.slices]
    codec = Codec.load("volume", threads=1)
    print(f"{whole.size:,} voxels; bound: volume, JPEG 2000, share, values a second")
    for bound in map(int, options.bounds.split(",")):
        size, *seconds = own_bytes(codec, whole, bound, False)
        other = jpeg_2000_bytes(whole, bound)
        speeds = ", ".join(f"{whole.size / second:,.0f}" for second in seconds)
        print(f"{bound}: {size:,} {other:,} {size / other:.3f}  {speeds}", flush=True)
        if options.tiles and bound:
            print(f"   tiles: {own_bytes(codec, whole, bound, True)[0]:,}", flush=True)


if __name__ == "__main__":
    main()
