"""usage: mscn encode-archive [--quality=1..10 | --bpp=X | --psnr=Y | --lossless] [--effort=0..9]
                   [--codec=NAME|FILE] [--shard-items=N] [--workers=N] PATTERN OUT [-- BEAM FLAGS]

Compresses the pictures and .npy stacks that a quoted PATTERN names (with ** for folders within)
into shards in the folder OUT, as an Apache Beam pipeline. Run again after a stop, it goes on.
Items that can't be encoded are set aside in OUT/failed.tsv; then the exit code is 1. What reading
changed of others, such as colour spaces, is in OUT/notes.txt.

Examples:
  mscn encode-archive 'thumbnails/**/*.png' archive/
  mscn encode-archive --codec=photo --bpp=0.5 'photos/*.jpg' archive/
"""

from __future__ import annotations

import importlib.util
import logging
import os
import sys

from absl import flags

from mscn_tf.apps import cli
from mscn_tf.runtime.bundle import Bundle
from mscn_tf.runtime.errors import MscnError, install
from mscn_tf.runtime.modality import Modality

CODEC = flags.DEFINE_string(
    "codec", "thumb32", "codec of pictures: a name, or a .mscnb file; default thumb32"
)
QUALITY = flags.DEFINE_float("quality", None, "1 (smallest) to 10 (best); default 5")
BPP = flags.DEFINE_float("bpp", None, "bits a pixel that each shard may take at most")
PSNR = flags.DEFINE_float("psnr", None, "dB that the pictures of each shard must reach, as a mean")
LOSSLESS = flags.DEFINE_bool("lossless", False, "store the pictures as they are; default no")
EFFORT = flags.DEFINE_integer(
    "effort",
    None,
    "1 (fast) to 9 (small); of tiles also 0 (fastest); default 3 of photographs, 2 of others",
    0,
    9,
)
SHARD_ITEMS = flags.DEFINE_integer("shard-items", 1024, "items of a shard at most; default 1024", 1)
WORKERS = flags.DEFINE_integer(
    "workers", os.cpu_count(), "processes of the local runner; default as many as cores", 1
)
SOME_FAILED = 1


def main(argv: list[str]) -> None:
    """The command: plans, encodes what isn't there yet, writes index and manifest."""
    if len(argv) < 3:
        raise MscnError(f"takes PATTERN and OUT; see {cli.program()} --help")
    pattern, out, *beam_flags = argv[1:]
    if importlib.util.find_spec("apache_beam") is None:
        raise MscnError(f"needs apache-beam: {install('beam')}")
    from mscn_tf.archives import index, plan

    goal = {flag.name: flag.value for flag in (QUALITY, BPP, PSNR) if flag.value is not None}
    if LOSSLESS.value:
        goal["lossless"] = True
    if len(goal) > 1:
        raise MscnError(f"give one of {' and '.join('--' + name for name in goal)}")
    bundle = Bundle.load(CODEC.value)
    if not Modality.named(bundle.manifest.modality).pixels:
        raise MscnError(f"codec {bundle.name} is for {bundle.manifest.modality}, not pictures")
    lowest = bundle.scheme.lowest_effort
    effort = bundle.scheme.default_effort if EFFORT.value is None else EFFORT.value
    if effort < lowest:
        raise MscnError(f"--effort={effort}: of codec {bundle.name} must be {lowest} to 9")
    goal["effort"] = effort
    shards = plan.plan(pattern, SHARD_ITEMS.value)
    settings = {"codec": bundle.name, "bundle_id": bundle.id.hex(), **goal}
    index.begin(out, settings, shards)
    logging.disable(logging.WARNING)  # Beam's, of parts of it that aren't used here
    from mscn_tf.archives import pipeline

    codec = CODEC.value if CODEC.value in Bundle.names() else os.path.abspath(CODEC.value)
    pipeline.run(shards, codec, os.path.abspath(out), goal, WORKERS.value, beam_flags)
    manifest = index.finish(out, settings, shards)
    cli.tell(
        f"{out}: {manifest['items']} items in {len(manifest['shards'])} shards, "
        f"{manifest['bytes']:,} bytes"
    )
    sys.stdout.flush()
    if manifest["notes"]:
        cli.note(f"reading changed some items; see {out}/{index.NOTES}")
    if manifest["failed"]:
        print(
            f"{cli.program()}: {manifest['failed']} items set aside; see {out}/{index.FAILED}",
            file=sys.stderr,
        )
        sys.exit(SOME_FAILED)


def run() -> None:
    """Runs the command on `sys.argv` and exits."""
    cli.run(main)


if __name__ == "__main__":
    run()
