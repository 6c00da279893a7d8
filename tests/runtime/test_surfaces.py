"""Codecs of surfaces: distances near a surface, their files, views, readers, damage and fit."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mscn_tf.codec import Codec
from mscn_tf.fitting import surfaces
from mscn_tf.runtime.bundle import SHIPPED
from mscn_tf.runtime.container import Container
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.surface_pyramid import SurfacePyramid, head_of
from tests import reader


def solid(shape: tuple[int, ...], bumps: float = 0.5) -> np.ndarray:
    """float32 [.., 1]: about the distances from a ball with waves, in cells."""
    middle = (np.array(shape) - 1) / 2
    way = np.indices(shape) - middle[:, None, None, None]
    distance = np.sqrt((way**2).sum(0)) - 0.7 * middle.min() + bumps * np.sin(way[0] / 3)
    return distance.astype(np.float32)[..., None]


@pytest.fixture(scope="module")
def codec() -> Codec:
    return Codec.load("surface")


@pytest.mark.parametrize("shape", [(17, 9, 17), (20, 9, 14), (1, 1, 1), (2, 3, 1), (5, 40, 6)])
def test_files_of_any_shape_decode_alike_in_both_readers(codec, shape):
    distances = solid(shape)
    bundle = reader.read_bundle(Path(f"{SHIPPED}/surface.mscnb").read_bytes())
    for quality in (2, 8):
        data = codec.encode(distances, quality=quality)
        assert data == codec.encode(distances, quality=quality)
        found = codec.decode(data)
        assert (found.shape, found.dtype) == (distances.shape, np.float32)
        (second,) = reader.decode(bundle, reader.read_file(data))
        np.testing.assert_array_equal(found, second)


def test_errors_near_the_surface_fall_with_the_quality(codec):
    distances = solid((49, 49, 33), 1.0)
    near = np.abs(distances) < 1
    errors, sizes = [], []
    for quality in (3, 6, 10):
        data = codec.encode(distances, quality=quality)
        errors.append(float(np.sqrt(np.mean((codec.decode(data) - distances)[near] ** 2))))
        sizes.append(len(data))
    assert sizes == sorted(sizes)
    assert errors[0] > 2 * errors[1] > 4 * errors[2]
    assert errors[2] < 0.03


def test_files_of_few_bytes_leave_more_levels_to_predictions(codec):
    distances = solid((49, 49, 49), 0.0)
    files = [codec.encode(distances, quality=quality) for quality in (2, 5, 10)]
    files += [codec.encode(distances, size=150)]
    finest = [codec.decode_symbols(data, 0)[0][1] for data in files]
    assert finest == [3, 2, 1, 3]


def test_what_is_far_away_takes_next_to_nothing(codec):
    near = solid((33, 33, 33))
    wide = np.pad(near[..., 0], 16, mode="reflect", reflect_type="odd")[..., None]
    sizes = [len(codec.encode(part, quality=6)) for part in (near, wide)]
    assert sizes[1] < 1.5 * sizes[0] + 60


def test_sizes_rates_and_regions(codec):
    distances = solid((33, 33, 17))
    data = codec.encode(distances, size=400)
    assert 250 < len(data) <= 400
    whole = codec.decode(data)
    part = codec.decode(data, region=(2, 3, 4, 8, 9, 10))
    np.testing.assert_array_equal(part, whole[4:14, 3:12, 2:10])
    assert codec.decode(data, scale=2).shape == (66, 66, 34, 1)
    archive = codec.encode([distances, solid((17, 17, 17))], quality=5)
    assert [found.shape for found in codec.decode_all(archive)] == [
        (33, 33, 17, 1),
        (17, 17, 17, 1),
    ]


def test_damage_is_refused_by_both_readers_or_by_none(codec):
    data = codec.encode(solid((12, 17, 9)), quality=7)
    container, rng, refused = Container.from_bytes(data), random.Random(0), 0
    bundle = reader.read_bundle(Path(f"{SHIPPED}/surface.mscnb").read_bytes())
    for number in range(20):
        block = bytearray(container.blocks[0])
        block[rng.randrange(4 if number % 2 else len(block))] ^= 1 << rng.randrange(8)
        damaged = replace(container, blocks=[bytes(block)]).to_bytes()
        try:
            (known,) = reader.decode(bundle, reader.read_file(damaged))
        except ValueError:
            refused += 1
            with pytest.raises(MscnError) as error:
                codec.decode(damaged)
            assert "\n" not in str(error.value)
            continue
        np.testing.assert_array_equal(codec.decode(damaged), known)
    assert 3 < refused < 20
    with pytest.raises(MscnError, match="cut short"):
        codec.decode(replace(container, blocks=[b"\0"]).to_bytes())


def test_filters_and_tables_that_don_t_fit_are_refused(codec):
    arrays = dict(codec.bundle.arrays("prior"))
    for name, array in (
        ("filters", arrays["filters"][:2]),
        ("filters", arrays["filters"].astype(np.int64) * 2**12),
        ("contexts", arrays["contexts"][:, :9]),
        ("contexts", arrays["contexts"] + 99),
    ):
        with pytest.raises(MscnError, match="prior"):
            SurfacePyramid({**arrays, name: array})


def test_a_fit_pays_on_what_it_was_made_for():
    """Against filters and tables of rougher solids."""
    smooth, rough = solid((33, 33, 33), 0.0)[..., 0], solid((33, 33, 33), 3.0)[..., 0]
    sizes = []
    for known in (smooth, rough):
        pyramid = SurfacePyramid(surfaces.fitted([known], [64, 16], 0.6))
        head = head_of(smooth.shape, 0, 16)
        payload, values = pyramid.encode(smooth, head, 0.6)
        np.testing.assert_array_equal(pyramid.decode(payload, smooth.shape).values, values)
        found = values / 256
        assert np.abs(found - smooth)[np.abs(smooth) < 1].max() < 0.1
        sizes.append(len(payload))
    assert sizes[0] < 0.9 * sizes[1]
