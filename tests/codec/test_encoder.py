from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from mscn_tf.codec import Codec, encoder
from mscn_tf.signals import images

PICTURE = Path(__file__).resolve().parents[2] / "demo" / "kodim.png"


def test_more_elements_at_higher_qualities():
    fitted = Codec.load("thumb32").encoder
    sizes = [fitted.leading(q16) for q16 in range(48, 161)]
    assert sizes == sorted(sizes)
    assert sizes[0] <= 512
    assert sizes[-1] == 1024


@pytest.mark.parametrize("quality", [2, 5])
def test_a_code_cut_short_gives_nearly_the_same_file(quality, monkeypatch):
    picture = images.read_picture(PICTURE)[128:256, 64:256]
    codec = Codec.load("thumb32")
    data = codec.encode(picture, quality=quality, effort=1)
    size = codec.encoder.leading(16 * quality)
    assert size < 1024
    assert not codec.decode_symbols(data)[:, size:].any()

    monkeypatch.setattr(encoder, "_LEFT_OUT", 0.0)
    whole = Codec.load("thumb32")
    assert whole.encoder.leading(16 * quality) == 1024
    full = whole.encode(picture, quality=quality, effort=1)
    assert len(data) == pytest.approx(len(full), rel=0.08)
    assert images.psnr(picture, codec.decode(data)) == pytest.approx(
        images.psnr(picture, codec.decode(full)), abs=0.2
    )


def test_effort_0_leaves_out_the_later_steps():
    picture = images.read_picture(PICTURE)[128:256, 64:256]
    codec = Codec.load("thumb32")
    fastest, fast = (codec.encode(picture, quality=5, effort=effort) for effort in (0, 1))
    assert fastest != fast
    assert len(fastest) == pytest.approx(len(fast), rel=0.1)
    loss = [images.psnr(picture, codec.decode(data)) for data in (fast, fastest)]
    assert 0 < loss[0] - loss[1] < 1


@pytest.mark.parametrize("tiles", [1, 3])
def test_elements_past_the_leading_ones_are_zero(tiles):
    fitted = Codec.load("thumb32").encoder
    pixels = np.random.default_rng(0).integers(0, 256, (tiles, 32, 32, 3), np.uint8)
    codes = fitted.codes(pixels, np.full(tiles, 40))
    size = fitted.leading(40)
    assert codes[:, :size].all()
    assert not codes[:, size:].any()
    # The highest of several qualities counts.
    mixed = fitted.codes(pixels, np.append(np.full(tiles - 1, 40), 160))
    assert mixed.all()


@pytest.fixture(scope="module", params=["picture", "noise", "constant"])
def kind(request):
    """Of tiles. Of a constant there is nothing left to save."""
    return request.param


@pytest.fixture(scope="module")
def cost(kind):
    """What tiles of a kind cost after so many passes: squared error in steps plus weighed bits."""
    tiles = {
        "picture": images.read_picture(PICTURE)[128:160, 64:192].reshape(32, 4, 32, 3),
        "noise": np.random.default_rng(0).integers(0, 256, (32, 4, 32, 3), np.uint8),
        "constant": np.full((32, 4, 32, 3), 77, np.uint8),
    }[kind].swapaxes(0, 1)
    codec = Codec.load("thumb32")
    prior, q16 = codec.scheme.prior, np.full(len(tiles), 80)
    codes = codec.encoder.codes(tiles, q16)

    @cache
    def cost_of(passes):
        symbols = codec.encoder.choose(tiles, codes, q16, passes=passes)
        known = prior.dequantise(symbols, q16)
        values = codec.scheme.decoder(known, codec.encoder.grid, q16 / 16)
        error = np.square(values - tiles / 255).sum()
        weight = codec.bundle.manifest.rate_weight
        return error / prior.steps(q16)[0, 0] ** 2 + weight * prior.bits(symbols, q16).sum()

    return cost_of


def test_each_pass_lowers_what_rate_and_distortion_cost(kind, cost):
    once, twice, often = cost(1), cost(2), cost(6)
    # Symbols are chosen at the scales of those before: a pass may cost a little.
    assert often <= twice * 1.005
    assert twice <= once
    if kind != "constant":
        assert often < 0.997 * once


def test_gates_lower_it_further(kind, cost):
    before, gated, longer = cost(5), cost(6), cost(9)
    assert longer <= gated * 1.001
    assert gated <= before
    if kind != "constant":
        assert gated < 0.9985 * before


def test_qualities_of_tiles_are_their_own_with_gates():
    """A tile's symbols don't depend on the others where all have as many leading elements."""
    tiles = images.read_picture(PICTURE)[128:160, 64:192].reshape(32, 4, 32, 3).swapaxes(0, 1)
    fitted = Codec.load("thumb32").encoder
    q16 = np.array([150, 152, 155, 160])
    together = fitted.choose(tiles, fitted.codes(tiles, q16), q16, passes=6)
    for at in range(4):
        one = slice(at, at + 1)
        code = fitted.codes(tiles[one], q16[one])
        alone = fitted.choose(tiles[one], code, q16[one], passes=6)
        assert np.mean(alone != together[one]) < 0.01
