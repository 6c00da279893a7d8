from __future__ import annotations

import numpy as np
import pytest
import scipy.fft
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from mscn_tf.networks.basis import BasisNetwork, cosine_features, separable_product
from tests.harness import check_layer

EDGE, M, B = 6, 14, 3


def make(dtype="float64", seed=0, **kwargs):
    """A small network with every weight off zero."""
    sizes = dict(
        edge=EDGE,
        channels=2,
        code_size=M,
        features=3,
        feature_frequencies=4,
        feature_code_size=8,
        width=5,
        depth=2,
        coordinate_frequencies=3,
    )
    network = BasisNetwork(**{**sizes, **kwargs}, dtype=dtype)
    network.build(None)
    for i, weight in enumerate(network.weights):
        weight.assign(0.3 * normal(*weight.shape, seed=seed + i))
    return network


def normal(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).normal(size=shape)


def centres(count):
    return ((np.arange(count) + 0.5) * 2 / count - 1)[None]


def orthonormal(network, seed=0):
    """Gives a network the basis that training keeps to: orthonormal rows."""
    rows, columns = network.basis.shape
    network.basis.assign(np.linalg.qr(normal(columns, rows, seed=seed))[0].T)


def linear_only(network):
    network.out_kernel.assign(tf.zeros_like(network.out_kernel))
    network.out_bias.assign(tf.zeros_like(network.out_bias))


QUALITY = np.array([1.0, 4.25, 10.0])


@pytest.mark.parametrize("depth", [1, 3])
def test_round_trips(depth):
    network = make("float32", depth=depth)
    grid = np.linspace(-1, 1, 7, dtype="f4")
    check_layer(
        network,
        normal(B, M).astype("f4"),
        np.tile(grid, [B, 1]),
        grid[None, :5],
        QUALITY.astype("f4"),
    )


@pytest.mark.parametrize("points", [1, 2, 5, 32])
def test_cosines_are_the_dct_on_pixel_centres(points):
    features = cosine_features(tf.constant(centres(points)), points, points)[0]
    expected = scipy.fft.idct(np.eye(points), axis=0, norm="ortho")
    np.testing.assert_allclose(features, expected, atol=1e-13)


def test_cosines_are_smooth_functions_of_the_coordinate():
    x = np.linspace(-1.5, 1.5, 40)
    features = cosine_features(tf.constant(x), 4, 9).numpy()
    for k in range(4):
        expected = np.cos(np.pi * k * (x + 1) / 2) * np.sqrt((2 if k else 1) / 9)
        np.testing.assert_allclose(features[:, k], expected, atol=1e-14)


