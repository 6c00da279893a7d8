"""usage: mscn verify FILE...

Compares every checksum of .mscn files and of .mscnb codec bundles, looks whether metadata can be
used, and lists the items of an archive that are damaged; the others can still be decoded, with
--item. Builds the networks of codec bundles and runs them once. Exits with 2 if a file is bad.

Examples:
  mscn verify photo.mscn
  mscn verify archive/*.mscn && echo all good
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mscn_tf.apps import cli
from mscn_tf.codec import Codec
from mscn_tf.runtime.bundle import SUFFIX, Bundle
from mscn_tf.runtime.container import Container
from mscn_tf.runtime.errors import MscnError, printable
from mscn_tf.runtime.files import read_bytes
from mscn_tf.signals.modalities import LibraryMissingError, check_metadata

SHOWN = 20  # damaged items of a file


def main(argv: list[str]) -> None:
    """The command: a line for each good file, and one for each damaged item of a bad one."""
    files = argv[1:]
    if not files:
        raise MscnError(f"takes one file or more; see {cli.program()} --help")
    bad = 0
    for path in files:
        try:
            damaged, what = _bundle(path) if path.endswith(SUFFIX) else _file(path)
        except MscnError as error:
            damaged, what = [str(error)], ""
        for line in damaged[:SHOWN]:
            print(printable(line))
        if len(damaged) > SHOWN:
            print(f"{path}: {len(damaged) - SHOWN} damaged items more")
        if not damaged:
            print(printable(f"{path}: good, {what}"))
        bad += bool(damaged)
    if bad:
        raise MscnError(f"{bad} of {len(files)} files bad; get fresh copies")


def _bundle(path: str) -> tuple[list[str], str]:
    bundle = Bundle.from_bytes(read_bytes(path), path)
    Codec(bundle).check()
    return [], f"codec {bundle.name}, {len(bundle.members)} members"


def _file(path: str) -> tuple[list[str], str]:
    container = Container.from_bytes(read_bytes(path), path, lazy=True)
    damaged = []
    try:
        check_metadata(container)
    except LibraryMissingError as error:
        cli.note(f"{path}: its metadata are not checked: {error}")
    except MscnError as error:
        damaged.append(str(error))
    for item in sorted(set(_damaged_items(container))):
        name = f" ({container.names[item]})" if container.names else ""
        damaged.append(f"{path}: item {item}{name} is damaged")
    blocks = len(container.blocks) + len(container.residuals) + len(container.exact_blocks)
    return damaged, f"{container.items} items in {blocks} blocks"


def _damaged_items(container: Container) -> Iterator[int]:
    """Those with a block whose checksum is wrong, some of them twice."""
    for number in range(len(container.blocks)):
        if not _is_whole(container.blocks, number):
            tiles = container.tiles_in(number)
            owners = container.first_tiles.searchsorted((tiles[0], tiles[-1]), "right") - 1
            yield from range(int(owners[0]), int(owners[1]) + 1)
    for item in range(len(container.residuals)):
        if not _is_whole(container.residuals, item):
            yield item
    for number in range(len(container.exact_blocks)):
        if not _is_whole(container.exact_blocks, number):
            yield int(container.first_exact.searchsorted(number, "right")) - 1


def _is_whole(blocks: Sequence[bytes], number: int) -> bool:
    try:
        blocks[number]
    except MscnError:
        return False
    return True


def run() -> None:
    """Runs the command on `sys.argv` and exits."""
    cli.run(main)


if __name__ == "__main__":
    run()
