"""usage: mscn decode [--scale=S | --size=WxH] [--region=X,Y,W,H] [--item=I] IN.mscn [OUT]

Writes the signal of IN.mscn to OUT, in the format that OUT's name ends in. An archive goes to a
folder (OUT is one, or has no ending), to an .npy stack, or one signal of it with --item. Sizes and
regions have as many axes as the signal, innermost first: --size=N of a sound, WxHxD of a volume.
IN and OUT may be "-", standard input and output. Where OUT is left out it is IN's name with an
ending that suits the signal. A file that is there already is replaced only with --force.

Examples:
  mscn decode photo.mscn photo.png
  mscn decode --region=0,0,256,256 --scale=2 photo.mscn part.png    # a corner, twice as large
  mscn decode thumbnails.mscn out/                                  # all of an archive
  mscn decode --item=17 thumbnails.mscn - > one.png                 # one of them, to a pipe
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Optional

import numpy as np
from absl import flags

from mscn_tf.apps import cli, streams
from mscn_tf.runtime.container import Container
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.file_decoder import FileDecoder
from mscn_tf.runtime.modality import Modality
from mscn_tf.runtime.progress import shown
from mscn_tf.runtime.workers import allow_processes
from mscn_tf.signals.modalities import check_metadata, write
from mscn_tf.signals.signal import Selection

CODEC = flags.DEFINE_string(
    "codec", None, "codec that IN was made with; only needed for one that doesn't come with mscn"
)
SCALE = flags.DEFINE_float("scale", None, "output size as a multiple of the signal's or region's")
SIZE = flags.DEFINE_string("size", None, "output size as WIDTHxHEIGHT in pixels")
REGION = flags.DEFINE_string("region", None, "part of the signal: X,Y,WIDTH,HEIGHT in its pixels")
POSES = flags.DEFINE_string(
    "poses", None, "scenes: a transforms.json whose views are rendered; default an orbit"
)
THREADS = flags.DEFINE_integer(
    "threads",
    1,
    "processes that share the work on a large picture, or threads of a codec's network; default 1",
)
ITEM = flags.DEFINE_integer("item", None, "which signal of an archive, counted from 0")
FORCE = flags.DEFINE_bool("force", False, "replace files that are there already; default no")


def main(argv: list[str]) -> None:
    """The command: what it decodes appears complete or not at all."""
    source, given = _paths(argv)
    size, region = _size(), _region()
    if SCALE.value is not None and size is not None:
        raise MscnError("give one of --scale and --size")
    data = streams.read(source)
    container = Container.from_bytes(data, streams.name_of(source), lazy=True)
    check_metadata(container)
    modality = Modality.numbered(container.modality)
    target = given or _beside(source, container, modality)
    folder = target != streams.STANDARD and (
        os.path.isdir(target) or not os.path.splitext(target)[1] or target.endswith(os.sep)
    )
    if not folder and target != streams.STANDARD:
        streams.check_free(target, FORCE.value, (source,))
        cli.check_writable(target)
    item = (ITEM.value or 0) if container.items == 1 else ITEM.value
    if item is None and (size is not None or region is not None):
        raise MscnError(f"{source} holds {modality.count(container.items)}; name one with --item=I")
    selection = Selection(container.shapes, item, SCALE.value, size, region, POSES.value)
    allow_processes()
    codec = FileDecoder.of(container, CODEC.value, threads=THREADS.value)
    arrays = _decoded(codec, container, selection)
    names = container.names
    if names and item is not None:
        names = names[item : item + 1]
    written = streams.output_path(target, modality.ending, folder, FORCE.value)
    with shown(container, "decoding", cli.shows_progress()), written as path:
        told = write(path, modality.name, arrays, names, container.metadata, selection)
    standard = target == streams.STANDARD
    cli.tell(f"{'standard output' if standard else target}: {told}", standard)


def _paths(argv: list[str]) -> tuple[str, Optional[str]]:
    """IN, and OUT where it was given."""
    if len(argv) == 2 and argv[1] != streams.STANDARD:
        return argv[1], None
    source, target = cli.positional(argv, "IN.mscn", "OUT")
    return source, target


def _beside(source: str, container: Container, modality: Modality) -> str:
    """OUT where it wasn't given: IN's name with the ending of one signal, or of a folder."""
    target = streams.beside(source, "" if container.items > 1 else modality.ending)
    return streams.STANDARD if target is None else target


def _decoded(
    codec: FileDecoder, container: Container, selection: Selection
) -> Iterator[np.ndarray]:
    """What is selected of a file, signal by signal."""
    if selection.item is None:
        yield from codec.decode_all(container, selection.scale)
    else:
        yield codec.decode(
            container, selection.item, selection.scale, selection.size, selection.region
        )


def _size() -> Optional[tuple[int, ...]]:
    if SIZE.value is None:
        return None
    if not re.fullmatch(r"\d{1,9}(x\d{1,9}){0,2}", SIZE.value):
        raise MscnError(f"--size={SIZE.value}: must be WIDTHxHEIGHT, such as 640x480")
    return tuple(map(int, SIZE.value.split("x")))


def _region() -> Optional[tuple[int, ...]]:
    if REGION.value is None:
        return None
    if not re.fullmatch(r"-?\d{1,9}(,-?\d{1,9}){1,5}", REGION.value):
        raise MscnError(
            f"--region={REGION.value}: must be X,Y,WIDTH,HEIGHT, for instance 0,0,64,64"
        )
    return tuple(map(int, REGION.value.split(",")))


def run() -> None:
    """Runs the command on `sys.argv` and exits."""
    cli.run(main)


if __name__ == "__main__":
    run()
