from __future__ import annotations

import numpy as np
import pytest
import scipy.fft

from mscn_tf.fitting.basis_codec import BasisCodec
from mscn_tf.training.closed_form_start import FEATURE_NORM, start_from_principal_components
from tests import tiny

EDGE, M = 8, 32


@pytest.fixture(scope="module")
def started():
    """A codec after the start, and the tiles that it was given."""
    pictures = [tiny.picture(88, 120, seed) for seed in range(10)]
    tiles = (
        np.concatenate(
            [
                p.reshape(11, EDGE, 15, EDGE, 3).swapaxes(1, 2).reshape(-1, EDGE, EDGE, 3)
                for p in pictures
            ]
        ).astype("f4")
        / 255
    )
    codec = BasisCodec(tiny.get_config("").model)
    start_from_principal_components(codec, tiles, 0)
    return codec, tiles


def test_codes_are_the_principal_components(started):
    """Against an eigenvalue decomposition of the pixels themselves."""
    codec, tiles = started
    flat = tiles.reshape(len(tiles), -1).astype(np.float64)
    centred = flat - flat.mean(0)
    variance, vectors = np.linalg.eigh(centred.T @ centred / len(flat))
    codes = codec.network.analyse(tiles).numpy()
    np.testing.assert_allclose(codes.mean(0), np.zeros(M), atol=1e-4)
    np.testing.assert_allclose(codes.var(0), variance[::-1][:M], rtol=1e-2, atol=1e-5)
    expected = centred @ vectors[:, ::-1][:, :3]
    signs = np.sign((expected * codes[:, :3]).sum(0))
    np.testing.assert_allclose(codes[:, :3], expected * signs, atol=1e-2)


def test_it_is_a_transform_codec_already(started):
    codec, tiles = started
    basis = codec.network.basis.numpy()
    np.testing.assert_allclose(basis @ basis.T, np.eye(M), atol=1e-5)
    quality = np.full(len(tiles), 5, "f4")
    values = codec.synthesise(codec.fit_code(tiles, quality), quality)
    flat = tiles.reshape(len(tiles), -1) - tiles.mean(0).ravel()
    lost = np.sort(np.linalg.svd(flat, compute_uv=False))[:-M] ** 2
    np.testing.assert_allclose(np.mean((values - tiles) ** 2), lost.sum() / flat.size, rtol=0.02)


def test_scales_fit_the_training_set(started):
    """The estimated bits are near the entropy of the symbols, at every quality."""
    codec, tiles = started
    for quality in (2.0, 5.0, 9.0):
        coded = codec.fit(tiles, np.full(len(tiles), quality, "f4"), [0, 0]).coded
        symbols = coded.symbols.numpy().astype(int)
        entropy = 0.0
        for column in symbols.T:
            share = np.bincount(column - column.min()) / len(column)
            entropy -= np.sum(share[share > 0] * np.log2(share[share > 0]))
        assert 0.9 * entropy < np.mean(coded.bits) < 1.35 * entropy


def test_features(started):
    """Each is a filtered picture of the code element, none larger than the wanted norm."""
    codec, _ = started
    network = codec.network
    inner = network.feature_frequencies
    filtered = network.feature_basis.numpy().reshape(-1, inner, inner, network.features)
    norms = np.sqrt((filtered**2).sum((1, 2)))
    np.testing.assert_allclose(norms.max(0), FEATURE_NORM, rtol=1e-5)
    # The first is a smoothed grey one: it knows nothing of coefficients without grey.
    basis = network.basis.numpy()[: len(filtered)].reshape(-1, EDGE, EDGE, 3)
    grey = scipy.fft.idctn(basis, axes=(1, 2), norm="ortho").sum(-1).std((1, 2))
    assert np.corrcoef(grey, norms[:, 0])[0, 1] > 0.3


def test_the_seed_decides(started):
    _, tiles = started
    config = tiny.get_config("").model
    config.network.features = 8  # the first six are grey
    one, again, other = (BasisCodec(config) for _ in range(3))
    for codec, seed in ((one, 0), (again, 0), (other, 1)):
        start_from_principal_components(codec, tiles, seed)
    for first, second in zip(one.variables, again.variables):
        np.testing.assert_array_equal(first, second)
    differ = np.any(one.network.feature_basis != other.network.feature_basis, axis=0)
    assert np.any(differ.reshape(-1, 8), axis=0).tolist() == [False] * 6 + [True] * 2
