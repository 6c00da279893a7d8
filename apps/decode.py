"""usage: mscn decode [--scale=S | --size=WxH] [--region=X,Y,W,H] [--item=I] IN.mscn OUT

Writes the signal of IN.mscn to OUT, in the format that OUT's name ends in. An archive goes to a
folder (OUT is one, or has no ending), to an .npy stack, or one signal of it with --item. Sizes and
regions have as many axes as the signal, innermost first: --size=N of a sound, WxHxD of a volume.
"""

from __future__ import annotations

import os
import re
from typing import Optional

from absl import flags

from mscn_tf.apps import cli
from mscn_tf.runtime.codec import Codec
from mscn_tf.runtime.container import MODALITIES, Container
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.files import read_bytes
from mscn_tf.signals import images
from mscn_tf.signals.modalities import module_of

CODEC = flags.DEFINE_string(
    "codec", None, "codec that IN was made with; only needed for one that doesn't come with mscn"
)
SCALE = flags.DEFINE_float("scale", None, "output size as a multiple of the signal's or region's")
SIZE = flags.DEFINE_string("size", None, "output size as WIDTHxHEIGHT in pixels")
REGION = flags.DEFINE_string("region", None, "part of the signal: X,Y,WIDTH,HEIGHT in its pixels")
POSES = flags.DEFINE_string(
    "poses", None, "scenes: a transforms.json whose views are rendered; default an orbit"
)
ITEM = flags.DEFINE_integer("item", None, "which signal of an archive, counted from 0")


def main(argv: list[str]) -> None:
    """The command: decodes everything before it writes anything."""
    source, target = cli.positional(argv, "IN.mscn", "OUT")
    size, region = _size(), _region()
    if SCALE.value is not None and size is not None:
        raise MscnError("give one of --scale and --size")
    suffix = os.path.splitext(target)[1].lower()
    folder = os.path.isdir(target) or not suffix or target.endswith(os.sep)
    if not folder:
        cli.check_writable(target)
    container = Container.from_bytes(read_bytes(source), source, lazy=True)
    codec = Codec.of(container, CODEC.value)
    modality = MODALITIES[container.modality]
    if modality == "image" and not folder and suffix != ".npy":
        images.check_format(target)
    single = container.items == 1 or ITEM.value is not None
    if single:
        item = ITEM.value or 0
        pictures = [codec.decode(container, item, SCALE.value, size, region)]
    elif size is not None or region is not None:
        raise MscnError(f"{source} holds {container.items} signals; name one with --item=I")
    elif folder or suffix == ".npy" or modality != "image":
        pictures = codec.decode_all(container, SCALE.value)
    else:
        raise MscnError(
            f"{source} holds {container.items} pictures; let OUT be a folder or an .npy file, "
            "or name one picture with --item=I"
        )

    if modality != "image":
        names = container.names
        if names and single:
            names = names[item : item + 1]
        view = {
            "item": item if single else None,
            "shapes": container.shapes,
            "scale": SCALE.value,
            "size": size,
            "region": region,
            "poses": POSES.value,
        }
        told = module_of(modality).write(target, list(pictures), names, container.metadata, view)
        print(f"{target}: {told}")
    elif folder:
        names = container.names or [f"{i:06d}" for i in range(container.items)]
        files = images.write_folder(target, pictures, names[item : item + 1] if single else names)
        print(f"{target}: {len(files)} pictures, {files[0]} to {files[-1]}")
    elif suffix == ".npy":
        pictures = list(pictures)
        images.write_stack(target, pictures)
        print(f"{target}: {len(pictures)} pictures")
    else:
        images.write_picture(target, pictures[0])
        height, width, channels = pictures[0].shape
        print(f"{target}: {width}x{height} {images.KINDS[channels]}")


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
