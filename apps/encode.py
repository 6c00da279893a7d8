"""usage: mscn encode [--codec=NAME|FILE] [--quality=1..10 | --bpp=X | --bytes=N | --psnr=Y]
                   [--max-error=E] [--effort=0..9] IN OUT.mscn

Compresses IN: a picture, a folder of pictures or an .npy stack of them (uint8 or floats in
[0, 1], [N, H, W, 3] or [N, H, W]); a folder or a stack makes an archive. Other signals are known by
their files' endings or by --modality; a folder with transforms.json is a scene, whose fit needs
TensorFlow; nothing else does.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from absl import flags

from mscn_tf.apps import cli
from mscn_tf.codec import Codec
from mscn_tf.runtime.container import MODALITIES
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.files import atomic_write
from mscn_tf.signals.modalities import DEFAULT_CODECS, guess, mean_measures, read

if TYPE_CHECKING:
    from mscn_tf.signals.scenes import Views
    from mscn_tf.signals.signal import Signals

CODEC = flags.DEFINE_string(
    "codec", None, "codec: a name that `mscn codecs` lists, or a .mscnb file; default by size"
)
MODALITY = flags.DEFINE_enum(
    "modality", None, MODALITIES, "what IN holds; default by its name's ending"
)
QUALITY = flags.DEFINE_float("quality", None, "1 (smallest) to 10 (best), steps of 1/16; default 5")
BPP = flags.DEFINE_float("bpp", None, "bits a pixel, or sample, that the file may take at most")
BYTES = flags.DEFINE_integer("bytes", None, "bytes that the file may take at most")
PSNR = flags.DEFINE_float("psnr", None, "dB that the decoded signal must reach")
MAX_ERROR = flags.DEFINE_float(
    "max-error",
    None,
    "no value may be off by more, in the signal's units; alone or with --quality; of voxels 0, "
    "without loss, is the default",
)
EFFORT = flags.DEFINE_integer(
    "effort", 2, "1 (fast) to 9 (small): how often bits are weighed anew; of tiles also 0 (fastest)"
)


BOUND = flags.DEFINE_float("bound", 1.5, "scenes: half the side of the cube that is coded")
RESOLUTION = flags.DEFINE_integer("resolution", 48, "scenes: points of the grid along each axis")
FIT_STEPS = flags.DEFINE_integer("fit_steps", 600, "scenes: gradient steps of the grid's fit")


def main(argv: list[str]) -> None:
    """The command: encodes, writes, then prints size and quality of what it wrote."""
    source, target = cli.positional(argv, "IN", "OUT.mscn")
    goal = _goal()
    cli.check_writable(target)
    modality = MODALITY.value or guess(source)
    held_out = None
    if modality == "scene":
        signals, held_out = _read_scene(source)
    else:
        signals = read(source, modality)
    codec = Codec.load(CODEC.value or _default_codec(modality, signals.arrays))
    if codec.bundle.manifest["modality"] != modality:
        raise MscnError(
            f"{source} holds {modality} signals, {codec.bundle.name} encodes "
            f"{codec.bundle.manifest['modality']} ones; give another --codec or --modality"
        )
    max_error = MAX_ERROR.value
    if max_error is None and not goal and modality == "voxels":
        max_error = 0.0  # takes hardly more bytes than what is lossy at the default quality
    data = codec.encode(
        signals.arrays,
        names=signals.names,
        metadata=signals.metadata,
        max_error=max_error,
        effort=EFFORT.value,
        progress=sys.stderr.isatty(),
        **goal,
    )
    with atomic_write(target) as file:
        file.write(data)
    bpp = 8 * len(data) / sum(math.prod(array.shape[:-1]) for array in signals.arrays)
    noun = "pictures" if modality == "image" else "signals"
    count = f"{len(signals.arrays)} {noun}, " if len(signals.arrays) > 1 else ""
    if held_out is None:
        quality = mean_measures(modality, signals, codec.decode_all(data))
    else:
        quality = _psnr_of_views(signals, held_out, codec.decode(data))
    print(f"{target}: {count}{len(data):,} bytes, {_rate(bpp)} bpp, {quality}")


def _read_scene(source: str) -> tuple[Signals, Views]:
    cli.require_tensorflow()
    with cli.importing_tensorflow():
        from mscn_tf.codec.scenes import read_scene
    return read_scene(source, BOUND.value, RESOLUTION.value, FIT_STEPS.value, sys.stderr.isatty())


def _psnr_of_views(signals: Signals, held_out: Views, decoded: np.ndarray) -> str:
    from mscn_tf.signals.scenes import rendered_psnr

    before, after = (rendered_psnr(grid, held_out) for grid in (signals.arrays[0], decoded))
    return f"{after:.2f} dB PSNR of views not fitted ({before:.2f} before coding)"


def _rate(bpp: float) -> str:
    return f"{bpp:.3f}" if bpp >= 0.1 else f"{bpp:.3g}"


def _goal() -> dict[str, float]:
    """The one flag that says how much to spend."""
    given = {
        flag.name: flag.value for flag in (QUALITY, BPP, BYTES, PSNR) if flag.value is not None
    }
    if len(given) > 1:
        raise MscnError(f"give one of {' and '.join('--' + name for name in given)}")
    for name, value in given.items():
        if name == QUALITY.name and not 1 <= value <= 10:
            raise MscnError(f"--quality={value:g}: must be 1 to 10")
        if not 0 < value < math.inf:
            raise MscnError(f"--{name}={value:g}: must be more than 0")
    if not 0 <= EFFORT.value <= 9:
        raise MscnError(f"--effort={EFFORT.value}: must be 0 to 9")
    if BYTES.name in given:
        given["size"] = given.pop(BYTES.name)
    if MAX_ERROR.value is not None and not 0 <= MAX_ERROR.value < math.inf:
        raise MscnError(f"--max-error={MAX_ERROR.value:g}: must be 0 or more")
    return given


def _default_codec(modality: str, pictures: Sequence[np.ndarray]) -> str:
    if modality != "image":
        return DEFAULT_CODECS[modality]
    return "thumb32" if all(p.shape[:2] == (32, 32) for p in pictures) else "photo"


def run() -> None:
    """Runs the command on `sys.argv` and exits."""
    cli.run(main)


if __name__ == "__main__":
    run()
