"""Throws damaged and hostile input at all that reads files: it must decode or raise `MscnError`.

    python -m tests.runtime.fuzz [INPUTS [SEED [TARGET]]]

runs so many inputs, shared out over the targets, and prints a line for each target. The same seed
gives the same inputs. `test_fuzz.py` runs a few in every test run and a million in the slow one.
"""

from __future__ import annotations

import io
import json
import math
import random
import re
import sys
import tempfile
import time
import tracemalloc
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mscn_tf.export.bundle import write_bundle
from mscn_tf.runtime import exact, packed, progressions, residuals
from mscn_tf.runtime.bundle import COMMENT, MANIFEST, Bundle, content_id
from mscn_tf.runtime.container import Container
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.field_words import WORDS
from mscn_tf.runtime.file_decoder import FileDecoder
from mscn_tf.runtime.header import (
    FIELDS,
    KINDS,
    MAX_METADATA_BYTES,
    count_blocks,
    is_there,
    version_of,
)
from mscn_tf.runtime.input import varint
from mscn_tf.runtime.modality import Modality
from mscn_tf.signals.images import file_names
from tests import pyramids
from tests.runtime import conftest as made_up
from tests.runtime import odd_manifests
from tests.runtime.metadata import Subject, subjects

SECONDS = 5.0  # of CPU, for one input
TRACED = 97  # one input in so many has its memory measured
EXPANSION = 64  # times what an input holds or declares
ROOM = 2**20  # bytes that any input may take
# Numbers that programs get wrong.
EDGES = [0, 1, 2, 15, 16, 127, 128, 160, 161, 255, 256, 4095, 4096, 4097, 2**14, 2**16, 2**20]
EDGES += [2**20 + 1, 2**24, 2**24 + 1, 2**28, 2**28 + 1, 2**31 - 1, 2**32, 2**40, 2**56 - 1, 2**60]
ODD_JSON = [None, True, -1, 0, 2**70, 10**400, 1e308, float("nan"), float("inf")]
ODD_JSON += ["", "image", "\ud800", [], [[]], {}, "../../x"]
ODD_METADATA = [
    "",
    "[]",
    '{"a":' * 9,
    '{"a":' + "[" * 3000,
    '{"a":' + "9" * 5000 + "}",
    '{"a":NaN}',
    '{"a":{"~":[0,1,2000000]}}',
    '{"a":{"~":[0,1]}}',
]
# Metadata as few bytes tell them: lists of numbers of every kind, some of them hardly so.
PACKED = [
    '{"latitude":{"~":[90.0,-4,46]},"longitude":{"~":[-1794,1,40,10]},"~~":[{"~":[1,0,9]}]}',
    '{"a":{"~":[88,-28,5,1,[2,-1,0]]},"b":{"~":[4050,-180,6,46,"NMNONN"]}}',
    '{"a":{"~":[-28375,110,90,1000,[],4]},"b":{"~":[0,1,5,10,[3,0,-3],4]}}',
]


@dataclass
class Tally:
    """What became of the inputs of one target."""

    inputs: int = 0
    decoded: int = 0
    refused: int = 0
    slowest: float = 0.0
    failures: list[str] = field(default_factory=list)


