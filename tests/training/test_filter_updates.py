"""Directions in which pictures change a filter."""

import numpy as np
import pytest

from mscn_tf.runtime.filter_updates import NAME
from mscn_tf.training.filter_updates import (
    LARGEST,
    STEP,
    UPDATE_SHIFT,
    Quadratic,
    frozen_directions,
    learn_directions,
    places,
)

INPUTS, OUTPUTS = 2, 3
FEATURES = 9 * INPUTS + 1


def seen(random, places_of=400):
    features = random.normal(size=(places_of, FEATURES))
    features[:, -1] = 1
    return features


@pytest.fixture(scope="module")
def pictures():
    """Of which each lacks another mixture of the same two layers, and noise."""
    random = np.random.default_rng(0)
    hidden = random.normal(size=(2, FEATURES, OUTPUTS))
    found = []
    for _ in range(40):
        features, mixture = seen(random), random.normal(size=2)
        left = features @ np.tensordot(mixture, hidden, 1) + random.normal(size=(400, OUTPUTS))
        found.append((features, left))
    return found, hidden


def test_a_quadratic_is_the_squared_error():
    random = np.random.default_rng(1)
    features, left = seen(random), random.normal(size=(400, OUTPUTS))
    one, layer = Quadratic.of(features, left), random.normal(size=(FEATURES, OUTPUTS))
    expected = np.mean((left - features @ layer) ** 2)
    gram, moment = one.along(layer[None])
    assert one.error - 2 * moment[0] + gram[0, 0] == pytest.approx(expected)


def test_what_pictures_lack_is_found(pictures):
    examples, hidden = pictures
    quadratics = [Quadratic.of(*one) for one in examples]
    directions = learn_directions(quadratics, 2)
    span = np.linalg.svd(directions.reshape(2, -1), full_matrices=False)[2]
    for layer in hidden.reshape(2, -1):
        assert np.linalg.norm(span @ layer) > 0.98 * np.linalg.norm(layer)


def test_a_direction_less_finds_less(pictures):
    quadratics = [Quadratic.of(*one) for one in pictures[0]]

    def left(count):
        directions = learn_directions(quadratics, count)
        gains = [one.along(directions)[1] @ places(one, directions) for one in quadratics]
        return np.mean([1 - gain / one.error for gain, one in zip(gains, quadratics)])

    one, two = left(1), left(2)
    assert two < 0.7 * one < 0.7


def test_the_runtimes_arrays(pictures):
    quadratics = [Quadratic.of(*one) for one in pictures[0]]
    directions = learn_directions(quadratics, 2)
    arrays = frozen_directions(quadratics, directions)
    kernel, bias, letters = arrays["update_kernel"], arrays["update_bias"], arrays[NAME]
    assert kernel.shape == (2, OUTPUTS, INPUTS, 3, 3)
    real = kernel.transpose(0, 3, 4, 2, 1).reshape(2, -1, OUTPUTS) / STEP / 2**UPDATE_SHIFT
    np.testing.assert_allclose(real, directions[:, :-1], atol=0.51 / STEP / 2**UPDATE_SHIFT)
    assert bias.shape == (2, OUTPUTS)
    assert letters.shape == (2, 2 * LARGEST + 1)
    assert letters.min() >= 1
    assert (letters.sum(1) == 2**16).all()
