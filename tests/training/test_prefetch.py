from __future__ import annotations

import threading

import numpy as np
import pytest

from mscn_tf.training.prefetch import Prefetch


def test_every_step_has_its_batch():
    batch = Prefetch(lambda step: [np.full(2, step)])
    for step in (0, 1, 2, 7, 8, 3):  # also where a run goes on, or back
        np.testing.assert_array_equal(batch(step), [[step, step]])


def test_the_next_batch_is_drawn_meanwhile():
    drawn = {step: threading.Event() for step in range(3)}

    def draw(step: int) -> list[np.ndarray]:
        drawn[step].set()
        return [np.zeros(1)]

    batch = Prefetch(draw)
    batch(0)
    assert drawn[1].wait(10)
    assert not drawn[2].is_set()
    batch(1)
    assert drawn[2].wait(10)


def test_errors_of_drawing_come_out_at_their_step():
    batch = Prefetch(lambda step: [1 / np.float64(2 - step)] if step < 2 else [1 // 0])
    assert batch(0) == [0.5]
    assert batch(1) == [1.0]
    with pytest.raises(ZeroDivisionError):
        batch(2)
