"""usage: mscn encode [--codec=NAME|FILE] [--quality=1..10 | --bpp=X | --bytes=N | --psnr=Y]
                   [--max-error=E | --relative-error=R | --lossless] [--effort=0..9] IN [OUT.mscn]

Compresses IN: a picture, a folder of pictures or an .npy stack of them (uint8 or floats in
[0, 1], [N, H, W, 3] or [N, H, W]); a folder or a stack makes an archive. Other signals are known by
their files' endings or by --modality; a folder with transforms.json is a scene, whose fit needs
TensorFlow; nothing else does. IN may be "-", standard input, and OUT "-", standard output; OUT is
IN's name with the ending .mscn where it is left out.

The file is read back before it is kept. A signal that lost more than half of its own spread is
refused, as are values that the codec doesn't know; --force writes them all the same. Where no
quality was asked for, a loss of more than a quarter is said.

Examples:
  mscn encode photo.png                         # photo.mscn, at quality 5
  mscn encode --bpp=0.5 photo.png small.mscn    # at most half a bit a pixel
  mscn encode --max-error=0.5 tas.nc tas.mscn   # no value is off by more than half a kelvin
  mscn encode --lossless icons/ icons.mscn      # a folder of pictures, pixel by pixel
"""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from typing import Any

from absl import flags

from mscn_tf.apps import cli, streams
from mscn_tf.codec import Codec, checked
from mscn_tf.codec.checked import Wanted
from mscn_tf.codec.read_back import MOST_LOST, ReadBack
from mscn_tf.runtime.bundle import Bundle
from mscn_tf.runtime.container import Container
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.lazy import imported
from mscn_tf.runtime.modality import Modality
from mscn_tf.runtime.quality import PSNR as BY_PSNR
from mscn_tf.runtime.quality import SSIM as BY_SSIM
from mscn_tf.runtime.workers import allow_processes, check_threads
from mscn_tf.signals import modalities
from mscn_tf.signals.signal import Signals

CODEC = flags.DEFINE_string(
    "codec",
    None,
    "codec: a name that `mscn codecs` lists, or a .mscnb file; default by modality and size",
)
MODALITY = flags.DEFINE_enum(
    "modality", None, Modality.names(), "what IN holds; default by its name's ending or its content"
)
QUALITY = flags.DEFINE_float("quality", None, "1 (smallest) to 10 (best), steps of 1/16; default 5")
BPP = flags.DEFINE_float("bpp", None, "bits a pixel, or sample, that the file may take at most")
BYTES = flags.DEFINE_integer("bytes", None, "bytes that the file may take at most")
PSNR = flags.DEFINE_float("psnr", None, "dB that the decoded signal must reach")
MAX_ERROR = flags.DEFINE_float(
    "max-error",
    None,
    "no value may be off by more, in the units of IN; alone or with --quality; of voxels 0, "
    "without loss, is the default",
)
RELATIVE_ERROR = flags.DEFINE_float(
    "relative-error",
    None,
    "no value may be off by more than this share of the range of all values of its signal, of a "
    "field of its variable: 0.001 is a thousandth",
)
LOSSLESS = flags.DEFINE_bool("lossless", False, "every value comes back as it was; default no")
ALPHA_QUALITY = flags.DEFINE_float(
    "alpha-quality", None, "pictures: 1 to 10, transparency with losses; default without"
)
EFFORT = flags.DEFINE_integer(
    "effort",
    None,
    "1 (fast) to 9 (small): how often bits are weighed anew; of tiles also 0 (fastest); default 3 "
    "of photographs, 2 of others",
)
TUNE = flags.DEFINE_enum(
    "tune",
    BY_PSNR,
    (BY_PSNR, BY_SSIM),
    "photographs: what is to be best for the bytes: PSNR, or MS-SSIM, which tells more of what is "
    "seen; default psnr",
)
THREADS = flags.DEFINE_integer(
    "threads",
    1,
    "processes that share the work on a large picture, or threads of a codec's network; default 1",
)
METADATA = flags.DEFINE_enum(
    "metadata",
    "drop",
    ("drop", "keep"),
    "pictures: what becomes of EXIF, XMP and dpi (the orientation is applied); default drop",
)
VARIABLES = flags.DEFINE_list("variables", None, "fields: which, as A,B; default all that can be")
OTHERS = flags.DEFINE_enum(
    "others",
    "keep",
    ("keep", "drop"),
    "fields: what becomes of variables that are none: kept without loss, or left out; default keep",
)
BOUND = flags.DEFINE_float(
    "bound",
    None,
    "scenes: half the side of the cube that is coded; default 1.5 where it suits the cameras",
)
RESOLUTION = flags.DEFINE_integer(
    "resolution", 48, "scenes: points of the grid along each axis; default 48"
)
FIT_STEPS = flags.DEFINE_integer(
    "fit-steps", 600, "scenes: gradient steps of the grid's fit; default 600"
)
FORCE = flags.DEFINE_bool(
    "force", False, "replace OUT if it is there; keep what lost too much; default no"
)
MEASURE = flags.DEFINE_bool(
    "measure", True, "read the file back, to check and to measure it; default yes"
)