@settings(max_examples=25)
@given(
    batch=st.integers(1, 3),
    sizes=st.tuples(*[st.integers(1, 5)] * 5),
    shared=st.tuples(st.booleans(), st.booleans()),
)
def test_separable_product_is_the_sum_it_says(batch, sizes, shared):
    k, l, c, h, w = sizes
    coefficients = normal(batch, k, l, c)
    rows = normal(1 if shared[0] else batch, h, k, seed=1)
    cols = normal(1 if shared[1] else batch, w, l, seed=2)
    out = separable_product(*map(tf.constant, (coefficients, rows, cols)))
    rows, cols = (np.repeat(t, batch // len(t), axis=0) for t in (rows, cols))
    expected = np.einsum("bhk,bwl,bklc->bhwc", rows, cols, coefficients)
    np.testing.assert_allclose(out, expected, atol=1e-12)


def test_without_the_sine_network_it_is_an_inverse_dct():
    network = make()
    linear_only(network)
    code = normal(B, M)
    spectrum = network.mean.numpy() + code @ network.basis.numpy()
    spectrum = spectrum.reshape(B, EDGE, EDGE, 2)
    expected = scipy.fft.idctn(spectrum, axes=(1, 2), norm="ortho")
    values = network(code, centres(EDGE), centres(EDGE), QUALITY)
    np.testing.assert_allclose(values, expected, atol=1e-12)


def test_it_starts_as_the_linear_transform():
    network = BasisNetwork(edge=4, channels=1, code_size=6, features=2, feature_frequencies=3)
    network.build(None)
    assert not np.any(network.out_kernel)
    assert not np.any(network.out_bias)
    assert all(np.any(kernel) for kernel in network.kernels)  # else nothing could be learned


def test_formula():
    """The whole network, point by point, from its definition."""
    network = make()
    w = {name: np.asarray(value) for name, value in network.named_weights().items()}
    code, rows, cols = normal(B, M), normal(B, 3, seed=1), normal(B, 4, seed=2)

    def cosines(x, count):
        k = np.arange(count)
        return np.cos(np.pi * k * (x + 1) / 2) * np.sqrt(np.where(k, 2, 1) / EDGE)

    expected = np.empty((B, 3, 4, 2))
    for b, r, c in np.ndindex(B, 3, 4):
        down, across = cosines(rows[b, r], EDGE), cosines(cols[b, c], EDGE)
        spectrum = (w["mean"] + code[b] @ w["basis"]).reshape(EDGE, EDGE, 2)
        linear = np.einsum("k,l,klc->c", down, across, spectrum)
        further = (code[b, :8] @ w["feature_basis"]).reshape(4, 4, 3)
        further = np.einsum("k,l,klc->c", down[:4], across[:4], further)
        hidden = np.concatenate([further, 4 * (linear - 0.5)]) @ w["kernel_0"]
        hidden += np.sqrt(EDGE) * (down[:3] @ w["row_kernel"] + across[:3] @ w["col_kernel"])
        hidden += (QUALITY[b] - 5.5) / 4.5 * w["quality_kernel"][0]
        hidden = np.sin(hidden + w["bias_0"])
        hidden = np.sin(hidden @ w["kernel_1"] + w["bias_1"])
        expected[b, r, c] = linear + hidden @ w["out_kernel"] + w["out_bias"]
    np.testing.assert_allclose(network(code, rows, cols, QUALITY), expected, atol=1e-12)


@pytest.mark.parametrize("axes", [1, 3])
def test_any_number_of_axes(axes):
    """The linear part is the inverse DCT; the sine network sees each axis through its kernel."""
    network = make(axes=axes, frequencies=4, channels=1)
    code, grid = normal(B, M), [centres(EDGE)] * axes
    w = {name: np.asarray(value) for name, value in network.named_weights().items()}
    expected = network(code, *grid, QUALITY).numpy()
    spectrum = np.zeros([B] + [EDGE] * axes)
    part = (w["mean"] + code @ w["basis"]).reshape([B] + [4] * axes)
    spectrum[(slice(None),) + (slice(4),) * axes] = part
    linear = scipy.fft.idctn(spectrum, axes=range(1, axes + 1), norm="ortho")[..., None]
    further = np.zeros([B] + [EDGE] * axes + [3])
    part = (code[:, :8] @ w["feature_basis"]).reshape([B] + [4] * axes + [3])
    further[(slice(None),) + (slice(4),) * axes] = part
    further = scipy.fft.idctn(further, axes=range(1, axes + 1), norm="ortho")
    hidden = np.concatenate([further, 4 * (linear - 0.5)], -1) @ w["kernel_0"]
    cosines = cosine_features(tf.constant(centres(EDGE)[0]), 3, EDGE).numpy() * np.sqrt(EDGE)
    for axis, name in enumerate(["slice_kernel", "row_kernel", "col_kernel"][-axes:]):
        seen = (cosines @ w[name]).reshape([-1 if a == axis else 1 for a in range(axes)] + [5])
        hidden = hidden + seen
    hidden = hidden + ((QUALITY - 5.5) / 4.5).reshape([B] + [1] * (axes + 1)) * w["quality_kernel"]
    hidden = np.sin(np.sin(hidden + w["bias_0"]) @ w["kernel_1"] + w["bias_1"])
    np.testing.assert_allclose(
        expected, linear + hidden @ w["out_kernel"] + w["out_bias"], atol=1e-12
    )


def test_weights_may_be_given():
    network, other = make(), make(seed=50)
    code, grid = normal(B, M), [centres(EDGE), centres(EDGE)]
    given_weights = other.named_weights()
    assert set(map(id, given_weights.values())) == set(map(id, other.weights))
    values = network.synthesise(given_weights, code, grid, QUALITY)
    np.testing.assert_array_equal(values, other(code, *grid, QUALITY))


@settings(max_examples=15)
@given(
    rows=st.lists(st.integers(0, 8), min_size=1, max_size=6),
    cols=st.lists(st.integers(0, 8), min_size=1, max_size=6),
)
def test_values_depend_on_nothing_but_their_own_point(rows, cols):
    network = make()
    code, grid = normal(B, M), np.linspace(-1, 1, 9)[None]
    whole = network(code, grid, grid, QUALITY).numpy()
    part = network(code, grid[:, rows], grid[:, cols], QUALITY)
    np.testing.assert_allclose(part, whole[:, rows][:, :, cols], atol=1e-12)


def test_a_grid_three_times_as_fine_holds_the_coarse_one():
    network = make()
    code = normal(B, M)
    fine = network(code, centres(3 * EDGE), centres(3 * EDGE), QUALITY)
    coarse = network(code, centres(EDGE), centres(EDGE), QUALITY)
    np.testing.assert_allclose(fine[:, 1::3, 1::3], coarse, atol=1e-12)


def test_every_signal_is_on_its_own():
    network = make()
    code, rows, cols = normal(B, M), normal(B, 4), normal(B, 5)
    together = network(code, rows, cols, QUALITY).numpy()
    for b in range(B):
        one = slice(b, b + 1)
        alone = network(code[one], rows[one], cols[one], QUALITY[one])
        np.testing.assert_allclose(together[one], alone, atol=1e-12)


def test_analyse_is_the_adjoint():
    network = make()
    linear_only(network)
    network.mean.assign(tf.zeros_like(network.mean))
    code, tiles = normal(B, M), normal(B, EDGE, EDGE, 2)
    values = network(code, centres(EDGE), centres(EDGE), QUALITY).numpy()
    np.testing.assert_allclose(
        np.sum(values * tiles, (1, 2, 3)), np.sum(code * network.analyse(tiles), 1), atol=1e-12
    )


def test_analyse_gives_the_least_squares_code():
    network = make()
    linear_only(network)
    orthonormal(network)
    tiles, zero = normal(B, EDGE, EDGE, 2), np.zeros((1, M))
    grid = centres(EDGE)
    offset = network(zero, grid, grid, QUALITY[:1]).numpy()
    columns = network(np.eye(M), grid, grid, np.ones(M)).numpy() - offset
    expected = np.linalg.lstsq(
        columns.reshape(M, -1).T, (tiles - offset).reshape(B, -1).T, rcond=None
    )[0].T
    np.testing.assert_allclose(network.analyse(tiles), expected, atol=1e-12)


def test_normalise_keeps_directions():
    network = make()
    before = network.basis.numpy()
    network.normalise()
    norms = np.linalg.norm(before, axis=1, keepdims=True)
    np.testing.assert_allclose(network.basis * norms, before, atol=1e-12)


def test_quality_reaches_the_sine_network_only():
    network = make()
    inputs = normal(B, M), centres(EDGE), centres(EDGE)
    assert np.abs(network(*inputs, QUALITY) - network(*inputs, QUALITY[::-1])).max() > 1e-3
    linear_only(network)
    np.testing.assert_array_equal(network(*inputs, QUALITY), network(*inputs, QUALITY[::-1]))
