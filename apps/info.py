"""usage: mscn info [--json] IN.mscn

Shows what a .mscn file holds and what its bytes are spent on.
"""

from __future__ import annotations

import json
from typing import Any

from absl import flags

from mscn_tf.apps import cli
from mscn_tf.runtime.bundle import Bundle
from mscn_tf.runtime.codec import Codec
from mscn_tf.runtime.files import read_bytes

JSON = flags.DEFINE_bool("json", False, "print JSON, with every item of an archive")

SHOWN = 20  # items of an archive
_POINTS = {"image": "pixel", "sound": "sample", "volume": "voxel", "voxels": "voxel"}


def main(argv: list[str]) -> None:
    """The command: reads the file without decoding it."""
    (source,) = cli.positional(argv, "IN.mscn")
    info = Codec.info(read_bytes(source), source)
    bundle = Bundle.find(bytes.fromhex(info["codec"]))
    info["codec_name"] = None if bundle is None else bundle.name
    print(json.dumps(info, indent=1) if JSON.value else _table(source, info))


def _table(source: str, info: dict[str, Any]) -> str:
    size, items = info["bytes"], info["items"]
    name = info["codec_name"] or "not one that comes with mscn"
    lines = [
        source,
        f"  codec     {info['codec']} ({name})",
        f"  signal    {info['modality']}, {len(items)} item{'s' * (len(items) > 1)}, "
        f"{sum(item['tiles'] for item in items)} tiles in {info['blocks']} blocks",
        f"  bytes     {size['total']:,} = {size['header']:,} header + {size['side']:,} "
        f"side information + {size['payload']:,} payload",
        f"  rate      {info['bits_per_pixel']:.4f} bits a {_POINTS.get(info['modality'], 'point')}",
        "",
        f"  {'item':>8}  {'size':>14}  {'channels':>8}  {'quality':>7}  name",
    ]
    for index, item in enumerate(items[:SHOWN]):
        size = "x".join(map(str, item["size"]))
        lines.append(
            f"  {index:8}  {size:>14}  {item['channels']:8}  "
            f"{item['quality']:7.2f}  {item['name'] or ''}".rstrip()
        )
    if len(items) > SHOWN:
        lines.append(f"  ... and {len(items) - SHOWN} more; --json shows all")
    return "\n".join(lines)


def run() -> None:
    """Runs the command on `sys.argv` and exits."""
    cli.run(main)


if __name__ == "__main__":
    run()
