"""What a bundle says of itself is checked when it is loaded, in little time and memory."""

from __future__ import annotations

import json
from dataclasses import fields

import pytest

from mscn_tf.codec import Codec
from mscn_tf.runtime.bundle import Bundle
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.licences import Licence
from mscn_tf.runtime.manifest import MAX_BYTES, MAX_DEPTH, MAX_ENTRIES, Manifest
from mscn_tf.runtime.values import Values
from tests.runtime import odd_manifests
from tests.runtime.test_fuzz import peak_of, zipped

GOOD = Bundle.load(odd_manifests.GOLDEN / "v1sound.mscnb").manifest.record
FIELD = Bundle.load(odd_manifests.GOLDEN / "v1field.mscnb").manifest.record


def parsed(record) -> Manifest:
    return Manifest.from_bytes(json.dumps(record).encode(), "odd.mscnb")


def test_what_is_stored_is_read_and_all_of_it_kept():
    terms = {"data": "a", "terms": "CC0-1.0", "attribution": "c"}
    manifest = parsed({**GOOD, "licence": terms, "other": {"name": "x"}})
    for entry in fields(Manifest):
        if entry.name not in ("record", "values", "qualities", "licence"):
            assert getattr(manifest, entry.name) == GOOD[entry.name], entry.name
    assert manifest.values == Values(-1.0, 1.0, "float32")
    assert manifest.qualities == tuple(range(1, 11))
    assert manifest.licence == Licence("a", "CC0-1.0", "c")
    assert manifest.record["licence"] == terms
    assert manifest.record["other"] == {"name": "x"}


def test_what_is_missing_has_its_default():
    least = {k: GOOD[k] for k in ("format", "version", "name", "modality", "tile_edge", "channels")}
    manifest = parsed(least)
    assert (manifest.codec, manifest.tile_overlap, manifest.code_size) == ("tiles", 0, None)
    assert (manifest.model, manifest.rate_weight, manifest.training) == (None, None, None)
    assert manifest.licence is None
    assert (manifest.values, manifest.qualities) == (Values(), ())


def changed(path: str, value, good=GOOD) -> dict:
    record = json.loads(json.dumps(good))
    *owners, key = path.split(".")
    owner = record
    for name in owners:
        owner = owner[name]
    owner[key] = value
    return record


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("name", "\x1b[31mred", r"name is '\\x1b\[31mred', not a short printable text"),
        ("name", "a\u202eb", r"name is 'a\\u202eb'"),
        ("name", "", "name is ''"),
        ("licence", {"data": "a"}, "licence has not just the entries attribution, data, terms"),
        ("name", "x" * 101, "name is 'x{39}[.]{3}"),
        ("codec", 3, "codec is 3"),
        ("modality", "smell", "modality is 'smell', not one of image, "),
        ("modality", "mesh", "the codec's 3"),
        ("tile_edge", 0, "tile_edge is 0, not a whole number from 1 to 1048576"),
        ("tile_edge", 2**31, "tile_edge is 2147483648"),
        ("tile_edge", True, "tile_edge is True"),
        ("tile_edge", 8.0, r"tile_edge is 8\.0"),
        ("tile_edge", 64, "the network's edge is 32, the codec's 64"),
        ("tile_overlap", 32, "overlap by more than their edge"),
        ("channels", 256, "channels is 256"),
        ("channels", 2, "the network's channels is 1, the codec's 2"),
        ("code_size", None, "code_size is None"),
        ("code_size", 25, "the network's code_size is 24, the codec's 25"),
        ("qualities", [0], "qualities are"),
        ("qualities", 5, "qualities are 5"),
        ("rate_weight", -1, "rate_weight is -1"),
        ("rate_weight", float("nan"), "a number that isn't finite"),
        ("training", [float("inf")], "a number that isn't finite"),
        ("training", 10**400, "a whole number of 401 digits"),
        ("values", [], "values are no object"),
        ("values", {"\x1b": 1}, "values are no object"),
        ("values", {"low": "1"}, "entries of the wrong kind"),
        ("values", {"low": 1, "high": 1}, "isn't a range of uint8"),
        ("values", {"high": 40_000, "dtype": "int16"}, "isn't a range of int16"),
        ("values", {"dtype": "float32", "band": 2}, "a band of 2"),
        ("model", [], r"model is \[\], not an object"),
        ("model", {}, "steps is None"),
        ("model.network", 3, "network is 3, not an object"),
        ("model.steps", 0, "steps is 0"),
        ("model.domain", "sphere", "domain is 'sphere', of a sound"),
        ("model.network.depth", 2**31, "depth is 2147483648, not a whole number from 1 to 64"),
        ("model.network.width", 2**20, "width is 1048576"),
        ("model.network.frequencies", -1, "frequencies is -1"),
        ("version", "\x1b", r"bundle version '\\x1b', this program reads 1; update"),
    ],
)
def test_what_no_codec_can_be(path, value, message):
    with pytest.raises(MscnError, match=message) as caught:
        parsed(changed(path, value))
    line = str(caught.value)
    assert line.startswith("odd.mscnb: ")
    assert line.isprintable()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("model.network.nominal_shape", [2**20, 2**20]),
        ("model.network.nominal_shape", [10]),
        ("model.network.nominal_shape", [1, 20]),
        ("model.network.frequencies", 4096),
        ("model.network.frequencies", 255),
        ("model.domain", "plane"),
    ],
)
def test_what_no_field_can_be(path, value):
    with pytest.raises(MscnError, match=r"^odd\.mscnb: its manifest is wrong: .*; get it again$"):
        parsed(changed(path, value, FIELD))


