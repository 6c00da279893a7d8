"""usage: mscn codecs

Lists the codecs that come with the package, what each is for and not for, and what it was trained
on under which terms.

Examples:
  mscn codecs
  mscn codecs | grep mesh     # one of them
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from mscn_tf.apps import cli
from mscn_tf.runtime.bundle import SHIPPED, SUFFIX, Bundle
from mscn_tf.runtime.container import MAX_SIDE
from mscn_tf.runtime.errors import printable
from mscn_tf.runtime.modality import Modality

_ROW = "{:17} {:>10}  {:16}  {:10}  {:8}  {}"
_WIDTH = 100

# Of each shipped codec: what it is for; what not, by what data from elsewhere have shown.
PURPOSES = {
    "faces32": ("aligned faces of 32x32 in an archive", "other pictures"),
    "faces64": ("aligned faces of 64x64, below 300 bytes", "other pictures, high quality"),
    "field": ("fields of any variable, within a bound", "the lowest rates"),
    "gated-faces-first": ("files of the first gated-faces32", "small files: take faces32"),
    "gated-faces32": ("studying sparse updates of a network", "small files: take faces32"),
    "gated-temperature": ("studying sparse shifts of its units", "small files: take temperature"),
    "gated-voxels32": ("studying sparse latents of solids", "small lossy files: take voxels32"),
    "mesh": ("closed solids within a bound", "few bytes: take surface"),
    "photo": ("photographs; drawings without loss", "large drawings in a hurry"),
    "photo-bsds500": ("files of the first photo", "commercial use"),
    "photo-fifth": ("files of photo before taps of their own", "large drawings in a hurry"),
    "photo-first": ("files of photo with its first filter", "drawings and screenshots"),
    "photo-fourth": ("files of photo with one filter for all", "drawings and screenshots"),
    "photo-plain": ("files of photo before it had a filter; faster", "the lowest rates"),
    "photo-second": ("files of photo before it saw drawings", "drawings and screenshots"),
    "photo-third": ("files of photo before it had shares", "drawings and screenshots"),
    "scene": ("small views of one object", "large scenes, fine detail"),
    "silhouette64": ("filled shapes with one contour or few", "text, thin lines"),
    "speech": ("voices at 8 kHz", "music, other sample rates, soft noise"),
    "surface": ("closed solids in a few kilobytes", "flat panels: take Draco"),
    "temperature": ("months of global temperature", "other variables, bounds"),
    "thumb32": ("archives of pictures of 32x32", "larger pictures"),
    "thumb32-cifar10": ("pictures like CIFAR-10's; files of the first thumb32", "commercial use"),
    "volume": ("heads in T1, at low rates", "high quality; labels are coded without loss"),
    "voxels32": ("solid shapes of 32x32x32, without loss", "noise, large grids"),
}


def main(argv: list[str]) -> None:
    """The command: one line a codec, one of what it is for, and its licence."""
    cli.positional(argv)
    print(_ROW.format("name", "bytes", "id", "modality", "tile", "qualities"))
    for name in Bundle.names():
        bundle = Bundle.load(name)
        manifest = bundle.manifest
        edge = manifest.tile_edge
        print(
            _ROW.format(
                printable(name),
                f"{(SHIPPED / (name + SUFFIX)).stat().st_size:,}",
                bundle.id[:8].hex(),
                manifest.modality,
                "whole"
                if edge == MAX_SIDE
                else "x".join([str(edge)] * Modality.named(manifest.modality).axes),
                _range(manifest.qualities),
            )
        )
    print()
    for name, (suited, unsuited) in PURPOSES.items():
        print(f"{name:17} for {suited}; not for {unsuited}")
    print("\ntrained on:")
    for name in Bundle.names():
        print("\n".join(_licence_lines(name, Bundle.load(name))))


def _licence_lines(name: str, bundle: Bundle) -> list[str]:
    """What a codec was trained on, under which terms and whose it is."""
    licence = bundle.licence
    if licence is None:
        return [f"{name:17} not said"]
    text = printable(f"{licence.data}. Terms: {licence.terms}. By {licence.attribution}.")
    return textwrap.wrap(text, _WIDTH, initial_indent=f"{name:17} ", subsequent_indent=" " * 18)


def _range(qualities: Sequence[float]) -> str:
    """Shortest and longest of a list of qualities, as the manifest has it."""
    return f"{min(qualities):g} to {max(qualities):g}" if qualities else ""


def run() -> None:
    """Runs the command on `sys.argv` and exits."""
    cli.run(main)


if __name__ == "__main__":
    run()