def main(argv: list[str]) -> None:
    """The command: encodes, reads back what it made, writes it, and prints size and quality."""
    source, target = _paths(argv)
    goal = _goal()
    check_threads(THREADS.value)
    allow_processes()
    with streams.input_path(source) as path:
        modality = Modality.named(MODALITY.value or modalities.guess(path))
        signals = _read(path, source, modality)
        for note in signals.notes:
            cli.note(note.replace(path, streams.name_of(source)))
        codec = Codec(_bundle(CODEC.value or _default_codec(modality, signals)), THREADS.value)
        if codec.bundle.manifest.modality != modality.name:
            raise MscnError(
                f"{source} holds {modality.name} signals, {codec.bundle.name} encodes "
                f"{codec.bundle.manifest.modality} ones; give another --codec or --modality"
            )
        wanted = _wanted(goal).of(codec, signals)
        _check_fit(codec, signals, wanted, source)
        made = checked.encode(codec, signals, wanted, cli.shows_progress())
        for note in made.notes:
            cli.note(f"{source}: {note}")
        _check_loss(made.comparison, signals, goal, source)
        streams.write(target, made.data)
        _compare_size(len(made.data), path, source, target)
    summary = _summary(target, made.data, signals, modality, made.comparison)
    cli.tell(summary, target == streams.STANDARD)


def _paths(argv: list[str]) -> tuple[str, str]:
    """IN and OUT, which are different files."""
    if len(argv) == 2:
        source, target = argv[1], streams.beside(argv[1], ".mscn")
        if target is None:
            raise MscnError("give OUT.mscn, or - for standard output")
        streams.check_free(target, FORCE.value, (source,))
    elif len(argv) > 3:
        raise MscnError(
            f"takes IN and OUT.mscn, got {len(argv) - 1} arguments; for an archive of several "
            f"signals give the folder that holds them; see {cli.program()} --help"
        )
    else:
        source, target = cli.positional(argv, "IN", "OUT.mscn")
    if target == streams.STANDARD:
        return source, target
    if modalities.is_signal(target) and not FORCE.value:
        raise MscnError(
            f"OUT is {target}, which ends like a signal's file; let it end in .mscn, or use --force"
        )
    # A file of ours may be made anew, anything else stays.
    streams.check_free(target, FORCE.value or streams.is_mscn(target), (source,))
    cli.check_writable(target)
    return source, target


def _read(path: str, source: str, modality: Modality) -> Signals:
    """The signals of IN, before coding."""
    if modality.fit:
        cli.require_tensorflow()
        with cli.importing_tensorflow():
            imported(modality.fit)
    try:
        signals = modalities.read(path, modality.name, **_options(modality))
        problem = modalities.unfit(modality.name, signals, MOST_LOST) if MEASURE.value else None
        if problem is not None and not FORCE.value:
            raise MscnError(f"{path}: {problem}; --force encodes it as it is")
    except MscnError as error:  # of who never heard of `source`
        raise MscnError(str(error).replace(path, streams.name_of(source))) from error
    return signals


def _options(modality: Modality) -> dict[str, Any]:
    """What flags and the codec say to the reader of a modality."""
    options: dict[str, Any] = {
        "keep_metadata": METADATA.value == "keep",
        "variables": VARIABLES.value,
        "lossless": LOSSLESS.value or 0 in (MAX_ERROR.value, RELATIVE_ERROR.value),
        "others": OTHERS.value,
        "max_error": MAX_ERROR.value,
        "relative_error": RELATIVE_ERROR.value,
        "bound": BOUND.value,
        "resolution": RESOLUTION.value,
        "steps": FIT_STEPS.value,
        "progress": cli.shows_progress(),
    }
    chosen = CODEC.value or modality.unasked(_bounded())
    if chosen and not options.keys() >= set(modality.options):  # grids that suit its tiles
        manifest = _bundle(chosen).manifest
        if manifest.modality == modality.name:
            options.update(modality.tile_options(manifest.tile_edge, manifest.tile_overlap))
    return {name: options[name] for name in modality.options if name in options}


