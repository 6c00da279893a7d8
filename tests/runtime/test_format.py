"""A second reader, written from docs/format.md alone, agrees with the first: `tests/reader`."""

from __future__ import annotations

import dataclasses
import random
import re
import zlib
from pathlib import Path

import numpy as np
import pytest

from mscn_tf.runtime import exact, exact_grids
from mscn_tf.runtime.container import Container
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.file_decoder import FileDecoder
from mscn_tf.runtime.pyramid_prior import Fitted, PyramidPrior
from mscn_tf.runtime.tiles import Tiles
from tests import pyramids, reader
from tests.golden import decode
from tests.reader.exact import plane as second_plane
from tests.reader.tiles import block_symbols
from tests.runtime.fuzz import crc, mutated
from tests.runtime.test_pyramid_prior import random_symbols

GOLDEN = decode.files()
BY_NAME = [path.stem for path, _ in GOLDEN]


@pytest.mark.parametrize(("path", "bundle"), GOLDEN, ids=BY_NAME)
def test_both_readers_agree_on_golden_files(path, bundle):
    second, codec = reader.read_bundle(bundle.read_bytes()), FileDecoder.load(bundle)
    data = path.read_bytes()
    file, container = reader.read_file(data), Container.from_bytes(data)
    assert_same_file(file, container)
    assert container.to_bytes() == data  # files of older versions are written as ever
    signals = reader.decode(second, file)
    decode.compare(signals, path, codec.range)
    assert_same_symbols(reader.codec(second), file, codec, data)


def assert_same_file(file, container):
    for name in ("bundle_id", "tile_edge", "tile_overlap", "code_channels", "tiles_per_block"):
        assert getattr(file, name) == getattr(container, name)
    assert file.by_area == container.by_area
    for name in ("shapes", "q16", "channels", "names", "metadata", "error_bound"):
        assert getattr(file, name) == getattr(container, name)
    assert file.exact == (container.exact or [0] * container.items)
    found = (container.blocks, container.residuals, container.exact_blocks)
    assert (file.blocks, file.residuals, file.exact_blocks) == found
    assert len(file.tiles()) == container.tiles


def assert_same_symbols(second, file, codec, data):
    if isinstance(second, (reader.Interpolations, reader.Surfaces)):  # the blocks themselves
        return
    ours = [codec.decode_symbols(data, item) for item in range(len(file.shapes))]
    if isinstance(codec.scheme, Tiles):
        symbols = [symbols for symbols, _ in second.symbols(file)]
        symbols = np.reshape(symbols, (-1, ours[0].shape[1]))
        np.testing.assert_array_equal(np.concatenate(ours), symbols)
        return
    theirs = [symbols for symbols, *_ in second.symbols(file)]
    ours = [fitted.symbols for item in ours for fitted in item]
    assert len(ours) == len(theirs)
    for found, known in zip(theirs, ours):
        assert_same_pyramid(found, known)


def assert_same_pyramid(found, known):
    np.testing.assert_array_equal(found.coarse, known.coarse)
    for bands, details in zip(found.details, known.details):
        for array, band in zip(bands, details.reshape(len(bands), *details.shape[2:])):
            rows, columns = array.shape
            np.testing.assert_array_equal(array, band[:rows, :columns])


def test_golden_files_hold_all_that_the_format_has():
    files = [reader.read_file(path.read_bytes()) for path, _ in GOLDEN]
    assert {file.modality for file in files} == set(reader.container.MODALITIES)
    flags = [Container.from_bytes(path.read_bytes()).flags for path, _ in GOLDEN]
    for bit in range(12):
        assert {flag >> bit & 1 for flag in flags} == {0, 1}, bit
    assert {c for file in files if file.modality == "image" for c in file.channels} == {1, 2, 3, 4}
    assert any(len(file.blocks) > 1 and file.tiles_per_block > 1 for file in files)
    assert {b"" in file.residuals for file in files if file.residuals} == {False, True}


def test_the_second_reader_is_its_own():
    folder = Path(reader.__file__).parent
    sources = [path.read_text() for path in folder.glob("*.py")]
    assert len(sources) > 5
    own = re.compile(r"^\s*(from|import) (mscn_tf|constriction)", re.M)
    assert not any(own.search(source) for source in sources)


SMALL = [(path, bundle) for path, bundle in GOLDEN if path.stat().st_size < 600]


def compare_headers(seed, count):
    """They take and refuse the same damaged headers, checksums right; how many they take."""
    rng, taken = random.Random(seed), 0
    for _ in range(count):
        data = rng.choice(SMALL)[0].read_bytes()
        start = head_of(data)
        changed = mutated(rng, data[:start])
        data = changed + crc(changed) + data[start + 4 :]
        try:
            file = reader.read_file(data)
        except ValueError:
            with pytest.raises(MscnError):
                Container.from_bytes(data)
            continue
        assert_same_file(file, Container.from_bytes(data))
        taken += 1
    return taken


