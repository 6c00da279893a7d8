"""Writes what the JavaScript codec is compared with: streams, files and decoded pixels.

python tests/web/vectors.py DIR
"""

from __future__ import annotations

import base64
import io
import json
import sys
import tempfile
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from mscn_tf.codec import Codec as Encoder
from mscn_tf.runtime import packed, residuals, tables
from mscn_tf.runtime.bundle import SHIPPED, SUFFIX, Bundle
from mscn_tf.runtime.container import Container
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.field_words import WORDS
from mscn_tf.runtime.file_decoder import FileDecoder
from mscn_tf.runtime.input import varint
from mscn_tf.signals import gaps, group4, images

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden"
SAMPLES = ROOT / "build" / "web" / "samples"
STREAMS = 4000
DAMAGED = 1000


def text(data: bytes) -> str:
    """Bytes for JSON."""
    return base64.b64encode(data).decode()


def random_tables(random: np.random.Generator) -> dict[str, np.ndarray]:
    """Tables from flat to extremely steep, with supports of 0 to 30."""
    count = int(random.integers(1, 6))
    support = random.integers(0, 31, count)
    parts = []
    for s in support:
        letters = 2 * int(s) + 2
        weights = random.gamma(random.choice([0.03, 0.3, 3.0]), size=letters) + 1e-12
        frequencies = 1 + np.floor(weights / weights.sum() * (2**16 - letters)).astype(np.int64)
        frequencies[np.argmax(frequencies)] += 2**16 - frequencies.sum()
        parts.append(frequencies)
    return {
        "support": support,
        "frequencies": np.concatenate(parts),
        "centroid": np.zeros((count, 2)),
    }


def random_symbols(random: np.random.Generator, arrays: dict[str, np.ndarray]) -> tuple:
    """Symbols and their tables; most by the tables' own odds, some far outside."""
    count = int(random.integers(0, 60))
    index = random.integers(0, len(arrays["support"]), count)
    ends = np.cumsum(2 * arrays["support"] + 2)
    symbols = np.empty(count, np.int64)
    for place, table in enumerate(index):
        s = int(arrays["support"][table])
        own = arrays["frequencies"][ends[table] - 2 * s - 2 : ends[table]] / 2**16
        letter = int(random.choice(2 * s + 2, p=own if random.random() < 0.7 else None))
        far = min(s + 1 + int(2 ** random.uniform(0, 31)) - 1, tables.LARGEST_SYMBOL)
        symbols[place] = letter - s if letter <= 2 * s else far * random.choice([-1, 1])
    return symbols.astype(np.int32), index


def stream(random: np.random.Generator, damaged: bool) -> dict[str, Any]:
    """A payload, and what Python decodes it to: null where it refuses."""
    arrays = random_tables(random)
    symbols, index = random_symbols(random, arrays)
    coder, encoder = tables.Tables(arrays), tables.RangeEncoder()
    coder.encode(encoder, symbols, index)
    payload = tables.seal(encoder)
    decoded = None
    if damaged:
        noisy = bytearray(payload + b"\0")
        for _ in range(3):
            noisy[random.integers(len(noisy))] = random.integers(256)
        payload = bytes(noisy[: random.integers(1, len(noisy) + 1)])
    try:
        decoded = coder.decode(tables.unseal(payload), index).tolist()
    except MscnError:
        assert damaged
    assert damaged or decoded == symbols.tolist()
    return {
        "support": arrays["support"].tolist(),
        "frequencies": arrays["frequencies"].tolist(),
        "index": index.tolist(),
        "payload": text(payload),
        "symbols": decoded,
    }


def picture(path: Path, bundle: Path, **view: Any) -> dict[str, Any]:
    """A file and the pixels of a view of it."""
    return made(path.name, path.read_bytes(), bundle, **view)


def made(name: str, data: bytes, bundle: Path, **view: Any) -> dict[str, Any]:
    """A file's bytes and the pixels, RGBA, of a view of it."""
    pixels = FileDecoder.load(bundle).decode(data, **view)
    colours, alpha = np.split(pixels, [pixels.shape[2] - 1 + pixels.shape[2] % 2], axis=2)
    opaque = np.full((*pixels.shape[:2], 1), 255, np.uint8)
    raw = np.concatenate(
        [np.broadcast_to(colours, (*pixels.shape[:2], 3)), alpha if alpha.size else opaque], axis=2
    )
    return {
        "name": name,
        "bundle": str(bundle),
        "items": len(FileDecoder.info(data)["items"]),
        "file": text(data),
        "view": view,
        "shape": list(pixels.shape),
        "pixels": text(raw.tobytes()),
    }


