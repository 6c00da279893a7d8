"""usage: mscn codecs

Lists the codecs that come with the package.
"""

from __future__ import annotations

from collections.abc import Sequence

from mscn_tf.apps import cli
from mscn_tf.runtime.bundle import SHIPPED, SUFFIX, Bundle
from mscn_tf.runtime.container import AXES, MAX_SIDE

_ROW = "{:12} {:>10}  {:16}  {:8}  {:5}  {}"


def main(argv: list[str]) -> None:
    """The command: one line a codec."""
    cli.positional(argv)
    print(_ROW.format("name", "bytes", "id", "modality", "tile", "qualities"))
    for name in Bundle.names():
        bundle = Bundle.load(name)
        manifest = bundle.manifest
        edge = manifest.tile_edge
        print(
            _ROW.format(
                name,
                f"{(SHIPPED / (name + SUFFIX)).stat().st_size:,}",
                bundle.id[:8].hex(),
                manifest.modality,
                "whole" if edge == MAX_SIDE else "x".join([str(edge)] * AXES[manifest.modality]),
                _range(manifest.qualities),
            )
        )


def _range(qualities: Sequence[float]) -> str:
    """Shortest and longest of a list of qualities, as the manifest has it."""
    return f"{min(qualities):g} to {max(qualities):g}" if qualities else ""


def run() -> None:
    """Runs the command on `sys.argv` and exits."""
    cli.run(main)


if __name__ == "__main__":
    run()