@cache  # `_options` and `main` ask for the same one
def _bundle(name: str) -> Bundle:
    return Bundle.load(name)


def _default_codec(modality: Modality, signals: Signals) -> str:
    return modalities.default_codec(modality.name, signals, _bounded())


def _bounded() -> bool:
    return MAX_ERROR.value is not None or RELATIVE_ERROR.value is not None


def _wanted(goal: dict[str, float]) -> Wanted:
    """What flags ask for."""
    bound, relative = MAX_ERROR.value, RELATIVE_ERROR.value
    if relative == 0:  # of any range
        bound, relative = 0.0, None
    return Wanted(
        goal,
        bound,
        relative,
        LOSSLESS.value,
        ALPHA_QUALITY.value,
        EFFORT.value,
        MEASURE.value,
        TUNE.value,
    )


def _check_fit(codec: Codec, signals: Signals, wanted: Wanted, source: str) -> None:
    """Refuses signals of another kind than the codec was made for."""
    problem = checked.misfit(codec, signals, wanted)
    if problem is None:
        return
    if not FORCE.value:
        raise MscnError(
            f"{source}: {problem}; give --max-error=E or --lossless, or --force to encode it all "
            "the same"
        )
    cli.note(f"{source}: {problem}")


def _check_loss(
    comparison: ReadBack | None, signals: Signals, goal: dict[str, float], source: str
) -> None:
    """Refuses what came back as little more than noise; says it of single signals of many."""
    problem = checked.loss(comparison, signals)
    if comparison is None or problem is None:
        return
    cure = "ask for more" if goal else "another --codec may know such signals"
    if comparison.too_much and not FORCE.value:
        raise MscnError(
            f"{source}: {problem}; {cure}, or take --lossless, or --max-error where the codec "
            "keeps one; --force keeps it as it is"
        )
    cli.note(f"{source}: {problem}")


def _compare_size(size: int, path: str, source: str, target: str) -> None:
    given = Path(path).parent if path.endswith(".json") else Path(path)  # pictures lie beside
    files = [p for p in given.rglob("*") if p.is_file()] if given.is_dir() else [given]
    before = sum(file.stat().st_size for file in files)
    if size > before:
        cli.note(
            f"{target} is larger than {streams.name_of(source)}: {size:,} bytes, not {before:,}; "
            "keep that, or lower --quality"
        )


def _summary(
    target: str, data: bytes, signals: Signals, modality: Modality, comparison: ReadBack | None
) -> str:
    bpp = 8 * len(data) / sum(map(math.prod, Container.from_bytes(data, lazy=True).shapes))
    count = f"{modality.count(len(signals.arrays))}, " if len(signals.arrays) > 1 else ""
    rate = f"{bpp:.3f}" if bpp >= 0.1 else f"{bpp:.3g}"
    quality = "" if comparison is None else f", {comparison}"
    name = "standard output" if target == streams.STANDARD else target
    return f"{name}: {count}{len(data):,} bytes, {rate} bpp{quality}"


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
    bounds = [flag for flag in (MAX_ERROR, RELATIVE_ERROR) if flag.value is not None]
    if LOSSLESS.value and (given or bounds):
        raise MscnError("--lossless leaves no choice of rate, quality or error; give it alone")
    if len(bounds) > 1:
        raise MscnError("give one of --max-error and --relative-error")
    for flag in bounds:
        if not 0 <= flag.value < math.inf:
            raise MscnError(f"--{flag.name}={flag.value:g}: must be 0 or more")
    if EFFORT.value is not None and not 0 <= EFFORT.value <= 9:
        raise MscnError(f"--effort={EFFORT.value}: must be 0 to 9")
    if BYTES.name in given:
        given["size"] = given.pop(BYTES.name)
    return given


def run() -> None:
    """Runs the command on `sys.argv` and exits."""
    cli.run(main)


if __name__ == "__main__":
    run()
