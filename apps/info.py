"""usage: mscn info [--json] [--limit=N] [--plot=OUT.png [--original=FILE] [--item=I]] IN.mscn

Shows what a .mscn file holds and what its bytes are spent on; --plot draws one of its signals, its
error against the file that it was made from, and which elements of its code are not zero.

Examples:
  mscn info photo.mscn
  mscn info --json --limit=1000 thumbnails.mscn                 # of each of the first 1000 items
  mscn info --plot=plot.png --original=photo.png photo.mscn     # what was lost, and where
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from typing import Any, Optional

from absl import flags

from mscn_tf.apps import cli, streams
from mscn_tf.runtime.bundle import Bundle
from mscn_tf.runtime.container import Container
from mscn_tf.runtime.errors import MscnError, install, printable
from mscn_tf.runtime.file_decoder import FileDecoder
from mscn_tf.runtime.files import atomic_write, read_bytes
from mscn_tf.runtime.modality import Modality
from mscn_tf.signals import modalities

JSON = flags.DEFINE_bool("json", False, "print JSON; default no")
LIMIT = flags.DEFINE_integer("limit", 20, "how many items are shown; default 20", lower_bound=0)

PLOT = flags.DEFINE_string("plot", None, "a picture to draw: .png, .svg or .pdf")
ORIGINAL = flags.DEFINE_string("original", None, "what IN was made from, for the plot's error")
ITEM = flags.DEFINE_integer(
    "item", 0, "which signal of an archive is drawn, counted from 0; default 0"
)
CODEC = flags.DEFINE_string(
    "codec", None, "codec that IN was made with; only needed for one that doesn't come with mscn"
)
FORCE = flags.DEFINE_bool("force", False, "replace the plot if it is there; default no")

_FOLLOW = "items follow from others: up to 8 are decoded for one"
_LONG_TEXT = 200  # characters; longer ones are headers, masks or the like, in base 64


def main(argv: list[str]) -> None:
    """The command: reads the file without decoding it, but to draw it."""
    (source,) = cli.positional(argv, "IN.mscn")
    if PLOT.value is not None:
        _plot(source, PLOT.value)
        return
    info = FileDecoder.info(read_bytes(source), source, LIMIT.value)
    bundle = Bundle.find(bytes.fromhex(info["codec"]))
    info["codec_name"] = None if bundle is None else bundle.name
    licence = None if bundle is None else bundle.licence
    info["licence"] = None if licence is None else asdict(licence)
    if JSON.value:
        print(json.dumps({**info, "metadata": _shortened(info["metadata"])}, indent=1))
    else:
        print(_table(source, info))


def _shortened(metadata: Any) -> Any:
    """JSON whose long texts are only counted."""
    if isinstance(metadata, dict):
        return {name: _shortened(value) for name, value in metadata.items()}
    if isinstance(metadata, list):
        return [_shortened(value) for value in metadata]
    if isinstance(metadata, str) and len(metadata) > _LONG_TEXT:
        return f"({len(metadata)} characters)"
    return metadata


def _plot(source: str, target: str) -> None:
    streams.check_free(target, FORCE.value, (source, ORIGINAL.value or source))
    cli.check_writable(target)
    kind = os.path.splitext(target)[1][1:].lower()
    if kind not in ("png", "svg", "pdf"):
        raise MscnError(f"--plot={target}: let it end in .png, .svg or .pdf")
    try:
        from mscn_tf.evaluation.item_figure import item_figure
    except ModuleNotFoundError as error:
        raise MscnError(f"--plot needs {error.name}: {install('evaluate')}") from error
    container = Container.from_bytes(read_bytes(source), source)
    codec = FileDecoder.of(container, CODEC.value)
    original = None
    if ORIGINAL.value is not None:
        item = container.check_item(ITEM.value)
        original = modalities.drawn_original(ORIGINAL.value, container, item)
    figure = item_figure(codec, container, ITEM.value, original)
    with atomic_write(target) as file:
        figure.savefig(file, format=kind)
    cli.tell(f"{target}: item {ITEM.value} of {source}")


def _bound_text(info: dict[str, Any]) -> str:
    if Modality.named(info["modality"]).truth:
        return "none is wrong in the original size"
    try:
        bound = modalities.file_bound(info["modality"], info["error_bound"], info["metadata"])
    except MscnError:
        return f"{info['error_bound']:g} of the range: no value is off by more"
    return f"{bound:g}: no value is off by more"


def _licence_lines(licence: Optional[dict[str, str]]) -> list[str]:
    """On what the codec was trained, and under which terms."""
    if licence is None:
        return []
    return [
        f"  trained   on {licence['data']}",
        f"  terms     {licence['terms']}",
        f"  made by   {licence['attribution']}",
    ]


def _table(source: str, info: dict[str, Any]) -> str:
    size, items, count = info["bytes"], info["items"], info["count"]
    bound, sample = info["error_bound"], Modality.named(info["modality"]).sample
    name = info["codec_name"] or "not one that comes with mscn"
    lines = [
        source,
        f"  codec     {info['codec']} ({name})",
        *_licence_lines(info["licence"]),
        f"  signal    {info['modality']}, {count} item{'s' * (count > 1)}, "
        f"{info['tiles']} tiles in {info['blocks']} blocks",
        f"  bytes     {size['total']:,} = {size['header']:,} header + {size['side']:,} "
        f"side information + {size['payload']:,} payload",
        f"  rate      {info['bits_per_pixel']:.4f} bits a {sample}",
        *([f"  bound     {_bound_text(info)}"] if bound is not None else []),
        *([f"  follow    {_FOLLOW}"] if info["parents"] else []),
        "",
        f"  {'item':>8}  {'size':>14}  {'channels':>8}  {'quality':>7}  name",
    ]
    for index, item in enumerate(items):
        size = "x".join(map(str, item["size"]))
        lines.append(
            f"  {index:8}  {size:>14}  {item['channels']:8}  "
            f"{_quality(item):>7}  {item['name'] or ''}".rstrip()
        )
    if count > len(items):
        lines.append(f"  ... and {count - len(items)} more; --limit=N shows more")
    return "\n".join(map(printable, lines))


def _quality(item: dict[str, Any]) -> str:
    stored = f"within {item['within']:g}" if item["within"] else "exact"
    return f"{item['quality']:.2f}" if item["tiles"] else stored


def run() -> None:
    """Runs the command on `sys.argv` and exits."""
    cli.run(main)


if __name__ == "__main__":
    run()
