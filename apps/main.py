"""`mscn`: finds the command and hands over to it, importing nothing else."""

from __future__ import annotations

import difflib
import importlib
import os
import sys

from mscn_tf import __version__
from mscn_tf.apps import cli

COMMANDS = {
    "encode": "a picture, a folder of pictures or an .npy stack to a .mscn file",
    "encode-archive": "very many pictures to sharded archives, on Apache Beam",
    "decode": "a .mscn file, or a part of it at any size, to pictures",
    "info": "what a .mscn file holds and what its bytes are spent on",
    "verify": "which files, or items of an archive, are damaged",
    "serve": "decoding, encoding and tiles over HTTP",
    "codecs": "the codecs that come with the package",
    "export": "a codec for TensorFlow Serving, ONNX Runtime, TFLite or the browser",
    "train": "a new codec from a configuration",
    "experiment": "gates against other ways to sparsity: many trainings, one table",
    "evaluate": "rate and distortion of codecs beside those of others, as a report",
    "completion": "what makes bash, zsh or fish complete commands and flags",
}
# Commands whose own threads share the work: those of NumPy's matrix products, of which each waits
# for all others, would take the cores from them. NumPy reads these when it is imported.
_THREADED = ("encode", "decode")
_PRINTED = ("info", "codecs", "completion")  # commands that do nothing but print
_MATRIX_THREADS = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def main() -> None:
    """Entry point of the console script."""
    arguments = sys.argv[1:]
    sys.argv[0] = "mscn"
    if not arguments:
        cli.fail(f"give a command: {', '.join(COMMANDS)}; see mscn --help")
    if arguments[0] == "help" and len(arguments) > 1:  # mscn help encode
        arguments = [arguments[1], "--help"]
    command = arguments[0]
    if command in ("-h", "-help", "--help", "help"):
        print(_help())
    elif command in ("--version", "version"):
        print(f"mscn {__version__}")
    elif command in _PRINTED and sys.stdout is None:
        cli.fail("standard output is closed, and nothing else is asked for")
    elif command in COMMANDS:
        sys.argv = [f"mscn {command}", *arguments[1:]]
        for name in _MATRIX_THREADS if command in _THREADED else ():
            os.environ.setdefault(name, "1")
        with cli.errors_in_one_line():
            importlib.import_module(f"mscn_tf.apps.{command.replace('-', '_')}").run()
    else:
        close = difflib.get_close_matches(command, COMMANDS, 1)
        hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(COMMANDS)}"
        cli.fail(f"unknown command {command}; {hint}")


def _help() -> str:
    lines = [f"  {name:16}{text}" for name, text in COMMANDS.items()]
    return "\n".join(
        [
            "usage: mscn COMMAND ...",
            "",
            *lines,
            "",
            "mscn help COMMAND, or mscn COMMAND --help, tells more about each.",
        ]
    )


if __name__ == "__main__":
    main()
