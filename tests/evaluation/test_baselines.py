from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from mscn_tf.evaluation.baselines import images as image_codecs
from mscn_tf.evaluation.baselines import of, resolve
from mscn_tf.evaluation.signal import Signal
from mscn_tf.runtime.errors import MscnError
from mscn_tf.signals import images
from tests.evaluation.conftest import picture

BASELINES = of("image")


@pytest.mark.parametrize("name", BASELINES)
def test_more_bytes_are_better_pictures(name):
    baseline = BASELINES[name]
    original = picture(64, 96)
    first, last = baseline.settings[0], baseline.settings[-1]
    signal = Signal.of("", original)
    files = [baseline.encode(signal, setting) for setting in (first, last)]
    decoded = [
        baseline.decode(file, signal, setting) for file, setting in zip(files, (first, last))
    ]
    if baseline.lossless:
        np.testing.assert_array_equal(decoded[0], original)
        return
    assert len(files[0]) < len(files[1])
    low, high = (images.psnr(original, one) for one in decoded)
    assert low + 5 < high
    assert high > 28


@pytest.mark.parametrize("name", BASELINES)
@pytest.mark.parametrize("shape", [(32, 32, 1), (31, 17, 3), (1, 1, 3)])
def test_any_shape(name, shape):
    baseline = BASELINES[name]
    original = picture(*shape[:2], channels=shape[2])
    # As a setting is read from a file of results.
    setting, signal = float(baseline.settings[-1]), Signal.of("", original)
    decoded = baseline.decode(baseline.encode(signal, setting), signal, setting)
    assert decoded.dtype == np.uint8
    assert decoded.shape == shape


def test_settings_rise_in_bytes():
    signal = Signal.of("", picture(64, 96))
    for baseline in BASELINES.values():
        sizes = [len(baseline.encode(signal, setting)) for setting in baseline.settings[::3]]
        assert sizes == sorted(sizes), baseline.name


def test_names():
    everything, linear = resolve("all", linear=True)
    assert [one.name for one in everything] == list(BASELINES)
    assert linear
    assert resolve("all", linear=False) == (everything, False)
    assert resolve("none", linear=True) == ([], False)
    chosen, linear = resolve("linear, heic, jpeg444", linear=True)
    assert [one.name for one in chosen] == ["jpeg444", "heic420", "heic444"]
    assert linear
    with pytest.raises(MscnError, match="no baseline named 'gif'; there are jpeg, "):
        resolve("jpeg,gif", linear=False)


def test_missing_library_names_the_extra(monkeypatch):
    image_codecs._heif.cache_clear()
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "pillow_heif" else found(name)
    )
    with pytest.raises(MscnError, match=r"pillow-heif: pip install '\.\[evaluate\]'"):
        resolve("heic", linear=False)
    resolve("avif", linear=False)