def mutated(rng: random.Random, data: bytes) -> bytes:
    """A few of: bits flipped, bytes set, parts cut, repeated, exchanged, or filled."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        if not out:
            return rng.randbytes(rng.randrange(64))
        at = rng.randrange(len(out))
        end = min(len(out), at + rng.choice((1, 2, 4, 16, 64)))
        kind = rng.randrange(7)
        if kind <= 1:
            out[at] ^= 1 << rng.randrange(8)
        elif kind == 2:
            out[at] = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))
        elif kind == 3:
            del out[at:end]
        elif kind == 4:
            out[at:at] = out[at:end] * rng.choice((1, 2, 50))
        elif kind == 5:
            out[at:at] = varint(rng.choice(EDGES))
        else:
            out[at:end] = rng.randbytes(end - at)
    return bytes(out)


def crc(data: bytes) -> bytes:
    return zlib.crc32(data).to_bytes(4, "little")


class Subjects:
    """Files and codecs that inputs are made of, and the targets that take them."""

    def __init__(self, folder: Path):
        self.folder, self.written = folder, None
        prior = made_up.make_prior()
        weights = np.arange(made_up.M * 48).reshape(made_up.M, 48) * 7919 % 4001 - 2000
        manifest = {"name": "synthetic", "modality": "image", "tile_edge": made_up.EDGE}
        manifest.update(channels=3, code_size=made_up.M, qualities=[1, 10])
        members = {"prior/" + name: array for name, array in prior.items()}
        members["decoder.onnx"] = made_up.make_decoder()
        members["weights/A"] = weights.astype(np.int16)
        members["weights/A.step"] = np.full(48, 2e-4)
        write_bundle(folder / "tiles.mscnb", manifest, members)
        pyramids.write_codec(folder / "pyramid.mscnb", 16, *[True] * 6)
        self.tiles, self.pyramid = (
            FileDecoder.load(folder / f"{name}.mscnb") for name in ("tiles", "pyramid")
        )
        self.bundles = [(folder / f"{name}.mscnb").read_bytes() for name in ("tiles", "pyramid")]
        self.files = self._files(prior)
        golden = Path(__file__).resolve().parents[1] / "golden"
        newer = [golden / f"{name}.mscn" for name in ("v1signs_narrow", "v1interpolation_packed")]
        self.containers = [*self.files, *(path.read_bytes() for path in newer)]
        self.payloads = [
            self.tiles.scheme.prior.encode(made_up.make_symbols(prior, 3), [16, 80, 9 * 16])
        ]

    def _files(self, prior: dict[str, np.ndarray]) -> list[bytes]:
        shapes, names = [(20, 13), (8, 8), (1, 30)], ["a.png", "../../x", "ü"]
        symbols = made_up.make_symbols(prior, 11)
        pack = self.tiles.pack
        files = [
            pack(symbols[:1], [(8, 8)], [80], [3]),
            pack(symbols, shapes, [16, 99, 160], [3, 1, 3], names, 4, {"a": [1, {"b": None}]}),
        ]
        container = Container.from_bytes(files[1])
        container.error_bound, container.residuals = 0.5, [b"", b"residual", bytes(9)]
        return [*files, container.to_bytes(), self._exact(shapes, names)]

    def _exact(self, shapes: list[tuple[int, int]], names: list[str]) -> bytes:
        """A file of exact planes, one of them beside tiles."""
        grey = np.indices(shapes[0]).sum(0)[..., None].astype(np.uint8)
        planes = [np.full((*shapes[1], 1), 7, np.uint8), grey[:1, :9] * 9, grey]
        blocks = [exact.encode(plane) for plane in planes]
        symbols = made_up.make_symbols(made_up.make_prior(), 2)
        shapes = [shapes[1], (1, 9), shapes[0]]
        return self.tiles.pack(
            symbols, shapes, [16, 99, 160], [1, 4, 1], names, 4, None, [1, 2, 1], blocks
        )

    def container(self, rng: random.Random) -> tuple[Callable[[], Any], int]:
        """Damaged files, in half of them with the header's checksum set right."""
        data = rng.choice(self.containers)
        if rng.random() < 0.5:
            head = data.index(crc(data[: _header(data)]))
            changed = mutated(rng, data[:head])
            data = changed + crc(changed) + data[head + 4 :]
        else:
            data = mutated(rng, data)
        lazy = rng.random() < 0.5

        def read() -> None:
            container = Container.from_bytes(data, "fuzz", lazy)
            container.sizes()
            for item in range(min(container.items, 9)):
                container.tiles_of(item)

        return read, len(data)

    def index(self, rng: random.Random) -> tuple[Callable[[], Any], int]:
        """Headers and tables of random values, some of them extreme, with the right checksum."""
        odd = rng.choice((0.0, 0.03, 0.3))

        def number(low: int, high: int) -> int:
            return rng.choice(EDGES) if rng.random() < odd else rng.randint(low, high)

        more = 256 * rng.choice((0, 0, 1, 2, 6, rng.randrange(8)))
        flags = rng.choice((7, 15, 39, 71, 135, 199, rng.randrange(256))) + more
        values: dict[str, Any] = {"flags": flags}
        head, version = b"", version_of(flags)
        for spec in FIELDS[:-1]:
            if not is_there(spec, version, flags):
                continue
            items = values.get("items", 1)
            count = items if spec.per == "item" and not flags & spec.once else 1
            if spec.per == "block":
                try:
                    count = count_blocks(values)
                except (ArithmeticError, IndexError, KeyError, MscnError):
                    count = 1
            column: list[Any] = []
            for _ in range(min(count, 300)):
                if spec.name in ("magic", "version", "flags", "more_flags"):
                    first = {"magic": b"MSCN", "version": version}
                    first.update(flags=flags & 255, more_flags=flags >> 8)
                    column.append(first[spec.name])
                elif spec.name == "modality":
                    column.append(rng.choice((0, 0, 0, 1, number(0, 9) % 256)))
                elif spec.name == "exact":
                    column.append(rng.choice((0, 1, 1, number(0, 3) % 256)))
                elif spec.kind == "bytes8":
                    column.append(rng.randbytes(8))
                elif spec.kind == "u8":
                    column.append(min(number(max(spec.low, 1), min(spec.high, 200)), 255))
                elif spec.kind == "f64":
                    odd_bound = rng.choice((0, -1, 1e308, np.nan, np.inf))
                    column.append(odd_bound if rng.random() < odd else 0.1)
                elif spec.kind == "names":
                    column.append("\n" * (number(items, items) % 500 - 1) or "\x7f")
                elif spec.kind in ("json", "packed"):
                    column.append(rng.choice(ODD_METADATA) if rng.random() < odd else "{}")
                elif spec.kind == "shape":
                    axes = Modality.numbered(values["modality"] % len(Modality.all())).axes
                    column.append(tuple(number(1, 200) for _ in range(axes)))
                elif spec.per == "block":
                    column.append(number(0, 3))
                else:
                    low = 8 if spec.name == "tile_edge" else 1
                    column.append(
                        number(low, {"tile_edge": 99, "tile_overlap": 7}.get(spec.name, 4))
                    )
            if spec.name != "flags":  # all of them are known
                values[spec.name] = column[0] if spec.per == "file" else column
            head += b"".join(_written(spec.kind, value) for value in column)
        blocks = b"".join(bytes(n) + crc(bytes(n)) for n in values["block_bytes"] if n < 4)
        data = head + crc(head) + blocks
        lazy = rng.random() < 0.5
        declared = progressions.LONGEST if flags & 512 else 0
        return lambda: Container.from_bytes(data, "fuzz", lazy), len(data) + declared

    def packed(self, rng: random.Random) -> tuple[Callable[[], Any], int]:
        """Texts of packed metadata, damaged before or after they are deflated."""
        text = rng.choice(PACKED).encode()
        if rng.random() < 0.8:
            text = mutated(rng, text)
        for _ in range(rng.choice((0, 1, 2))):
            numbers = list(re.finditer(rb"-?[0-9.]+", text)) or [re.match(b"", text)]
            one = rng.choice(numbers)
            odd = rng.choice(("-1", "1e999", "1.5", "0", "null", '"N"', "[]", *map(str, EDGES)))
            text = text[: one.start()] + odd.encode() + text[one.end() :]
        data = _deflated(text)
        data = mutated(rng, data) if rng.random() < 0.3 else data

        def read() -> None:
            try:
                found = packed.unpack(data, MAX_METADATA_BYTES)
            except packed.ERRORS as error:
                raise MscnError("refused") from error
            again = packed.unpack(packed.pack(found), MAX_METADATA_BYTES)
            assert json.dumps(again) == json.dumps(found)

        return read, 4 * progressions.LONGEST + len(data)

    def metadata(self, rng: random.Random) -> tuple[Callable[[], Any], int]:
        """Metadata of every modality, made up or changed, as far as the file that is written."""
        if self.written is None:
            self.written = subjects(self.folder)
        subject: Subject = rng.choice(self.written)
        container, item = subject.changed(rng), rng.choice((None, 0))
        return lambda: subject.write(container, item), 2**19

    def names(self, rng: random.Random) -> tuple[Callable[[], Any], int]:
        """Hostile names of items: every file name made of them stays in its folder."""
        parts = [
            "..",
            "/",
            "\\",
            "\0",
            "a",
            "A",
            ".png",
            ".",
            " ",
            "con",
            ":",
            "ü",
            "\u202e",
            "x" * 999,
        ]
        names = [
            "".join(rng.choice(parts) for _ in range(rng.choice((0, 1, 3, 12))))
            for _ in range(rng.choice((1, 2, 5)))
        ]

        def check() -> None:
            files = file_names(names)
            assert len({file.lower() for file in files}) == len(names)
            for file in files:
                assert file.endswith(".png"), file
                assert file.isprintable(), file
                assert not set(file) & set('\\:*?"<>|'), file
                for part in file.split("/"):
                    assert part, file
                    assert len(part.encode()) <= 255, file
                    assert not part.startswith("."), file

        return check, sum(map(len, names))

    def coded(self, rng: random.Random) -> tuple[Callable[[], Any], int]:
        """Payloads that no encoder wrote: tiles, pyramids, residuals and exact planes."""
        if rng.random() < 0.3:
            return self._exact_plane(rng)
        payload = rng.choice(
            (mutated(rng, self.payloads[0]), rng.randbytes(rng.randrange(80)), b"\xff" * 60)
        )
        kind = rng.randrange(12)
        if kind < 7:
            q16 = [rng.randrange(16, 161) for _ in range(rng.randrange(1, 4))]
            size = 48 * len(q16) + len(payload)
            return lambda: self.tiles.scheme.prior.decode(payload, q16), size
        if kind < 11:
            shape = rng.choice(((1, 1, 1), (3, 20, 1), (9, 9, 2)))
            decode = lambda: residuals.decode(self.tiles.scheme.prior.tables, payload, shape)  # noqa: E731
            return decode, 4 * int(np.prod(shape)) + len(payload)
        height, width = rng.choice(((1, 1), (3, 16), (16, 16)))
        q16 = rng.randrange(16, 161)
        decode = lambda: self.pyramid.scheme.prior.decode(payload, height, width, q16)  # noqa: E731
        return decode, 4 * 3 * height * width + len(payload)

    def _exact_plane(self, rng: random.Random) -> tuple[Callable[[], Any], int]:
        shape, dtype = rng.choice((((20, 13, 1), "uint8"), ((5, 4, 3), "int16"), ((99, 1), "bool")))
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        inflated = mutated(rng, bytes(rng.choice((0, 1, 2, 3)) for _ in range(shape[0] + size)))
        deflater = zlib.compressobj(1, zlib.DEFLATED, -15)
        payload = bytes([rng.choice((0, 1, 2, 3, 7))]) + varint(rng.choice((1, 2, 3, 300, *EDGES)))
        payload = payload[: rng.choice((1, 9))] + deflater.compress(inflated) + deflater.flush()
        payload = mutated(rng, payload) if rng.random() < 0.3 else payload
        return lambda: exact.decode(payload, shape, dtype), 4 * size + len(payload)

    def bundle(self, rng: random.Random) -> tuple[Callable[[], Any], int]:
        """Damaged zip files; and whole ones of damaged members, with the right id."""
        data = rng.choice(self.bundles)
        damage = mutated if rng.random() < 0.4 else _with_damaged_member
        data = damage(rng, data)

        def load() -> None:
            codec = FileDecoder(Bundle.from_bytes(data, "fuzz"))
            codec.scheme.prior  # noqa: B018
            codec.bundle.weights()
            codec.peak  # noqa: B018

        return load, 20 * len(data)

    def manifest(self, rng: random.Random) -> tuple[Callable[[], Any], int]:
        """Bundles of odd manifests, loaded and encoded with."""
        data = odd_manifests.bundle(rng)
        return lambda: odd_manifests.use(data), 20 * len(data)

    def decoding(self, rng: random.Random) -> tuple[Callable[[], Any], int]:
        """Files with damaged header and blocks and right checksums, decoded as pictures."""
        container = Container.from_bytes(rng.choice(self.files))
        container.error_bound, container.residuals = None, []
        container.blocks = [
            mutated(rng, block) if rng.random() < 0.7 else rng.randbytes(30)
            for block in container.blocks
        ]
        container.exact_blocks = [
            mutated(rng, block) if rng.random() < 0.5 else block for block in container.exact_blocks
        ]
        container.q16 = [rng.randrange(16, 161) for _ in container.q16]
        data = container.to_bytes()
        if rng.random() < 0.3:
            head = _header(data)
            changed = bytearray(data[:head])
            changed[rng.randrange(14, head)] = rng.randrange(256)
            data = bytes(changed) + crc(bytes(changed)) + data[head + 4 :]
        item = rng.randrange(3)

        def decode() -> None:
            opened = Container.from_bytes(data, "fuzz")
            if int(np.prod(opened.shapes[min(item, opened.items - 1)])) > 2**20:
                return
            pixels = self.tiles.decode(opened, item)
            assert pixels.dtype == np.uint8
            assert pixels.shape[:2] == tuple(opened.shapes[item])

        return decode, 2**20


