"""The learned half of interpolation, and what it becomes in whole numbers."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from mscn_tf.entropy import laplace
from mscn_tf.entropy.interpolation_context import InterpolationContext, freeze_networks
from mscn_tf.runtime.grid_passes import NEIGHBOURS
from mscn_tf.runtime.interpolation import Interpolation
from mscn_tf.runtime.neighbourhoods import FRACTION, Grid
from tests.harness import check_layer


def examples(seed=0):
    """Places of the finest level of a smooth field, by pass."""
    random = np.random.default_rng(seed)
    grid = Grid((40, 40), False)
    grid.values[:] = np.rint(np.cumsum(np.cumsum(400 * random.standard_normal((40, 40)), 0), 1))
    return [visit for visit in grid.visits() if visit.shape == (20, 20)]


def stacked(visits, of_places):
    return tf.constant(
        np.stack([np.concatenate([of_places(p) for p in v.places()]) for v in visits]), tf.float32
    )


def differences(places):
    shares = np.zeros((len(places.spread), NEIGHBOURS))
    shares[:, : len(places.differences)] = (places.differences / places.spread).T
    return shares


def test_frozen_networks_do_what_the_learned_ones_do():
    context = InterpolationContext(hidden=8, last=6, filters=3, seed=4)
    context.build()
    visits = examples()
    corrections, log_scales = context(
        stacked(visits, lambda p: p.inputs.T),
        stacked(visits, differences),
        stacked(visits, lambda p: p.spread * 2.0**-FRACTION),
    )
    empty = np.zeros(0, np.int64)
    arrays = {**freeze_networks(context), **laplace.measured_tables(context.mixture, empty, empty)}
    nets = Interpolation(arrays).nets
    for number, visit in enumerate(visits):
        predicted, tables = nets(visit)
        places = list(visit.places())
        spread = np.concatenate([p.spread for p in places])
        plain = np.concatenate([p.prediction for p in places])
        np.testing.assert_allclose((predicted - plain) / spread, corrections[number], atol=0.02)
        scales = laplace.LOG_SCALE_FIRST + laplace.LOG_SCALE_SPACING * tables
        wanted = np.clip(log_scales[number], scales.min(), scales.max())
        np.testing.assert_allclose(scales, wanted, atol=0.08)


def test_layer_round_trips():
    visits = examples()
    check_layer(
        InterpolationContext(hidden=4, last=3, filters=2),
        stacked(visits, lambda p: p.inputs.T),
        stacked(visits, differences),
        stacked(visits, lambda p: p.spread * 2.0**-FRACTION),
    )
