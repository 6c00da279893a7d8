from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from mscn_tf.evaluation import linear_reference
from mscn_tf.evaluation.linear_reference import LinearReference
from mscn_tf.runtime.errors import MscnError
from mscn_tf.signals import images
from tests.evaluation.conftest import picture

EDGE = 8


@pytest.fixture(scope="module", autouse=True)
def _few_tiles():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(linear_reference, "_TILES", 4096)
        yield


@pytest.fixture(scope="module")
def training(tmp_path_factory):
    """A folder of pictures."""
    folder = tmp_path_factory.mktemp("training")
    for seed in range(4):
        Image.fromarray(picture(96, 96, 100 + seed)).save(folder / f"{seed}.png")
    return folder


@pytest.fixture(scope="module")
def fitted(training):
    return LinearReference.fit(f"{training}/*.png", EDGE, training)


def test_files_get_smaller_with_the_step(fitted, pictures):
    files = [fitted.encode(pictures, step) for step in fitted.settings]
    psnr = [
        np.mean([images.psnr(*pair) for pair in zip(pictures, fitted.decode(file))])
        for file in files
    ]
    assert [len(file) for file in files] == sorted(len(file) for file in files)
    assert psnr == sorted(psnr)
    assert psnr[-1] > 31
    assert psnr[-1] > psnr[0] + 12
    for file in files:
        assert sum(fitted.sizes(file).values()) == len(file)


def test_transform_saves_bytes(fitted, pictures):
    """Against the values themselves, quantised alike and coded with one histogram."""
    _, counts = np.unique(np.rint(np.stack(pictures) / 54.0), return_counts=True)
    shares = counts / counts.sum()
    bits = -(counts * np.log2(shares)).sum()
    assert 8 * len(fitted.encode(pictures, 54)) < 0.8 * bits


def test_shapes_and_colours(fitted):
    mixed = [picture(5, 30), picture(17, 8, 1, channels=1), picture(1, 1, 2)]
    file = fitted.encode(mixed, 16)
    decoded = fitted.decode(file)
    assert [one.shape for one in decoded] == [one.shape for one in mixed]
    assert all(images.psnr(*pair) > 25 for pair in zip(mixed, decoded))
    assert fitted.sizes(file)["side"] == 3 * 6


def test_fitted_once(fitted, training, pictures):
    (cache,) = training.glob("linear-*.npz")
    assert fitted.shared_bytes == cache.stat().st_size
    before = cache.stat().st_mtime_ns
    again = LinearReference.fit(f"{training}/*.png", EDGE, training)
    assert cache.stat().st_mtime_ns == before
    assert again.version == fitted.version
    file = fitted.encode(pictures, 40)
    assert again.encode(pictures, 40) == file
    for one, other in zip(again.decode(file), fitted.decode(file)):
        np.testing.assert_array_equal(one, other)


def test_sheets_and_a_cache_cut_short(training, tmp_path):
    tiles = picture(300, EDGE * EDGE, 7)
    Image.fromarray(tiles).save(tmp_path / "sheet.png")
    pattern = f"sheets:{tmp_path}/*.png"
    first = LinearReference.fit(pattern, EDGE, tmp_path)
    (cache,) = tmp_path.glob("linear-*.npz")
    cache.write_bytes(cache.read_bytes()[:1000])
    again = LinearReference.fit(pattern, EDGE, tmp_path)
    tile = tiles[5].reshape(EDGE, EDGE, 3)
    assert again.encode([tile], 30) == first.encode([tile], 30)
    with pytest.raises(MscnError, match="no picture matches"):
        LinearReference.fit(f"{tmp_path}/*.tif", EDGE, tmp_path)