def compare_payloads(seed, rounds):
    """They make the same of damaged blocks and residuals, checksums right; how many they take."""
    rng, taken = random.Random(seed), 0
    for path, bundle in SMALL * rounds:
        container, codec = Container.from_bytes(path.read_bytes()), FileDecoder.load(bundle)
        columns = {n: list(getattr(container, n)) for n in ("blocks", "residuals", "exact_blocks")}
        column = rng.choice([column for column in columns.values() if column])
        number = rng.randrange(len(column))
        column[number] = mutated(rng, column[number])
        data = dataclasses.replace(container, **columns).to_bytes()
        file = reader.read_file(data)
        try:
            # Damaged numbers may be so large that values overflow.
            with np.errstate(over="ignore", invalid="ignore"):
                signals = reader.decode(reader.read_bundle(bundle.read_bytes()), file)
        except ValueError:
            with pytest.raises(MscnError):
                list(codec.decode_all(data))
            continue
        for found, known in zip(signals, codec.decode_all(data)):
            if known.dtype == np.float32:
                size = max(map(abs, codec.range))
                np.testing.assert_allclose(found, known, rtol=1e-6, atol=1e-6 * size)
            else:
                np.testing.assert_array_equal(found, known)
        taken += 1
    return taken


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "bool"])
def test_both_readers_agree_on_exact_planes(dtype):
    """Whole ones of all forms, and damaged ones."""
    rng, random_ = random.Random(dtype), np.random.default_rng(len(dtype))
    forms, refused = set(), 0
    for number, shape in enumerate([(9, 14, 3), (2, 5, 7, 1), (40, 1), (30, 10, 1), (1, 1, 1)] * 4):
        waves = np.cumsum(random_.normal(0, 3, shape), number % 2)
        plane = [waves, np.full(shape, 3), random_.integers(0, 2, shape) * 7, waves.round()][
            number // 5
        ]
        plane = (plane % 256 if dtype == "uint8" else plane).astype(dtype)
        payload = exact.encode(plane)
        forms.add(payload[0])
        for ours in (exact.decode(payload, shape, dtype), second_plane(payload, shape, dtype)):
            assert (ours.dtype, ours.shape) == (plane.dtype, shape)
            assert ours.tobytes() == plane.tobytes()
        for _ in range(8):
            data = damaged_plane(rng, payload)
            try:
                found = second_plane(data, shape, dtype)
            except ValueError:
                refused += 1
                with pytest.raises(MscnError):
                    exact.decode(data, shape, dtype)
                continue
            ours = exact.decode(data, shape, dtype)
            assert ours.tobytes() == found.tobytes()
    assert forms == {0, 1, 2}
    assert 40 < refused < 150


def photograph(height, width, channels):
    """uint8 [height, width, channels]: noise on waves, in all channels much the same."""
    y, x = np.mgrid[:height, :width][..., None] / 9
    noise = np.random.default_rng(0).normal(0, 2, (height, width, channels))
    waves = np.sin(x) * np.cos(y) + [0, 0.02, 0.1][:channels]
    return (120 + 90 * waves + noise).astype(np.uint8)


