"""`max_error`: the bound holds in whole files, for every value and every part."""

from __future__ import annotations

import numpy as np
import pytest

from mscn_tf.codec import Codec
from mscn_tf.runtime.container import Container
from mscn_tf.runtime.errors import MscnError


@pytest.fixture(scope="module")
def codec():
    return Codec.load("thumb32")


@pytest.fixture(scope="module")
def pictures():
    random = np.random.default_rng(0)
    y, x = np.mgrid[:40, :33][..., None]
    smooth = 120 + 80 * np.sin(x / 7) * np.cos(y / 9) + random.normal(0, 6, (3, 40, 33, 3))
    return np.clip(smooth, 0, 255).astype(np.uint8)


def worst(original, decoded):
    return int(np.abs(original.astype(int) - decoded.astype(int)).max())


@pytest.mark.parametrize("bound", [0.5, 3.0, 40.0])
def test_the_bound_holds(codec, pictures, bound):
    data = codec.encode(pictures, 4, max_error=bound)
    for picture, decoded in zip(pictures, codec.decode_all(data)):
        assert worst(picture, decoded) <= bound
    part = codec.decode(data, 1, region=(5, 3, 20, 30))
    assert worst(pictures[1][3:33, 5:25], part) <= bound


def test_other_sizes_are_without_residuals(codec, pictures):
    plain, bounded = codec.encode(pictures, 4), codec.encode(pictures, 4, max_error=2)
    np.testing.assert_array_equal(
        codec.decode(plain, size=(16, 20)), codec.decode(bounded, size=(16, 20))
    )


def test_the_search_finds_no_worse_a_quality_than_the_default(codec, pictures):
    sizes = [len(codec.encode(pictures, quality, max_error=6)) for quality in (3, 5, 8)]
    assert len(codec.encode(pictures, max_error=6)) <= min(sizes)


def test_damaged_residuals_are_refused(codec, pictures):
    container = Container.from_bytes(codec.encode(pictures, 4, max_error=2), "a.mscn")
    container.residuals[1] = b"\xff" * 30
    with pytest.raises(MscnError, match=r"a\.mscn.*fresh copy"):
        codec.decode(container, 1)


def test_signals_with_bounds_of_their_own_keep_the_least_that_is_not_0(codec, pictures):
    data = codec.encode(pictures, 4, max_error=[6.0, 0.0, 3.0])
    errors = [worst(*pair) for pair in zip(pictures, codec.decode_all(data))]
    assert errors[1] == 0
    assert 0 < max(errors) <= 3
    assert Container.from_bytes(data).error_bound == 3


def test_what_is_refused(codec, pictures):
    with pytest.raises(MscnError, match="2 bounds for 3 signals"):
        codec.encode(pictures, max_error=[1.0, 2.0])
    with pytest.raises(MscnError, match="max_error=-1"):
        codec.encode(pictures, max_error=-1)
    with pytest.raises(MscnError, match="alone"):
        codec.encode(pictures, bpp=1.0, max_error=2)


@pytest.mark.parametrize("bound", [1, 7.5, 200])
def test_codecs_that_lose_anything_keep_bounds_in_the_exact_form(pictures, bound):
    photo = Codec.load("photo")
    alpha = np.dstack([pictures[0], pictures[1][..., :1]])
    data = photo.encode([alpha, pictures[2][..., :1]], max_error=bound)
    colours, grey = photo.decode_all(data)
    np.testing.assert_array_equal(colours[..., 3], alpha[..., 3])
    errors = [worst(alpha, colours), worst(pictures[2][..., :1], grey)]
    assert 0 < min(errors) <= max(errors) <= bound
    assert [item["within"] for item in photo.info(data)["items"]] == [min(int(bound), 127)] * 2
    plain = photo.encode([alpha, pictures[2][..., :1]], lossless=True)
    assert len(data) < len(plain)
    assert [item["within"] for item in photo.info(plain)["items"]] == [0, 0]