def _deflated(text: bytes) -> bytes:
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zdict=WORDS)
    return deflater.compress(text) + deflater.flush()


def _written(kind: str, value: Any) -> bytes:
    if kind == "packed":
        data = _deflated(value.encode())
        return varint(len(data)) + data
    if kind in ("names", "json"):
        packed = zlib.compress(value.encode(), 1)
        return varint(len(packed)) + packed
    return KINDS[kind][1](value)


def _header(data: bytes) -> int:
    """Bytes of a whole file before its header's checksum."""
    container = Container.from_bytes(data)
    return sum(len(part) for name, part in container._head().items() if name != "header_crc")


def _with_damaged_member(rng: random.Random, data: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    names = [name for name in members if name != "decoder.onnx"]
    name = rng.choice([*names, *[MANIFEST] * 8])
    if name == MANIFEST and rng.random() < 0.8:
        manifest = json.loads(members[name])
        key = rng.choice([*manifest, "values", "codec", "tile_overlap"])
        manifest[key] = rng.choice(ODD_JSON)
        if key == "values" and rng.random() < 0.7:
            part = rng.choice(("low", "high", "dtype", "band", "nosuch"))
            manifest[key] = {part: rng.choice(ODD_JSON)}
        members[name] = json.dumps(manifest).encode()
    elif name == MANIFEST or rng.random() < 0.6:
        members[name] = mutated(rng, members[name][:200]) + members[name][200:]
    elif rng.random() < 0.2:
        del members[name]
    else:
        array = np.load(io.BytesIO(members[name]))
        filler = [0, -1, 1, 2**15, 2**31, -(2**31), 2**63 - 1, -(2**63), 1e308, np.nan, np.inf]
        with np.errstate(all="ignore"):
            array = np.array(array, rng.choice((array.dtype, np.int64, np.float64, np.uint64)))
            at = tuple(rng.randrange(side) for side in array.shape)
            value = rng.choice(filler)
            if array.dtype.kind == "f" or abs(value) <= 2**63 - 1:
                array[at] = np.array(value).astype(array.dtype)
        if rng.random() < 0.2:
            array = array.ravel()
        buffer = io.BytesIO()
        np.save(buffer, array)
        members[name] = buffer.getvalue()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
        archive.comment = COMMENT + content_id(members).hex().encode()
    return buffer.getvalue()


# Target -> how often its turn comes.
SHARES = {"metadata": 2, "container": 44, "index": 44, "names": 4, "coded": 5, "bundle": 0.7}
SHARES.update(manifest=1.7, decoding=0.3, packed=2)


def run(inputs: int, seed: int = 0, only: str | None = None) -> Iterator[tuple[str, Tally]]:
    """Runs so many inputs, shared out over the targets; the same ones for the same seed."""
    shares = SHARES if only is None else {only: 1}
    with tempfile.TemporaryDirectory() as folder:
        made = Subjects(Path(folder))
        for target, share in shares.items():
            rng = random.Random(f"{seed} {target}")
            tally = Tally()
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                warnings.filterwarnings("ignore", "Setting the shape on a NumPy array")  # skimage
                for _ in range(math.ceil(inputs * share / sum(shares.values()))):
                    _one(tally, getattr(made, target), rng)
            yield target, tally


def _one(tally: Tally, target: Callable, rng: random.Random) -> None:
    call, size = target(rng)
    tally.inputs += 1
    traced = tally.inputs % TRACED == 0
    if traced:
        tracemalloc.start()
    began, problem = time.process_time(), None
    try:
        call()
        tally.decoded += 1
    except MscnError as error:
        tally.refused += 1
        if "\n" in str(error):
            problem = f"more than one line: {error!r}"
    except Exception as error:
        problem = repr(error)
    seconds = time.process_time() - began
    if traced:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        if peak > EXPANSION * size + ROOM:
            problem = f"{peak} bytes for an input of {size}"
    elif seconds > SECONDS:
        problem = f"{seconds:.1f} s"
    tally.slowest = max(tally.slowest, seconds)
    if problem and len(tally.failures) < 20:
        tally.failures.append(f"input {tally.inputs}: {problem[:300]}")


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:3]]
    failed = 0
    for target, tally in run(*(given or [100_000]), *sys.argv[3:]):
        print(
            f"{target:10} {tally.inputs:8} inputs, {tally.decoded} decoded, {tally.refused} "
            f"refused, slowest {tally.slowest:.2f} s, {len(tally.failures)} failures",
            flush=True,
        )
        failed += len(tally.failures)
        print(*tally.failures, sep="\n", end="\n" * bool(tally.failures))
    sys.exit(failed > 0)