def test_tables_of_a_long_tile():
    record = changed("model.network.edge", 2**20)
    with pytest.raises(MscnError, match="a network of 24 frequencies on 1048576x1 points"):
        parsed({**record, "tile_edge": 2**20})


def test_depth_and_number_of_entries():
    deepest = 0
    for _ in range(MAX_DEPTH - 2):
        deepest = [deepest]
    assert parsed({**GOOD, "training": deepest}).training == deepest
    with pytest.raises(MscnError, match="too deep"):
        parsed({**GOOD, "training": [[deepest]]})
    many = [0] * (MAX_ENTRIES // 2)
    assert parsed({**GOOD, "training": many}).training == many
    with pytest.raises(MscnError, match="too large"):
        parsed({**GOOD, "training": [0] * MAX_ENTRIES})


@pytest.mark.parametrize("piece", odd_manifests.BOMBS)
@pytest.mark.parametrize("count", [2**9, 2**13, 2**17, 2**20, 2**26])
def test_a_manifest_that_inflates(piece, count):
    """Once 391 kB of deflated brackets took 7.9 GB: 64 bytes for each empty object of two."""
    text = b'{"format":"mscn-bundle","version":1,"training":[' + piece * (count // len(piece))
    data = zipped({"manifest.json": text})
    with pytest.raises(MscnError, match=r"^bundle: ") as caught:
        Bundle.from_bytes(data)
    assert str(caught.value).isprintable()
    assert peak_of(lambda: Bundle.from_bytes(data)) < 8 * MAX_BYTES


@pytest.mark.parametrize("name", ["v1", "v1pyramid"])
def test_signals_of_other_axes_than_the_arrays(name):
    """A manifest of pictures, without its model, becomes one of sounds."""
    bundle = Bundle.load(odd_manifests.GOLDEN / f"{name}.mscnb")
    record = {key: value for key, value in bundle.manifest.record.items() if key != "model"}
    text = json.dumps({**record, "modality": "sound"}).encode()
    data = zipped({**bundle.members, "manifest.json": text})
    with pytest.raises(MscnError, match=r"other axes than its signals|pyramids of a sound"):
        Codec(Bundle.from_bytes(data)).check()


def test_names_of_members_that_a_terminal_would_obey():
    data = zipped({"\x1b[2Jmanifest.json": b"{}"})
    with pytest.raises(MscnError, match="odd names of members") as caught:
        Bundle.from_bytes(data)
    assert str(caught.value).isprintable()
