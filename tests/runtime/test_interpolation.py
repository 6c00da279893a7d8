"""Grids through interpolation and back, and what it predicts from."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.grid_passes import PASSES
from mscn_tf.runtime.interpolation import Interpolation
from mscn_tf.runtime.neighbourhoods import FRACTION, Grid
from tests import interpolations

CODER = Interpolation(interpolations.arrays())
SHAPES = [
    (1, 1),
    (1, 2),
    (2, 1),
    (1, 37),
    (37, 1),
    (2, 2),
    (2, 9),
    (9, 2),
    (3, 5),
    (33, 49),
    (7, 100),
]


@settings(deadline=None, max_examples=40)
@given(
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.booleans(),
    st.floats(0, 9),
    st.integers(0, 2**32 - 1),
)
def test_values_come_back_within_half_a_step(shape, periodic, exponent, seed):
    random = np.random.default_rng(seed)
    values = np.rint(10**exponent * random.standard_normal(shape))
    values = np.cumsum(values, random.integers(2))
    values -= values[0, 0]
    payload, grid = CODER.encode(values, periodic)
    assert np.abs(grid.values - values).max() <= 2 ** (FRACTION - 1)
    decoded = CODER.decode(payload, shape, periodic)
    np.testing.assert_array_equal(decoded.values, grid.values)
    np.testing.assert_array_equal(decoded.steps, grid.steps)


@pytest.mark.parametrize("periodic", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_every_place_is_visited_once_and_sees_known_ones_alone(shape, periodic):
    grid, visits = Grid(shape, periodic), np.zeros(shape, int)
    grid.values[:] = np.nan
    grid.values[0, 0] = 0
    visits[0, 0] = 1
    for visit in grid.visits():
        assert all(np.isfinite(places.differences).all() for places in visit.places())
        visits[visit.rows, visit.columns] += 1
        grid.values[visit.rows, visit.columns] = 0
    assert (visits == 1).all()


def test_cubics_are_predicted_exactly():
    """But at the edges, where neighbours are mirrored ones."""
    y, x = np.indices((65, 65)) - 32.0
    grid = Grid((65, 65), False)
    truth = 1024 * (y**3 - 2 * x**3 + 3 * y * x)
    for visit in grid.visits():
        places = list(visit.places())
        found = np.concatenate([part.prediction for part in places]).reshape(visit.shape)
        wanted = truth[visit.rows, visit.columns]
        if min(visit.shape) > 8:
            inside = (slice(2, -2),) * 2
            np.testing.assert_array_equal(found[inside], wanted[inside])
        grid.values[visit.rows, visit.columns] = wanted
        grid.values[0, 0] = truth[0, 0]


def seen_around(grid, apart):
    """Values one and three places to the right, in the first row of a level's last pass."""
    grid.values[:] = np.arange(60.0).reshape(5, 12)
    (visit,) = [v for v in grid.visits() if v.number == 2 and v.columns.step == 2 * apart]
    (places,) = visit.places()
    beside = [PASSES[2].neighbours.index((0, column)) for column in (1, 3)]
    return (places.differences + places.prediction)[beside, : visit.shape[1]].tolist()


def test_a_periodic_grid_goes_on_beyond_its_last_column():
    assert seen_around(Grid((5, 12), True), 2) == [[4, 8, 0], [8, 0, 4]]
    assert seen_around(Grid((5, 12), False), 2) == [[4, 8, 8], [8, 8, 4]]
    # Of an odd number of columns each second one has no order round the Earth.
    assert seen_around(Grid((5, 12), True), 4) == [[8], [0]]


@pytest.mark.parametrize(
    ("name", "change", "problem"),
    [
        ("first", lambda a: a[:, :-1], "first has shape"),
        ("last", lambda a: a * 100000, "sums are too large"),
        ("filters", lambda a: a + 300, "filters are too large"),
        ("shift", lambda a: a - 5, "out of range"),
        ("octave", lambda a: -a, "out of range"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(name, change, problem):
    arrays = interpolations.arrays()
    arrays[name] = change(arrays[name])
    with pytest.raises(MscnError, match=problem):
        Interpolation(arrays)