def golden() -> list[dict[str, Any]]:
    """Pictures of every format version, whole, in parts, enlarged and shrunk."""
    found = []
    for single in sorted(GOLDEN.glob("*_picture.mscn")):
        name = single.stem.split("_")[0]
        bundle = GOLDEN / f"{name}.mscnb"
        for path in sorted(GOLDEN.glob(f"{name}_*.mscn")):
            items = len(FileDecoder.info(path.read_bytes())["items"])
            found += [picture(path, bundle, item=item) for item in range(items)]
        found += [
            picture(single, bundle, size=(300, 50)),
            picture(single, bundle, size=(20, 15)),
            picture(single, bundle, region=(30, 20, 17, 11), size=(170, 110)),
            picture(single, bundle, region=(0, 0, 97, 63), size=(11, 7)),
        ]
    narrow, bundle = GOLDEN / "v1signs_narrow.mscn", GOLDEN / "v1signs.mscnb"
    view = {"region": (120, 1, 90, 2)}
    return [*found, picture(narrow, bundle, **view), picture(narrow, bundle, **view, size=(40, 1))]


def with_alpha() -> list[dict[str, Any]]:
    """An archive of items with and without alpha, grey and in colour."""
    bundle = GOLDEN / "v1pyramid.mscnb"
    random = np.random.default_rng(1)
    items = [random.integers(0, 256, (21, 34, channels), np.uint8) for channels in (4, 1, 2, 3)]
    data = Encoder.load(bundle).encode(items, quality=6)
    return [made("alpha.mscn", data, bundle, item=item) for item in range(4)]


