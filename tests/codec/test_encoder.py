from __future__ import annotations

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
    data = codec.encode(picture, quality=quality)
    size = codec.encoder.leading(16 * quality)
    assert size < 1024
    assert not codec.decode_symbols(data)[:, size:].any()

    monkeypatch.setattr(encoder, "_LEFT_OUT", 0.0)
    whole = Codec.load("thumb32")
    assert whole.encoder.leading(16 * quality) == 1024
    full = whole.encode(picture, quality=quality)
    assert len(data) == pytest.approx(len(full), rel=0.05)
    assert images.psnr(picture, codec.decode(data)) == pytest.approx(
        images.psnr(picture, codec.decode(full)), abs=0.2
    )


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
