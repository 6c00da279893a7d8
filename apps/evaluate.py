"""usage: mscn evaluate [--codec=NAME|FILE,..] --data=FOLDER|FILE.npy --out=DIR [flags]

Measures codecs on pictures and compares them with others, in bytes of real files. Writes to DIR:
report.html with curves, BD-rates and pictures side by side; curves.png; results.json, and
results/NAME.json as CompressAI has them; signals.csv, a row a picture and setting; and our files.
Called again with the same DIR it measures only what is missing there.
"""

from __future__ import annotations

import math
import os
import shlex
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Optional

from absl import flags

from mscn_tf.apps import cli
from mscn_tf.runtime.errors import MscnError
from mscn_tf.signals import images

CODEC = flags.DEFINE_list(
    "codec", [], "codecs: names that `mscn codecs` lists, or .mscnb files, separated by commas"
)
DATA = flags.DEFINE_string("data", None, "folder of pictures, or an .npy stack [N, H, W, 3]")
OUT = flags.DEFINE_string("out", None, "folder for results; made if need be")
BASELINES = flags.DEFINE_string(
    "baselines",
    "all",
    "compared with: jpeg, jpeg2000, webp, avif, heic, png, webp-lossless, linear; or all, or none",
)
QUALITIES = flags.DEFINE_list(
    "qualities", [str(quality) for quality in range(1, 11)], "of our files; default 1 to 10"
)
REFERENCE_DATA = flags.DEFINE_string(
    "reference-data",
    None,
    "training pictures for the linear reference: a pattern of files; sheets:PATTERN where every "
    "row of pixels is a tile",
)
PUBLISHED = flags.DEFINE_string("published", None, "also draw published curves: cifar10 or kodak")
BD_RANGE = flags.DEFINE_list(
    "bd-range", None, "LOW,HIGH: BD-rate between these bits a pixel of the other codec only"
)
ARCHIVE = flags.DEFINE_bool(
    "archive", True, "pictures of at most 128 pixels a side share one file of ours; else one each"
)
WORKERS = flags.DEFINE_integer(
    "workers", None, "processes for baselines; default as many as cores", lower_bound=1
)

_LARGEST_EDGE = 32  # of the linear reference's tiles: its transform has (3 edge^2)^2 numbers


def main(argv: list[str]) -> None:
    """The command: measures what is missing, then writes all results anew."""
    cli.positional(argv)
    for flag in (DATA, OUT):
        if flag.value is None:
            raise MscnError(f"give --{flag.name}; see {cli.program()} --help")
    qualities = _numbers(QUALITIES)
    if not qualities or not all(1 <= quality <= 10 for quality in qualities):
        raise MscnError(f"--qualities={','.join(QUALITIES.value)}: must be 1 to 10")
    bpp_range = _bpp_range()

    from mscn_tf.evaluation import baselines

    baselines.require("scipy", "matplotlib", "bjontegaard")
    wanted, linear = baselines.resolve(BASELINES.value, REFERENCE_DATA.value is not None)
    if linear and REFERENCE_DATA.value is None:
        raise MscnError("linear is fitted to training pictures: give --reference-data=PATTERN")

    from mscn_tf.evaluation import curves
    from mscn_tf.evaluation.coder import MscnCoder
    from mscn_tf.evaluation.rows import RowFile, Signal

    published = curves.published(PUBLISHED.value) if PUBLISHED.value else []
    ours = [MscnCoder(codec, qualities) for codec in CODEC.value]
    _check_names([coder.name for coder in ours], [*baselines.BASELINES, baselines.LINEAR])
    if not (ours or wanted or linear):
        raise MscnError("nothing to measure: give --codec or --baselines")
    pictures, names = images.read(DATA.value)
    if any(picture.shape[2] in (2, 4) for picture in pictures):
        raise MscnError(f"{DATA.value}: transparent pixels; flatten them onto a background")
    digits = len(str(len(pictures) - 1))
    names = names or [f"{index:0{digits}}" for index in range(len(pictures))]
    signals = [Signal.of(*pair) for pair in zip(names, pictures)]
    out = _made(OUT.value)
    rows = RowFile(out / "signals.csv")
    if not rows.is_of(signals):
        raise MscnError(f"{rows.path} has rows of other pictures; give another --out")

    from mscn_tf.evaluation.evaluate import Evaluation
    from mscn_tf.evaluation.linear_reference import LinearReference

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        references = []
        if linear:
            edge = min([_LARGEST_EDGE] + [coder.tile_edge for coder in ours])
            references = [LinearReference.fit(REFERENCE_DATA.value, edge, out)]
        codecs = ", ".join(coder.name for coder in ours) or "Baselines"
        evaluation = Evaluation(
            title=f"{codecs} on {Path(DATA.value).resolve().stem}",
            command=shlex.join(["mscn", "evaluate", *sys.argv[1:]]),
            signals=signals,
            ours=ours,
            references=references,
            baselines=wanted,
            published=published,
            bpp_range=bpp_range,
            workers=WORKERS.value or os.cpu_count() or 1,
            out=out,
            rows=rows,
            archive=ARCHIVE.value,
        )
        evaluation.measure()
        comparisons = evaluation.write()
    except KeyboardInterrupt:
        print(
            f"{cli.program()}: interrupted; the {len(rows)} rows in {rows.path} are kept, "
            "and the same command goes on from there",
            file=sys.stderr,
        )
        sys.exit(cli.INTERRUPTED)
    for label, others in comparisons.items():
        for other, found in others.items():
            if not math.isnan(found.percent):
                span = "{:.3g} to {:.3g} bpp".format(*found.bpp)
                each = found.per_signal
                mean = "" if math.isnan(each) else f"; {each:+.1f} % mean of each picture's"
                print(f"{label} against {other}: {found.percent:+.1f} % BD-rate ({span}){mean}")
    print(f"{out / 'report.html'}: {len(signals)} pictures, {len(rows)} rows in {rows.path}")


def _numbers(flag: flags.FlagHolder) -> list[float]:
    try:
        return [float(number) for number in flag.value]
    except ValueError as error:
        raise MscnError(f"--{flag.name}={','.join(flag.value)}: not numbers") from error


def _bpp_range() -> Optional[tuple[float, float]]:
    if BD_RANGE.value is None:
        return None
    numbers = _numbers(BD_RANGE)
    if len(numbers) != 2 or not 0 < numbers[0] < numbers[1] < math.inf:
        raise MscnError(f"--bd-range={','.join(BD_RANGE.value)}: give LOW,HIGH with LOW < HIGH")
    return numbers[0], numbers[1]


def _check_names(ours: Sequence[str], others: Sequence[str]) -> None:
    for name in ours:
        if ours.count(name) > 1 or name in others:
            raise MscnError(f"--codec: {name} is the name of two codecs; rename the file of one")


def _made(path: str) -> Path:
    """The folder, made and found writable."""
    out = Path(path)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MscnError(f"cannot make {path}: {error.strerror}; check --out") from error
    cli.check_writable(str(out / "report.html"))
    return out


def run() -> None:
    """Runs the command on `sys.argv` and exits."""
    cli.run(main)


if __name__ == "__main__":
    run()
