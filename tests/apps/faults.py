"""Does one piece of work over and over, as its command does, until it is stopped.

    python -m tests.apps.faults WORK FOLDER

`test_faults.py` kills it at random moments; with a third argument it works once only.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path

from absl import flags

from mscn_tf.apps import cli

# Work -> what it writes into the folder, and how: arguments of a command.
WORKS = {
    "encode": ("out.mscn", ["encode", "--codec=codec.mscnb", "in/b.png", "out.mscn"]),
    "archive": ("archive.mscn", ["encode", "--codec=codec.mscnb", "in", "archive.mscn"]),
    "decode": ("pictures", ["decode", "--codec=codec.mscnb", "in.mscn", "pictures"]),
    "export": ("export.mscnb", []),
}


def _export() -> None:
    from tests.pyramids import write_codec

    write_codec(Path("export.mscnb"))


def worker(work: str) -> Callable[[list[str]], None]:
    """The work, its modules imported."""
    arguments = WORKS[work][1]
    if not arguments:
        from tests import pyramids  # noqa: F401

        return lambda argv: _export()
    main = importlib.import_module(f"mscn_tf.apps.{arguments[0]}").main
    given = flags.FLAGS([sys.argv[0], *arguments[1:]])
    return lambda argv: main(given)


def main() -> None:
    work, once = sys.argv[1], len(sys.argv) > 3
    with cli.errors_in_one_line():
        do = worker(work)
        sys.argv = ["mscn"]

        def again(argv: list[str]) -> None:
            print("ready", file=sys.stderr, flush=True)
            do(argv)
            while not once:
                do(argv)

        cli.run(again)


if __name__ == "__main__":
    import os

    os.chdir(sys.argv[2])
    main()
