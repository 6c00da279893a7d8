from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mscn_tf.codec.tiling import chunks, to_tiles
from mscn_tf.runtime.container import grid


def numbered(height, width, channels):
    values = np.arange(height * width * channels) * 7 % 251
    return values.reshape(height, width, channels).astype(np.uint8)


@given(st.integers(1, 30), st.integers(1, 30), st.sampled_from([1, 3]), st.integers(1, 9))
def test_tiles_put_together_are_the_picture(height, width, channels, edge):
    picture = numbered(height, width, channels)
    tiles = to_tiles(picture, edge)
    rows, cols = -(-height // edge), -(-width // edge)
    assert tiles.shape == (rows * cols, edge, edge, channels)
    assert tiles.dtype == np.uint8
    whole = tiles.reshape(rows, cols, edge, edge, channels).swapaxes(1, 2)
    whole = whole.reshape(rows * edge, cols * edge, channels)
    np.testing.assert_array_equal(whole[:height, :width], picture)
    # What fills up is the mirror image of what is there.
    for i in range(height, min(2 * height, rows * edge)):
        np.testing.assert_array_equal(whole[i, :width], picture[2 * height - 1 - i])
    for j in range(width, min(2 * width, cols * edge)):
        np.testing.assert_array_equal(whole[:height, j], picture[:, 2 * width - 1 - j])


def test_a_single_pixel_fills_its_tile():
    tiles = to_tiles(np.full((1, 1, 3), 77, np.uint8), 8)
    np.testing.assert_array_equal(tiles, np.full((1, 8, 8, 3), 77))


@given(
    st.lists(st.integers(1, 20), min_size=1, max_size=3),
    st.integers(2, 6),
    st.integers(0, 3),
)
def test_overlapping_tiles_share_their_samples(shape, edge, overlap):
    overlap = min(overlap, edge - 1)
    signal = np.arange(np.prod(shape)).reshape(*shape, 1)
    tiles = to_tiles(signal, edge, overlap)
    counts = grid(shape, edge, overlap)
    assert tiles.shape == (np.prod(counts), *[edge] * len(shape), 1)
    for place, tile in zip(np.ndindex(*counts), tiles):
        corner = [at * (edge - overlap) for at in place]
        part = signal[tuple(slice(c, c + edge) for c in corner)]
        np.testing.assert_array_equal(tile[tuple(map(slice, part.shape[:-1]))], part)


@given(st.integers(1, 200), st.integers(2, 9), st.floats(0, 1, exclude_max=True), st.integers(1, 5))
def test_strips_give_the_tiles_of_the_whole(length, edge, share, most):
    overlap = int(share * edge)
    signal = np.arange(length)[:, None]
    whole = to_tiles(signal, edge, overlap)
    parts = chunks(length, edge, overlap, most)
    assert all(place.stop - place.start <= most + 1 for place, _ in parts)
    for place, samples in parts:
        np.testing.assert_array_equal(to_tiles(signal[samples], edge, overlap), whole[place])
    assert parts[-1][0].stop == len(whole)
