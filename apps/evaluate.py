"""usage: mscn evaluate [--codec=NAME|FILE,..] --data=FOLDER|FILE --out=DIR [flags]

Measures codecs on signals of any modality and compares them with others, in bytes of real files.
Writes to DIR: report.html with curves, BD-rates, and pictures side by side; curves.png;
results.json, and results/NAME.json as CompressAI has them; signals.csv, a row a signal and setting;
and our files. Called again with the same DIR it measures only what is missing there. What can't be
measured is left out and named.

Examples:
  mscn evaluate --codec=photo --data=photos/ --out=report/       # beside JPEG, WebP, AVIF, ...
  mscn evaluate --data=tas.nc --out=report/ --metric=psnr --published=era5
  mscn evaluate --data=voices/ --baselines=opus --qualities=3,5,8 --out=report/
"""

from __future__ import annotations

import math
import os
import shlex
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from absl import flags

from mscn_tf.apps import cli
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.lazy import imported
from mscn_tf.runtime.modality import Modality
from mscn_tf.signals import modalities

if TYPE_CHECKING:
    from mscn_tf.evaluation.assessment import Assessment
    from mscn_tf.evaluation.coder import MscnCoder
    from mscn_tf.evaluation.signal import Signal

CODEC = flags.DEFINE_list(
    "codec",
    None,
    "codecs: names that `mscn codecs` lists, or .mscnb files, separated by commas; default the "
    "modality's, of pictures none: then only baselines are measured",
)
DATA = flags.DEFINE_string("data", None, "folder or file of what `mscn encode` takes")
MODALITY = flags.DEFINE_enum(
    "modality", None, Modality.names(), "what the data are; default by --codec, then by their names"
)
METRIC = flags.DEFINE_string(
    "metric", None, "what curves and BD-rates are of: psnr, ms_ssim; rmse, ..; default by modality"
)
PAYLOAD = flags.DEFINE_bool(
    "payload", False, "rates without headers, of those codecs whose files tell them; default no"
)
OUT = flags.DEFINE_string("out", None, "folder for results; made if need be")
BASELINES = flags.DEFINE_string(
    "baselines",
    "all",
    "compared with: names, or all, or none; of pictures jpeg, jpeg2000, webp, avif, heic, png, "
    "webp-lossless, linear; default all",
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
PUBLISHED = flags.DEFINE_string(
    "published", None, "also draw published curves: cifar10, kodak; era5 of fields"
)
BD_RANGE = flags.DEFINE_list(
    "bd-range", None, "LOW,HIGH: BD-rate between these rates of the other codec only"
)
ARCHIVE = flags.DEFINE_bool(
    "archive",
    True,
    "signals of at most 128 samples a side share one file of ours; else one each; default yes",
)
BOUND = flags.DEFINE_float(
    "bound",
    None,
    "scenes: half the side of the cube that is coded; default 1.5 where it suits the cameras",
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
    rate_range = _rate_range()

    from mscn_tf.evaluation import baselines

    baselines.require("scipy", "matplotlib", "bjontegaard")

    from mscn_tf.evaluation import assessment, curves
    from mscn_tf.evaluation.coder import MscnCoder
    from mscn_tf.evaluation.rows import RowFile

    ours = [MscnCoder(codec, qualities) for codec in CODEC.value or []]
    name = _modality([coder.modality for coder in ours])
    wanted, linear = baselines.resolve(BASELINES.value, REFERENCE_DATA.value is not None, name)
    if linear and REFERENCE_DATA.value is None:
        raise MscnError("linear is fitted to training pictures: give --reference-data=PATTERN")
    kind = assessment.of(name)
    if METRIC.value is not None:
        kind = kind.by(METRIC.value)
    published = curves.published(PUBLISHED.value, kind) if PUBLISHED.value else []
    default = kind.modality.default_codec
    if CODEC.value is None and default is not None:
        ours = [MscnCoder(default, qualities)]
    ours += [MscnCoder(one.source, (1,), lossless=True) for one in ours if one.can_be_lossless]
    _check_names([coder.name for coder in ours], [*baselines.of(name), baselines.LINEAR])
    if not (ours or wanted or linear):
        raise MscnError("nothing to measure: give --codec or --baselines")
    signals, metadata, left_out, out = _signals(kind, ours)
    if len({one.array.shape for one in signals}) > 1:
        left_out += [f"{one.name} (takes signals of one shape)" for one in wanted if one.together]
        wanted = [one for one in wanted if not one.together]
    rows = RowFile(out / "signals.csv", name)
    if not rows.is_of(signals):
        raise MscnError(f"{rows.path} has rows of other {kind.nouns}; give another --out")

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
            rate_range=rate_range,
            workers=WORKERS.value or os.cpu_count() or 1,
            out=out,
            rows=rows,
            archive=ARCHIVE.value,
            assessment=kind,
            metadata=metadata,
            payload=PAYLOAD.value,
            quiet=cli.QUIET.value,
            left_out=left_out,
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
    if evaluation.left_out:
        cli.note(f"left out: {'; '.join(evaluation.left_out)}")
    for label, others in comparisons.items():
        for other, comparison in others.items():
            if comparison.rate is None:
                cli.tell(f"{label} against {other}: {comparison.apart}")
            else:
                span = "{:.3g} to {:.3g} ".format(*comparison.rate) + kind.rate.unit
                each = comparison.per_signal
                mean = "" if math.isnan(each) else f"; {each:+.1f} % mean of each {kind.noun}'s"
                cli.tell(
                    f"{label} against {other}: {comparison.percent:+.1f} % BD-rate ({span}){mean}"
                )
    cli.tell(f"{out / 'report.html'}: {kind.count(signals)}, {len(rows)} rows in {rows.path}")


def _modality(of_codecs: Sequence[str]) -> str:
    """What the data are: as a flag says, or by the codecs, or by their names."""
    if len(set(of_codecs)) > 1:
        raise MscnError(f"--codec: codecs of {' and '.join(sorted(set(of_codecs)))}; give one kind")
    name = MODALITY.value or (of_codecs[0] if of_codecs else modalities.guess(DATA.value))
    if of_codecs and of_codecs[0] != name:
        raise MscnError(f"--codec encodes {of_codecs[0]} signals, --modality says {name}")
    return name


def _signals(
    kind: Assessment, ours: Sequence[MscnCoder]
) -> tuple[list[Signal], Optional[dict[str, Any]], list[str], Path]:
    """The signals, their common metadata, what is left out, and the folder for results, made."""
    if kind.fitted:
        signals, metadata, out = _fitted(kind)
        return signals, metadata, [], out
    from mscn_tf.evaluation import reading

    options = {}
    if ours:  # grids that suit the first one's tiles
        manifest = ours[0].bundle.manifest
        options = kind.modality.tile_options(manifest.tile_edge, manifest.tile_overlap)
    return (*reading.read(DATA.value, kind, options), _made(OUT.value))


def _fitted(kind: Assessment) -> tuple[list[Signal], Optional[dict[str, Any]], Path]:
    """Signals that are fitted to files, with TensorFlow."""
    # What is wrong is said before the folder is made.
    for note in kind.posed(DATA.value, BOUND.value) if kind.posed else ():
        cli.note(note)
    cli.require_tensorflow()
    out = _made(OUT.value)
    with cli.importing_tensorflow():
        fitted = imported(kind.fitted)
    read, original = fitted(DATA.value, BOUND.value, out, cli.shows_progress())
    return kind.signals(DATA.value, read, [original]), read.metadata, out


def _numbers(flag: flags.FlagHolder) -> list[float]:
    try:
        return [float(number) for number in flag.value]
    except ValueError as error:
        raise MscnError(f"--{flag.name}={','.join(flag.value)}: not numbers") from error


def _rate_range() -> Optional[tuple[float, float]]:
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
