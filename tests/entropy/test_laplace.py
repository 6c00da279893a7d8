"""Tables that two Laplace distributions make, and back."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from mscn_tf.entropy import laplace


@pytest.mark.parametrize("mixture", [(0.5, 0.2, 1.0), (2.0, -0.3, 0.2)])
def test_a_mixture_is_found_from_its_tables(mixture):
    nothing = np.zeros(0, np.int64)
    tables = laplace.measured_tables(tf.constant(mixture), nothing, nothing)
    found = laplace.fitted_mixture(tables)
    again = laplace.measured_tables(tf.constant(found, tf.float32), nothing, nothing)
    off = np.abs(again["frequencies"].astype(float) - tables["frequencies"]) / 2**16
    assert off.max() < 0.03  # rare symbols of wide tables have more than their share
    start = laplace.measured_tables(tf.constant(laplace.MIXTURE), nothing, nothing)
    assert np.abs(start["frequencies"].astype(float) - tables["frequencies"]).max() / 2**16 > 0.06
