"""Which elements `mscn info --plot` says are open."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mscn_tf.codec import Codec
from mscn_tf.codec.parts import Parts
from mscn_tf.evaluation.item_figure import item_figure
from mscn_tf.runtime.container import Container

GOLDEN = Path(__file__).resolve().parents[1] / "golden"


def opened(path):
    """A golden file and its codec."""
    return Codec.load(path.with_name(path.name.split("_")[0] + ".mscnb")), Container.from_bytes(
        path.read_bytes()
    )


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.mscn")), ids=lambda path: path.stem)
def test_every_survivor_has_a_place(path):
    codec, container = opened(path)
    for item in filter(container.coded, range(container.items)):
        found = codec.scheme.survivors(container, item)
        surface = path.stem.startswith("v1surface")  # a solid may be as it was expected
        assert int(not surface) <= found.count <= found.total
        np.testing.assert_allclose(found.places.sum(), found.count)


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*_exact.mscn")), ids=lambda path: path.stem)
def test_what_is_stored_without_loss_is_drawn_without_a_code(path):
    codec, container = opened(path)
    for item in range(container.items):
        axes = item_figure(codec, container, item).axes
        titles = [panel.get_title() for panel in axes if panel.get_title()]
        assert ("without loss" in titles[0]) != any("not zero" in title for title in titles)


def test_coarse_survivors_are_shared_among_the_blocks_that_they_span():
    """The shipped pyramid has levels whose coefficients are larger than a block."""
    codec = Codec.load("photo")
    picture = np.random.default_rng(0).integers(0, 256, (256, 512, 3), dtype=np.uint8)
    found = codec.scheme.survivors(Container.from_bytes(codec.encode(picture, quality=6)), 0)
    assert found.places.shape == (16, 32)
    np.testing.assert_allclose(found.places.sum(), found.count)
    assert np.any(found.places % 1 > 0)


@pytest.mark.parametrize("kind", ["v1", "v1pyramid"])
def test_a_place_shows_what_lies_there(kind, monkeypatch):
    """Noise on the right half of a grey picture of several tiles, nothing on the left."""
    for otherwise in ("cheapest", "in_few_colours"):  # which would have no tiles
        monkeypatch.setattr(Parts, otherwise, lambda _, data, *__: data)
    codec = Codec.load(GOLDEN / f"{kind}.mscnb")
    picture = np.full((64, 128, 1), 128, np.uint8)
    picture[:, 64:] = np.random.default_rng(0).integers(0, 256, (64, 64, 1))
    found = codec.scheme.survivors(Container.from_bytes(codec.encode(picture, quality=9)), 0)
    half = found.places.shape[1] // 2
    assert found.places[:, half:].sum() > 5 * found.places[:, :half].sum()
    assert found.places[:, half:].min() > 0


def test_a_field_of_a_single_row_is_drawn_without_degrees():
    codec = Codec.load("temperature")
    field = np.full((1, 8, 1), 280, np.float32)
    degrees = {"latitude": [10.0], "longitude": list(np.arange(0.0, 360.0, 45.0))}
    container = Container.from_bytes(codec.encode(field, metadata=degrees))
    signal, *_ = item_figure(codec, container, 0, field).axes
    assert not signal.axison
