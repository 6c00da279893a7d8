"""usage: mscn export --codec=NAME|FILE --format=saved_model|onnx|tflite|bundle OUT
                   [--precision=float32|float16|int8] [--fixed-size=WxH]

Writes a codec for programs without this package. saved_model: a folder for TensorFlow Serving with
the signatures decode, decode_grid and encode, and of pictures decode_file, which takes files; onnx:
a folder of the first three as graphs; tflite: a file with decode; bundle: the .mscnb file itself,
with which mscn_tf.runtime and the web page decode. photo and its like, field and surface have
decode alone. docs/deploy.md has recipes. Needs TensorFlow, but for bundle.

Examples:
  mscn export --codec=thumb32 --format=onnx thumb32_onnx
  mscn export --codec=thumb32 --format=tflite --precision=int8 --fixed-size=32x32 thumb32.tflite
  mscn export --codec=photo --format=onnx photo_onnx
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Optional

from absl import flags

from mscn_tf.apps import cli
from mscn_tf.runtime import scheme
from mscn_tf.runtime.bundle import SHIPPED, SUFFIX, Bundle
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.files import atomic_write, read_bytes, staged_folder

FORMATS = ("saved_model", "onnx", "tflite", "bundle")

CODEC = flags.DEFINE_string(
    "codec", None, "codec: a name that `mscn codecs` lists, or a .mscnb file"
)
FORMAT = flags.DEFINE_enum("format", None, FORMATS, "what to write")
PRECISION = flags.DEFINE_enum(
    "precision",
    "float32",
    ("float32", "float16", "int8"),
    "of the weights, in tflite; default float32",
)
FIXED_SIZE = flags.DEFINE_string(
    "fixed-size", None, "decode alone, for one tile or photo in WIDTHxHEIGHT: all shapes fixed"
)


def main(argv: list[str]) -> None:
    """The command: writes the codec and prints what it wrote."""
    (target,) = cli.positional(argv, "OUT")
    if CODEC.value is None or FORMAT.value is None:
        raise MscnError(f"give --codec=NAME and --format={'|'.join(FORMATS)}")
    size = _size()
    if FORMAT.value != "tflite" and PRECISION.value != "float32":
        raise MscnError(f"--precision={PRECISION.value} is for --format=tflite")
    bundle = Bundle.load(CODEC.value)
    if FORMAT.value == "bundle":
        if size:
            raise MscnError("--fixed-size is for the other formats: a bundle decodes at any size")
        shipped = CODEC.value in Bundle.names()
        path = SHIPPED / f"{bundle.name}{SUFFIX}" if shipped else CODEC.value
        content = read_bytes(path)
        with atomic_write(target) as file:
            file.write(content)
    else:
        _convert(bundle, target, size)
    total = sum(file.stat().st_size for file in _files(target))
    cli.tell(f"{target}: {bundle.name} as {FORMAT.value}, {total:,} bytes")


def _convert(bundle: Bundle, target: str, size: Optional[tuple[int, ...]]) -> None:
    """Writes what takes TensorFlow to make."""
    kind = bundle.scheme
    if kind.functions is None:
        raise MscnError(
            f"{bundle.name} has no graph: {kind.no_functions}; take --format=bundle, and decode "
            "with mscn_tf.runtime, in Zarr or in JavaScript (docs/deploy.md)"
        )
    if FORMAT.value == "tflite":
        cli.check_writable(target)
    cli.require_tensorflow()
    with cli.importing_tensorflow():
        functions = scheme.imported(kind.functions)(bundle, size)
        if FORMAT.value == "saved_model":
            from mscn_tf.export.saved_model import write_saved_model

            write_saved_model(target, functions)
        elif FORMAT.value == "tflite":
            from mscn_tf.export.tflite import tflite_decoder

            content = tflite_decoder(functions, PRECISION.value)
            with atomic_write(target) as file:
                file.write(content)
        else:
            from mscn_tf.export.onnx import function_graph

            with staged_folder(target, force=True) as folder:
                for name in functions.functions:
                    graph = function_graph(functions, bundle, name)
                    Path(folder, f"{name}.onnx").write_bytes(graph)


def _files(target: str) -> list[Path]:
    path = Path(target)
    return [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]


def _size() -> Optional[tuple[int, ...]]:
    """Samples along each axis, outermost first."""
    if FIXED_SIZE.value is None:
        return None
    if not re.fullmatch(r"[1-9]\d{0,4}(x[1-9]\d{0,4}){0,2}", FIXED_SIZE.value):
        raise MscnError(f"--fixed-size={FIXED_SIZE.value}: must be WIDTHxHEIGHT, such as 64x64")
    return tuple(map(int, FIXED_SIZE.value.split("x")))[::-1]


def run() -> None:
    """Runs the command on `sys.argv` and exits."""
    cli.run(main)


if __name__ == "__main__":
    run()
