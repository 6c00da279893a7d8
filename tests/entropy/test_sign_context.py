"""The learned model of signs: frozen it is the layer; what it may look at; counting."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from mscn_tf.entropy.pyramid_context import see_magnitudes
from mscn_tf.entropy.sign_context import (
    EVIDENCE_SPACING,
    SignContext,
    freeze_signs,
    sign_frequencies,
)
from mscn_tf.runtime.pyramid_scales import PASSES, Level
from mscn_tf.runtime.pyramid_signs import Signs

LEVELS, EDGE = 3, 8


@pytest.fixture(scope="module")
def layer() -> SignContext:
    context = SignContext(LEVELS, 3, hidden=6)
    context.build()
    random = np.random.default_rng(0)
    for weight in context.trainable_variables:
        deviation = 0.5 if "last" in weight.name else 0.05
        weight.assign(random.normal(0, deviation, weight.shape))
    return context


def seen(random: np.random.Generator, *shape: int) -> np.ndarray:
    symbols = np.trunc(random.laplace(scale=1.5, size=shape))
    return np.copysign(see_magnitudes(symbols), symbols).astype(np.float32)


def by_channel(magnitudes: np.ndarray) -> np.ndarray:
    """[C, h, w, 3] of [h, w, 3 C]."""
    channels = np.split(magnitudes, magnitudes.shape[-1] // 3, axis=-1)
    return np.stack(channels).astype(np.float32)


def log_odds(layer: SignContext, own: np.ndarray, parents: np.ndarray) -> np.ndarray:
    return layer(tf.constant(own[None]), tf.constant(parents[None]), tf.constant([1])).numpy()[0]


def test_frozen_it_gives_the_same_evidence(layer):
    """And it gives it without what a decoder doesn't know yet."""
    random = np.random.default_rng(1)
    own, parents = (
        seen(random, EDGE + 4, EDGE + 4, 9),
        seen(random, EDGE // 2 + 4, EDGE // 2 + 4, 9),
    )
    wanted = log_odds(layer, own, parents)
    arrays = freeze_signs(layer)
    frozen = Signs(arrays, LEVELS, 3)
    unit = EVIDENCE_SPACING * 2.0 ** -int(arrays["sign_shift"][1])
    own, parents = 8 * own, 8 * parents
    places = np.nonzero(np.ones((EDGE // 2, EDGE // 2)))
    for band in range(9):
        known = Level(*map(by_channel, (own * (np.arange(9) < band), parents)))
        for number, start in enumerate(PASSES):
            found = frozen.evidence(known, 1, band, number, places)
            part = wanted[start[0] :: 2, start[1] :: 2, band].reshape(-1, 3)
            assert found * unit == pytest.approx(part, abs=0.05)
            rows, columns = slice(start[0], None, 2), slice(start[1], None, 2)
            known.own[band // 3, rows, columns, band % 3] = own[rows, columns, band]


def test_the_negative_of_a_picture_has_negative_log_odds(layer):
    random = np.random.default_rng(2)
    own, parents = (
        seen(random, EDGE + 4, EDGE + 4, 9),
        seen(random, EDGE // 2 + 4, EDGE // 2 + 4, 9),
    )
    found = log_odds(layer, own, parents)
    assert np.abs(found).max() > 0.1
    assert log_odds(layer, -own, -parents) == pytest.approx(-found, abs=1e-5)


def test_bits_beyond_one(layer):
    symbols = np.array([0.0, 1.0, -1.0, 2.0, -7.0], np.float32)
    odds = np.log([[3.0, 1.0, 1.0], [3.0, 1.0, 1.0], [3.0, 1.0, 1.0], [1.0, 7.0, 1.0], [1, 1, 15]])
    found = layer.bits(tf.constant(symbols), tf.constant(odds, tf.float32)).numpy()
    wanted = [0.0, -np.log2(0.75) - 1, -np.log2(0.25) - 1, -np.log2(7 / 8) - 1, 3.0]
    assert found == pytest.approx(np.array(wanted), abs=1e-5)


def test_frequencies_are_those_of_signs_that_were_counted():
    table = np.repeat([0, 5], 100_000)
    right = np.arange(200_000) % 10 < np.where(table == 5, 8, 5)
    found = sign_frequencies(table, right) / 65536
    assert found[[0, 5]] == pytest.approx([0.5, 0.8], abs=0.002)
    assert found[8] == pytest.approx(1 / (1 + np.exp(-8 * EVIDENCE_SPACING)), abs=1e-4)
