"""Tests of a file whose tiles say something of filters, by the fixtures of who imports them.

They are `path`, of a bundle, `codec`, made of it, and `told`, the file.
"""

import numpy as np
import pytest

from mscn_tf.codec import Codec
from mscn_tf.runtime import post_filter, pyramids


@pytest.mark.parametrize(
    "region", [(0, 0, 1, 1), (5, 3, 31, 22), (31, 31, 2, 2), (33, 64, 60, 11), (92, 74, 1, 1)]
)
def test_regions_are_parts_of_the_whole(codec, told, region):
    x, y, w, h = region
    whole = codec.decode(told)
    np.testing.assert_array_equal(codec.decode(told, region=region), whole[y : y + h, x : x + w])


def test_parts_of_any_size_by_several_threads_make_the_whole(path, codec, told, monkeypatch):
    whole = codec.decode(told)
    monkeypatch.setattr(pyramids, "_STRIP", 10)
    monkeypatch.setattr(pyramids, "_WIDE", 1)
    monkeypatch.setattr(post_filter, "_TOGETHER", 100)
    monkeypatch.setattr(post_filter, "_WIDEST", 14)
    for threads in (1, 2):
        np.testing.assert_array_equal(Codec.load(path, threads=threads).decode(told), whole)