@pytest.mark.parametrize(("channels", "bound"), [(1, 0), (3, 4)])
def test_both_readers_agree_on_photographs(channels, bound):
    """Grids, whole and damaged."""
    plane = photograph(34, 51 // channels, channels)
    payload = b"\3" + exact_grids.encode(plane, bound=bound)
    found = exact.decode(payload, plane.shape, "uint8")
    assert np.abs(found.astype(int) - plane).max() == bound == exact.bound_of(payload)
    np.testing.assert_array_equal(second_plane(payload, plane.shape, "uint8"), found)
    rng, refused = random.Random(channels), 0
    for _ in range(6):
        data = mutated(rng, payload)
        try:
            found = second_plane(data, plane.shape, "uint8")
        except ValueError:
            refused += 1
            with pytest.raises(MscnError):
                exact.decode(data, plane.shape, "uint8")
            continue
        np.testing.assert_array_equal(exact.decode(data, plane.shape, "uint8"), found)
    assert refused > 1


def damaged_plane(rng, payload):
    """Damaged before or after it's deflated."""
    if rng.random() < 0.3:
        return mutated(rng, payload)
    head = 1 if payload[0] == 0 else 2
    tables = bytearray(zlib.decompress(payload[head:], -15))
    tables[rng.randrange(len(tables))] = rng.choice((0, 1, 2, 3, rng.randrange(256)))
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    return payload[:head] + deflater.compress(bytes(tables)) + deflater.flush()


def test_both_readers_take_and_refuse_the_same_headers():
    assert 30 < compare_headers(0, 1000) < 800


def test_both_readers_make_the_same_of_damaged_payloads():
    assert 10 < compare_payloads(1, 2) < 2 * len(SMALL)


@pytest.mark.slow
def test_both_readers_agree_at_length():
    assert compare_headers(2, 100_000) > 5000
    assert compare_payloads(3, 40) > 500


def with_overlap(data: bytes) -> bytes:
    """A file whose tiles have an edge of one byte, changed to say that they overlap by a sample."""
    start = head_of(data)
    assert data[15] < 128
    head = data[:5] + bytes([data[5] | 16]) + data[6:16] + b"\1" + data[16:start]
    return head + crc(head) + data[start + 4 :]


def test_both_readers_refuse_pictures_whose_tiles_overlap():
    codec = FileDecoder.load(decode.HERE / "v1.mscnb")
    edge = codec.bundle.manifest.tile_edge
    shape = (1, 1)  # has one tile, also where they overlap
    plain = codec.pack(np.zeros((1, codec.bundle.manifest.code_size), int), [shape], [80], [3])
    codec.decode(plain)
    reader.decode(
        reader.read_bundle((decode.HERE / "v1.mscnb").read_bytes()), reader.read_file(plain)
    )
    data = with_overlap(plain)
    for read in (Container.from_bytes, codec.decode, FileDecoder.info):
        with pytest.raises(MscnError, match="tiles of pictures that overlap") as error:
            read(data)
        assert "\n" not in str(error.value)
    with pytest.raises(ValueError, match="overlap"):
        reader.read_file(data)
    container = dataclasses.replace(Container.from_bytes(plain), tile_overlap=edge // 2)
    with pytest.raises(MscnError, match="tiles of pictures that overlap"):
        container.to_bytes()


def test_both_readers_refuse_a_bound_in_a_file_of_a_pyramid_codec():
    path = decode.HERE / "v1pyramid.mscnb"
    codec, second = FileDecoder.load(path), reader.read_bundle(path.read_bytes())
    plain = Container.from_bytes((decode.HERE / "v1pyramid_picture.mscn").read_bytes())
    data = dataclasses.replace(plain, error_bound=2.0, residuals=[b""]).to_bytes()
    for read in (codec.decode, codec.decode_symbols, lambda data: list(codec.decode_all(data))):
        with pytest.raises(MscnError, match="an error bound, which files of") as error:
            read(data)
        assert "\n" not in str(error.value)
    with pytest.raises(ValueError, match="a pyramid with a bound"):
        reader.decode(second, reader.read_file(data))


def head_of(data):
    """Where the header's checksum stands."""
    return next(at for at in range(22, len(data)) if crc(data[:at]) == data[at : at + 4])


@pytest.mark.parametrize("seed", range(4))
def test_both_readers_agree_on_random_symbols(synthetic, prior_arrays, seed):
    shapes = [(20, 13), (8, 8), (9, 30), (1, 1)]
    q16 = None if seed else [80] * 4
    names = ["a", "b", "ü", ""] if seed % 2 else None
    size = [4, 1, 6, 64][seed]
    data = synthetic.pack(shapes, seed, tiles_per_block=size, q16=q16, names=names)
    file = reader.read_file(data)
    assert (file.tile_edge, file.shapes, file.names) == (8, shapes, names)
    bundle = reader.read_bundle(Path(synthetic.path).read_bytes())
    assert_same_symbols(reader.codec(bundle), file, synthetic.codec, data)
    for item, pixels in enumerate(reader.decode(bundle, file)):
        np.testing.assert_array_equal(pixels, synthetic.codec.decode(data, item))


@pytest.mark.parametrize("scale", [0.5, 3.0, 90.0])
@pytest.mark.parametrize("signs", [False, True])
def test_both_readers_agree_on_random_pyramids(signs, scale):
    """Large coefficients, and evidence on signs in small steps."""
    arrays = pyramids.arrays()
    if signs:
        arrays.update(pyramids.sign_arrays(), sign_shift=np.array([3, 9]))
        arrays["sign_frequencies"] = np.linspace(32768, 65500, 3000).astype(np.int64)
    second = reader.codec(reader.Bundle(b"", {"codec": "pyramid"}, arrays, {}, b""))
    for height, width, q16 in ((37, 30, 100), (1, 9, 17), (2, 1, 160)):
        symbols = random_symbols(height, width, q16, scale)
        payload = PyramidPrior(arrays).encode(Fitted(symbols), height, width, q16)
        assert_same_pyramid(second.tile(payload, height, width, q16)[0], symbols)


def test_carries_and_endings(prior_arrays, synthetic):
    """Many short payloads: every way in which the last words can end and carry."""
    prior, rng = synthetic.codec.scheme.prior, np.random.default_rng(5)
    saved = 0
    for _ in range(40):
        symbols = np.rint(rng.laplace(0, rng.uniform(0.1, 9), (1, 48))).astype(np.int32)
        q16 = rng.integers(16, 161, 1)
        payload = prior.encode(symbols, q16)
        assert not payload.endswith(b"\0")
        assert block_symbols(payload, q16.tolist(), prior_arrays).tolist() == symbols.tolist()
        saved += -len(payload) % 4
    assert saved > 20
    for _ in range(2000):
        symbols = rng.integers(-3, 4, (1, 48)).astype(np.int32)
        np.testing.assert_array_equal(prior.decode(prior.encode(symbols, [16]), [16]), symbols)


def test_a_wrong_item_is_an_error(synthetic):
    with pytest.raises(MscnError, match="no item 9"):
        synthetic.codec.decode_symbols(synthetic.pack([(8, 8)]), 9)
