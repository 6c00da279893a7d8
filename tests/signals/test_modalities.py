"""What is asked of any modality."""

from __future__ import annotations

import numpy as np
import pytest

from mscn_tf.runtime.values import Values
from mscn_tf.signals import modalities
from mscn_tf.signals.signal import Signals


def test_metadata_of_one_sound_of_mixed_rates():
    metadata = {"rate": [8000, 16000, 8000], "subtype": "PCM_16", "file": [0, 1, 1]}
    of = [modalities.metadata_of("sound", metadata, item) for item in range(3)]
    assert [m["rate"] for m in of] == [8000, 16000, 8000]  # numbers, as for a sound alone
    assert of[1] == {"rate": 16000, "subtype": "PCM_16"}


def test_metadata_of_one_volume():
    metadata = {"low": [0.0, 5.0], "high": [1.0, 9.0], "dtype": "<f4"}
    assert modalities.metadata_of("volume", metadata, 1) == {
        "low": [5.0],
        "high": [9.0],
        "dtype": "<f4",
    }


@pytest.mark.parametrize(("noise", "share"), [(0.0, 0.0), (0.1, 0.1), (1.0, 1.0)])
def test_share_lost_is_the_error_over_the_spread(noise, share):
    random = np.random.default_rng(0)
    original = random.normal(128.0, 40.0, (400, 300, 1))
    decoded = original + random.normal(0, 40.0 * noise, original.shape)
    found = modalities.share_lost("image", original, decoded)
    assert found == pytest.approx(share, abs=0.01)


def test_share_lost_counts_no_difference_between_channels():
    """Two flat channels of different colours have no spread: that of pictures is 4 levels then."""
    original = np.full((8, 8, 2), [0.0, 200.0])
    assert modalities.share_lost("image", original, original) == 0
    assert modalities.share_lost("image", original, original + 1) == 0.25


def test_misfit_names_the_ranges():
    values = Values(0.0, 1.0, "float32")
    assert modalities.misfit("image", Signals([np.array([[0.0], [1.9]])]), values) is None
    line = modalities.misfit("image", Signals([np.array([[0.0], [2.5]])]), values)
    assert "2.5" in line
