from __future__ import annotations

import numpy as np
import pytest
import scipy.special
import tensorflow as tf

from mscn_tf.networks.sphere import SphereNetwork, legendre_functions
from mscn_tf.runtime.grids import cell_areas, global_grid
from tests.harness import check_layer

SHAPE, M, B = (18, 36), 10, 2
QUALITY = np.array([2.0, 7.5])


def normal(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).normal(size=shape)


def make(dtype="float64"):
    """A small network with every weight off zero."""
    network = SphereNetwork(
        nominal_shape=SHAPE,
        channels=2,
        code_size=M,
        features=3,
        frequencies=6,
        feature_frequencies=4,
        feature_code_size=8,
        width=5,
        dtype=dtype,
    )
    network.build(None)
    for i, weight in enumerate(network.weights):
        weight.assign(0.3 * normal(*weight.shape, seed=i))
    return network


def linear_only(network):
    network.out_kernel.assign(tf.zeros_like(network.out_kernel))
    network.out_bias.assign(tf.zeros_like(network.out_bias))


def test_round_trips():
    grid = [axis[None].astype("f4") for axis in global_grid((4, 7))]
    check_layer(make("float32"), normal(B, M).astype("f4"), *grid, QUALITY.astype("f4"))


def test_legendre_functions_are_those_of_scipy():
    latitude = np.linspace(-np.pi / 2, np.pi / 2, 11)
    ours = legendre_functions(tf.constant(latitude), 8)
    for n in range(9):
        for m in range(n + 1):
            norm = np.sqrt(
                (2 * n + 1)
                * (2 if m else 1)
                * scipy.special.factorial(n - m)
                / scipy.special.factorial(n + m)
            )
            theirs = (-1) ** m * norm * scipy.special.lpmv(m, n, np.sin(latitude))
            np.testing.assert_allclose(ours[n][:, m], theirs, atol=1e-11)


def test_the_harmonics_are_orthonormal_on_the_nominal_grid():
    network = make()
    gram = network.gram(network.nominal_grid)
    np.testing.assert_allclose(gram, np.eye(len(gram)), atol=0.03)


def test_project_is_the_transpose_of_expand_by_area():
    network, grid = make(), [axis[None] for axis in global_grid((12, 20))]
    coefficients = normal(B, 49 * 2)
    fields = network.expand(
        tf.constant(coefficients), network.embed([tf.constant(axis) for axis in grid]), 6
    )
    sums = network.project(fields, grid=grid).numpy().reshape(B, 49, 2)
    expected = np.einsum("bfc,fg->bgc", coefficients.reshape(B, 49, 2), network.gram(grid))
    np.testing.assert_allclose(sums, expected, atol=1e-5)


def test_coefficients_fit_fields_and_stay_smooth_between_their_points():
    latitude, longitude = (axis[:, None] for axis in global_grid(SHAPE))
    field = np.sin(latitude) + np.cos(latitude) * np.cos(longitude.T - 1)
    network = SphereNetwork(nominal_shape=SHAPE, channels=1, code_size=4, frequencies=22)
    network.build(None)
    found = network.coefficients(tf.constant(field[None, ..., None], tf.float32))

    def at(latitude, longitude):
        grid = [tf.constant(a[None], tf.float32) for a in (latitude, longitude)]
        return network.expand(found, network.embed(grid), 22).numpy()[0, ..., 0]

    np.testing.assert_allclose(at(latitude[:, 0], longitude[:, 0]), field, atol=1e-3)
    fine = [np.linspace(-1.4, 1.4, 40), np.linspace(0, 6, 50)]
    expected = np.sin(fine[0])[:, None] + np.cos(fine[0])[:, None] * np.cos(fine[1] - 1)
    np.testing.assert_allclose(at(*fine), expected, atol=0.04)


def test_no_seam_at_the_date_line_and_no_pinch_at_the_poles():
    network = make()
    code = normal(1, M)

    def values(latitude, longitude):
        return network(code, np.array([latitude]), np.array([longitude]), QUALITY[:1])[0]

    turn = 2 * np.pi
    np.testing.assert_allclose(values([0.3], [0.0]), values([0.3], [turn]), atol=1e-11)
    for pole in (-np.pi / 2, np.pi / 2):
        around = values([pole], np.linspace(0, turn, 9))
        np.testing.assert_allclose(around, np.broadcast_to(around[:, :1], around.shape), atol=1e-11)
        # Straight over the pole: the same point by another name.
        over, other = values([pole * 1.1], [0.4]), values([pole * 0.9], [0.4 + np.pi])
        np.testing.assert_allclose(over, other, atol=1e-11)


@pytest.mark.parametrize("shape", [SHAPE, (40, 64)])
def test_analyse_inverts_the_linear_part_on_any_grid(shape):
    network = make()
    linear_only(network)
    columns = np.linalg.qr(normal(*reversed(network.basis.shape)))[0]
    network.basis.assign(columns.T)
    network.mean.assign(tf.zeros_like(network.mean))
    code, grid = normal(B, M), [axis[None] for axis in global_grid(shape)]
    fields = network(code, *grid, QUALITY)
    np.testing.assert_allclose(network.analyse(fields, grid), code, atol=0.05)


@pytest.mark.parametrize("rising", [True, False])
def test_areas_add_up_to_the_sphere(rising):
    latitude, longitude = global_grid((7, 5))
    areas = cell_areas(latitude[::-1] if rising else latitude, longitude)
    np.testing.assert_allclose(areas.sum(), 1)
    bounds = np.sin(np.linspace(np.pi / 2, -np.pi / 2, 8))
    expected = -np.diff(bounds) / 10
    np.testing.assert_allclose(areas[:, 0], expected[::-1] if rising else expected)
