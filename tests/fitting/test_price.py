from __future__ import annotations

import numpy as np
import pytest

from mscn_tf.fitting.price import PriceRule

RULE = PriceRule(first_price=0.01, density=0.2, begin=10, end=50, rate=0.1)


def test_the_wanted_density_falls_by_the_same_factor_each_step():
    wanted = np.array([RULE.wanted(step) for step in range(80)])
    np.testing.assert_allclose(wanted[:11], 1)
    np.testing.assert_allclose(wanted[11:51] / wanted[10:50], 0.2 ** (1 / 40), rtol=1e-5)
    np.testing.assert_allclose(wanted[50:], 0.2, rtol=1e-6)


def test_a_fall_may_be_sudden():
    at_once = RULE._replace(begin=0, end=0)
    np.testing.assert_allclose([at_once.wanted(step) for step in (0, 1)], [1, 0.2], rtol=1e-6)


def test_it_settles_where_the_fall_ends():
    assert [RULE.settled(step) for step in (0, 49, 50)] == [False, False, True]
    assert RULE._replace(density=1.0).settled(0)


@pytest.mark.parametrize("density", [0.1, 0.2, 0.6])
def test_a_price_rises_where_more_is_kept_than_wanted(density):
    moved = float(RULE.moved(0.02, density, 60))
    assert moved == pytest.approx(0.02 * (density / 0.2) ** 0.1, rel=1e-5)


def test_one_step_changes_it_little_and_all_of_them_by_a_thousand():
    rule = RULE._replace(rate=5.0)
    assert float(rule.moved(1e-3, 1e-30, 60)) == pytest.approx(1e-5)  # not exp(-10) of it
    for density, bound in ((1.0, 10.0), (0.0, 1e-5)):
        price = 0.01
        for _ in range(12):
            price = rule.moved(price, density, 60)
        assert float(price) == pytest.approx(bound)