def drawing() -> np.ndarray:
    """uint8 ``[H, W, 3]``: letters and lines."""
    picture = Image.new("RGB", (170, 140), (240, 238, 250))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((10, 8, 120, 60), (200, 30, 40), (0, 0, 90))
    for row in range(2, 140, 14):
        draw.text((row // 3, row), "the same words again and again", (20, 20, 20))
    draw.line((0, 140, 170, 0), (9, 120, 9), 3)
    return np.asarray(picture)


def exact() -> list[dict[str, Any]]:
    """Pictures without loss: of each form, in parts and in other sizes."""
    random, (y, x) = np.random.default_rng(1), np.mgrid[:30, :41]
    noise = random.integers(0, 256, (30, 41, 4), np.uint8)
    ramps = np.stack([3 * x, 5 * y, x + y, x * y], -1).astype(np.uint8)
    masks = np.where(noise < 128, np.uint8(7), np.uint8(200))
    items = [noise, ramps, masks[..., :1], noise // 64 * 64, np.full_like(noise, 9), ramps[..., :2]]
    y, x = np.mgrid[:60, :47] / 9
    waves = 128 + 90 * np.stack([np.sin(x), np.sin(x + 0.1), np.cos(y)], -1)
    photograph = (waves + random.normal(0, 3, waves.shape)).astype(np.uint8)
    items += [photograph, photograph[::2, ::2, :1].repeat(2, 1)[..., :1]]
    found = []
    for bundle in (GOLDEN / "v1pyramid.mscnb", GOLDEN / "v1.mscnb"):
        data = Encoder.load(bundle).encode(items, lossless=True)
        found += [made("exact.mscn", data, bundle, item=item) for item in range(len(items))]
        for size in ((20, 15), (82, 11), (7, 90), (100, 100)):
            found.append(made("exact.mscn", data, bundle, item=1, size=size, region=(3, 2, 35, 25)))
    return found


def bounded() -> list[dict[str, Any]]:
    """A picture with a residual: whole and in part as encoded, and enlarged without it."""
    bundle, bound = GOLDEN / "v1.mscnb", 2
    plain = Container.from_bytes((GOLDEN / "v1_picture.mscn").read_bytes())
    codec = FileDecoder.load(bundle)
    decoded = codec.decode(plain)
    noise = np.random.default_rng(2).normal(0, 6, decoded.shape)
    noisy = np.clip(decoded + noise, 0, 255).astype(np.uint8)
    residual = residuals.encode(codec.scheme.prior.tables, noisy, decoded, bound)
    data = replace(plain, error_bound=float(bound), residuals=[residual]).to_bytes()
    assert np.abs(codec.decode(data).astype(int) - noisy).max() <= bound
    views = [{}, {"region": (10, 20, 40, 30)}, {"region": (10, 20, 40, 30), "size": (80, 60)}]
    return [made("bounded.mscn", data, bundle, **view) for view in views]


def refused() -> list[dict[str, Any]]:
    """Files that format.md rules out, checksums right: Python refuses them."""
    plain = Container.from_bytes((GOLDEN / "v1pyramid_picture.mscn").read_bytes())
    bounded = replace(plain, error_bound=2.0, residuals=[b""]).to_bytes()
    data = Encoder.load(GOLDEN / "v1.mscnb").encode(np.zeros((1, 1, 3), np.uint8))
    end = _end_of_head(data)
    head = data[:5] + bytes([data[5] | 16]) + data[6:16] + b"\1" + data[16:end]  # OVERLAP, 1
    overlapping = head + _crc(head) + data[end + 4 :]
    fields = (GOLDEN / "v1interpolation_packed.mscn").read_bytes()
    told = packed.pack(Container.from_bytes(fields).metadata)
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zdict=WORDS)
    odd = deflater.compress(b'{"a":{"~":[0,1,2097153]}}') + deflater.flush()
    start, end = fields.index(varint(len(told)) + told), fields.index(told) + len(told)
    head = fields[:start] + varint(len(odd)) + odd + fields[end : _end_of_head(fields)]
    metadata = head + _crc(head) + fields[_end_of_head(fields) + 4 :]
    found = []
    head = plain.to_bytes()[:4] + b"\2" + plain.to_bytes()[5:]  # has nothing of version 2
    files = [("bound", bounded, "v1pyramid"), ("overlap", overlapping, "v1")]
    files.append(("metadata", metadata, "v1interpolation"))
    files.append(("parents", replace(plain, parents=True).to_bytes(), "v1pyramid"))
    for name, file, codec in [*files, ("version", head, "v1pyramid")]:
        bundle = GOLDEN / f"{codec}.mscnb"
        try:
            FileDecoder.load(bundle).decode(file)
        except MscnError:
            found.append({"name": name, "file": text(file), "bundle": str(bundle)})
    assert len(found) == 5
    return found


def encoded() -> list[dict[str, Any]]:
    """Pictures and what `mscn encode --codec=photo --quality=Q` makes of them."""
    photograph = np.asarray(Image.open(ROOT / "demo" / "kodim.png"))
    y, x = np.mgrid[:60, :80]
    disc = np.where(np.hypot(y - 30, x - 40) < 28, 255, 0).astype(np.uint8)
    soft = np.clip(4 * (40 - np.hypot(y - 30, x - 40)), 0, 255).astype(np.uint8)
    part = photograph[200:260, 100:180]
    flat = np.zeros((50, 70, 3), np.uint8)
    flat[10:20, 5:50] = (255, 0, 0)
    pictures = {
        "a part": photograph[100:237, 150:351],
        "odd sides": photograph[:33, 300:347],
        "a row": photograph[100:101, :77],
        "a column": photograph[10:99, 5:6],
        "grey": np.asarray(Image.fromarray(photograph).convert("L"))[:101, :75, None],
        "a disc": np.dstack([part, disc]),
        "soft edges": np.dstack([part, soft]),
        "grey with alpha": np.dstack([part[..., :1], disc]),
        "one colour": np.full((40, 50, 3), 77, np.uint8),
        "one colour with alpha": np.dstack([np.full((60, 80, 3), 77, np.uint8), disc]),
        "few colours": flat,
        "two colours": np.where(soft[..., None] < 99, np.uint8(7), np.uint8(200)),
        "a veil": np.dstack([part, photograph[100:160, 180:260, 1]]),
        "narrow": np.tile(photograph[100:103], (1, 3, 1)),
        "narrow, few colours": np.tile(flat[8:18], (1, 20, 1)),
        "wide": np.tile(photograph[:60, :80], (2, 13, 1)),
        "a drawing": drawing(),
        "a grey drawing": drawing()[..., 1:2],
        "several tiles": np.tile(photograph[:130, :206], (4, 5, 1)),
    }
    large = {"wide", "several tiles"}
    codec = Encoder.load("photo")
    found = []
    for name, written in pictures.items():
        png = _png(written)
        (pixels,) = _read(png)
        found += [
            {
                "name": name,
                "png": text(png),
                "shape": list(pixels.shape),
                "pixels": text(pixels.tobytes()),
                "quality": quality,
                "file": text(codec.encode(pixels, quality=quality)),
            }
            for quality in ((5.0625,) if name in large else (1, 5.0625, 9.5))
        ]
    return found


def of_filters(name: str, told: str) -> list[dict[str, Any]]:
    """Pictures and what a codec makes of them whose tiles say something of its filters.

    Args:
      name: of a golden bundle.
      told: what of `Fitted` the tiles of most pictures have.
    """
    bundle = GOLDEN / f"{name}.mscnb"
    codec, photograph = Encoder.load(bundle), np.asarray(Image.open(ROOT / "demo" / "kodim.png"))
    pictures = {
        "tiles": photograph[100:197, 150:281],
        "grey": photograph[20:61, 300:377, :1],
        "a column": photograph[10:99, 5:6],
    }
    found = []
    for kind, pixels in pictures.items():
        for quality in (3, 5.0625, 8, 9.5):
            file = codec.encode(pixels, quality=quality)
            tiles = codec.decode_symbols(file)
            found.append(
                {
                    "name": kind,
                    "bundle": str(bundle),
                    "shape": list(pixels.shape),
                    "pixels": text(pixels.tobytes()),
                    "quality": quality,
                    "file": text(file),
                    "told": any(getattr(tile, told).any() for tile in tiles),
                }
            )
    assert sum(file["told"] for file in found) > 2
    return found


def of(files: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The pixels of those that `encoded` made at its middle quality."""
    photo = SHIPPED / f"photo{SUFFIX}"
    some = {file["name"]: file["file"] for file in files if file["quality"] == 5.0625}
    found = [made(name, base64.b64decode(file), photo) for name, file in some.items()]
    # Across the border of its tiles, and so far from it that few levels reach over.
    several = base64.b64decode(some["several tiles"])
    for region in ((1001, 90, 29, 61), (940, 10, 60, 40), (1000, 0, 12, 33)):
        found.append(made("several tiles", several, photo, region=region))
    return found


def signals() -> list[dict[str, Any]]:
    """Golden sounds, volumes, voxels, meshes and scenes, with losses, bounded and without."""
    found = []
    for kind in ("sound", "volume", "voxels", "mesh", "surface", "scene"):
        bundle = GOLDEN / f"v1{kind}.mscnb"
        for path in sorted(GOLDEN.glob(f"v1{kind}_*.mscn")):
            item = 1 if path.name == "v1sound_waves.mscn" else 0  # the second channel
            values = FileDecoder.load(bundle).decode(path.read_bytes(), item=item)
            found.append(
                {
                    "name": path.name,
                    "item": item,
                    "bundle": str(bundle),
                    "file": text(path.read_bytes()),
                    "values": text(values.astype("<f4").tobytes()),
                }
            )
    return found


def wide() -> list[dict[str, Any]]:
    """A golden field of each way to write wide numbers, as doubles, whole."""
    bundle, data = (
        GOLDEN / "v1interpolation.mscnb",
        (GOLDEN / "v1interpolation_wide.mscn").read_bytes(),
    )
    values = list(FileDecoder.load(bundle).decode_all(data))
    return [
        {"file": text(data), "bundle": str(bundle), "item": item, "values": text(one.tobytes())}
        for item, one in enumerate(field.astype("<f8") for field in values)
    ]


def masks() -> list[dict[str, Any]]:
    """Masks of fields, and how a file has them: together, and each on its own."""
    random = np.random.default_rng(3)
    found = []
    for shape in ((40, 61), (7, 3000), (1, 9)):
        blocks = random.random((shape[0] // 4 + 1, shape[1] // 9 + 1)) < 0.5
        coarse = np.kron(blocks, np.ones((4, 9), bool))[: shape[0], : shape[1]]
        several = [random.random(shape) < 0.1, coarse, np.ones(shape, bool), ~coarse]
        strips = [base64.b64encode(group4.encode(mask) or b"").decode() for mask in several]
        for stored in (gaps.pack([coarse, coarse, coarse]), strips):
            count = len(strips) if stored is strips else 3
            whole = gaps.unpack(stored, count, shape)
            metadata = {"masks": stored, "mask": [*range(count), -1]}
            values = [mask.ravel().tolist() for mask in whole.astype(int)]
            found.append({"shape": shape, "metadata": metadata, "masks": values})
    assert {type(mask["metadata"]["masks"]) for mask in found} == {str, list}
    return found


def _read(png: bytes) -> list[np.ndarray]:
    """Pictures of a file as `mscn encode` reads them."""
    with tempfile.NamedTemporaryFile(suffix=".png") as file:
        file.write(png)
        file.flush()
        return images.read(file.name).arrays


def _png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(file, "PNG")
    return file.getvalue()


def _end_of_head(data: bytes) -> int:
    return next(at for at in range(22, len(data)) if _crc(data[:at]) == data[at : at + 4])


def _crc(data: bytes) -> bytes:
    return zlib.crc32(data).to_bytes(4, "little")


def samples() -> list[dict[str, Any]]:
    """Pictures that come with the page, whole and a part enlarged."""
    found = []
    for path in sorted(SAMPLES.glob("*.mscn")):
        info = FileDecoder.info(path.read_bytes())
        if info["modality"] != "image":
            continue
        bundle = SHIPPED / (Bundle.find(bytes.fromhex(info["codec"])).name + SUFFIX)
        width, height = info["items"][0]["size"]
        region = (width // 3, height // 3, width // 4, height // 4)
        found += [picture(path, bundle), picture(path, bundle, region=region, size=(160, 120))]
    return found


def fields() -> list[dict[str, Any]]:
    """Golden fields, and a month of the page's planet, whole, and a part with more points."""
    bundle = GOLDEN / "v1field.mscnb"
    paths = sorted(GOLDEN.glob("v1field_*.mscn"))
    found = [field(path.read_bytes(), bundle, item=0) for path in paths]
    values = np.random.default_rng(0).normal(280, 20, (2, 9, 14, 1)).astype(np.float32)
    lossless = Encoder.load(bundle).encode(values, lossless=True)
    view = {"item": 1, "region": (2, 1, 9, 5)}
    found += [field(lossless, bundle, item=1), field(lossless, bundle, **view, size=(20, 3))]
    bundle = GOLDEN / "v1interpolation.mscnb"
    for path in sorted(GOLDEN.glob("v1interpolation_*.mscn")):
        if path.stem != "v1interpolation_wide":  # of which `wide` tells more
            found.append(field(path.read_bytes(), bundle, item=0))
    following = (GOLDEN / "v1interpolation_parents.mscn").read_bytes()
    found += [field(following, bundle, item=item) for item in (3, 6)]
    bounded = (GOLDEN / "v1interpolation_bounded.mscn").read_bytes()
    found.append(field(bounded, bundle, item=1, region=(2, 1, 9, 5), size=(20, 3)))
    shipped = SHIPPED / f"field{SUFFIX}"
    rows, columns = np.mgrid[:41, :73]
    waves = (260 + 9 * np.sin(rows / 7) * np.cos(columns / 5)).astype(np.float32)[..., None]
    found.append(field(Encoder.load(shipped).encode(waves, max_error=0.01), shipped, item=0))
    if "temperature" in Bundle.names():
        planet, bundle = (SAMPLES / "planet.mscn").read_bytes(), SHIPPED / f"temperature{SUFFIX}"
        found.append(field(planet, bundle, item=6))
        found.append(field(planet, bundle, item=6, region=(10, 5, 20, 12), size=(50, 30)))
    return found


def field(data: bytes, bundle: Path, **view: Any) -> dict[str, Any]:
    """A file and the values, in kelvins, of a view of it."""
    values = FileDecoder.load(bundle).decode(data, **view)
    return {
        "file": text(data),
        "bundle": str(bundle),
        "view": view,
        "metadata": Container.from_bytes(data).metadata,
        "shape": list(values.shape),
        "values": text(values.astype("<f4").tobytes()),
    }


def main(folder: str) -> None:
    """Writes streams.json, pictures.json, fields.json, refused.json, encoded.json, steps.json,
    taps.json, signals.json, masks.json and wide.json."""
    out = Path(folder)
    out.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    streams = [stream(random, number >= STREAMS) for number in range(STREAMS + DAMAGED)]
    (out / "streams.json").write_text(json.dumps(streams))
    made_by_photo = encoded()
    pictures = [*golden(), *with_alpha(), *exact(), *bounded(), *samples(), *of(made_by_photo)]
    (out / "pictures.json").write_text(json.dumps(pictures))
    (out / "fields.json").write_text(json.dumps(fields()))
    (out / "refused.json").write_text(json.dumps(refused()))
    (out / "encoded.json").write_text(json.dumps(made_by_photo))
    (out / "steps.json").write_text(json.dumps(of_filters("v1steps", "filter_update")))
    (out / "taps.json").write_text(json.dumps(of_filters("v1taps", "taps")))
    (out / "signals.json").write_text(json.dumps(signals()))
    (out / "masks.json").write_text(json.dumps(masks()))
    (out / "wide.json").write_text(json.dumps(wide()))


if __name__ == "__main__":
    main(sys.argv[1])
