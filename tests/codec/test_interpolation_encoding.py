"""Fields of an interpolation codec: bounds, goals, archives, parts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mscn_tf.codec import Codec
from mscn_tf.runtime import interpolations as interpolations_of_files
from mscn_tf.runtime.container import Container
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.interpolation import Interpolation
from mscn_tf.runtime.view import view
from tests import interpolations, reader


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return interpolations.write_codec(tmp_path_factory.mktemp("codec") / "i.mscnb")


@pytest.fixture(scope="module")
def codec(bundle):
    return Codec.load(bundle)


@settings(deadline=None, max_examples=25)
@given(
    shape=st.tuples(st.integers(1, 30), st.integers(1, 30)),
    exponent=st.floats(-3, 2),
    seed=st.integers(0, 1000),
)
def test_a_bound_is_kept(codec, shape, exponent, seed):
    (field,) = interpolations.fields(shape, seed=seed)
    bound = 10**exponent
    data = codec.encode(field, max_error=bound, check=False)
    assert np.abs(codec.decode(data).astype(float) - field).max() <= bound
    assert Container.from_bytes(data).error_bound in (bound, None)  # None: smaller without loss


def test_both_readers_agree_on_an_archive_with_a_flat_field(codec, bundle):
    fields = interpolations.fields((21, 34), 2)
    fields.insert(1, np.full_like(fields[0], 273.0))
    data = codec.encode(fields, max_error=0.02)
    second = reader.read_bundle(bundle.read_bytes())
    for found, known in zip(reader.decode(second, reader.read_file(data)), codec.decode_all(data)):
        np.testing.assert_array_equal(found, known)


def test_higher_qualities_come_closer(codec):
    (field,) = interpolations.fields((40, 60))
    errors, sizes = [], []
    for quality in (1, 4, 7, 10):
        data = codec.encode(field, quality=quality)
        errors.append(float(np.abs(codec.decode(data) - field).max()))
        sizes.append(len(data))
    assert sizes == sorted(sizes)
    assert errors == sorted(errors, reverse=True)


def test_goals_are_reached(codec):
    (field,) = interpolations.fields((40, 60))
    assert len(codec.encode(field, size=1200)) <= 1200
    assert 8 * len(codec.encode(field, bpp=3.0)) <= 3 * field.size
    with pytest.raises(MscnError, match="out of reach"):
        codec.encode(field, size=60)


def test_a_part_is_that_part_of_the_whole(codec):
    fields = interpolations.fields((20, 30), 2)
    data = codec.encode(fields, max_error=0.05)
    whole = codec.decode(data, item=1)
    np.testing.assert_array_equal(
        codec.decode(data, item=1, region=(4, 2, 9, 11)), whole[2:13, 4:13]
    )
    half = codec.decode(data, item=1, scale=0.5)
    np.testing.assert_allclose(half, whole.reshape(10, 2, 15, 2, 1).mean((1, 3)), rtol=1e-6)


def test_a_bound_that_float32_has_no_room_for_is_refused(codec):
    (field,) = interpolations.fields((9, 9))
    with pytest.raises(MscnError, match=r"1e-06 is too small .* take --lossless"):
        codec.encode(field, max_error=1e-6)


def test_damaged_heads_are_refused(codec):
    (field,) = interpolations.fields((9, 9))
    container = Container.from_bytes(codec.encode(field, max_error=1.0))
    for head in (b"", b"\2" + bytes(8), b"\0" + bytes(8), b"\0" + b"\xff" * 8):
        container.blocks = [head]
        with pytest.raises(MscnError, match="get a fresh copy"):
            codec.decode(container.to_bytes())


def series(shape: tuple[int, int], count: int, seed: int = 0) -> list[np.ndarray]:
    """Fields that change little from one to the next."""
    first, *changes = interpolations.fields(shape, count, seed)
    drift = np.cumsum([0 * first] + [0.02 * (change - 260) for change in changes], 0)
    return list((first + drift).astype(np.float32))


def descents(codec, data: bytes, count: int) -> list[int | None]:
    """How far before each field its parent is."""
    fields = [codec.decode_symbols(data, item)[0] for item in range(count)]
    return [field.descent and field.descent.distance for field in fields]


def test_fields_follow_from_those_before_in_short_chains(codec, bundle):
    fields = series((23, 38), 20)
    data = codec.encode(fields, max_error=0.02)
    assert descents(codec, data, 20) == [None if item % 8 == 0 else 1 for item in range(20)]
    apart = sum(len(codec.encode(field, max_error=0.02)) for field in fields)
    assert len(data) < 0.8 * apart
    container = Container.from_bytes(data)
    assert (container.version, container.parents) == (3, True)
    costs = [codec.scheme.samples(container, view(container, item)) for item in (0, 7, 8)]
    assert costs == [23 * 38, 8 * 23 * 38, 23 * 38]
    together = list(codec.decode_all(data))
    for item in (19, 0, 7, 8, 12):
        np.testing.assert_array_equal(codec.decode(data, item), together[item])
    second = reader.read_bundle(bundle.read_bytes())
    for found, known in zip(reader.decode(second, reader.read_file(data)), together):
        np.testing.assert_array_equal(found, known)


def test_large_fields_are_decoded_with_one_parent_kept(codec, monkeypatch):
    fields = series((23, 38), 11)
    data = codec.encode(fields, max_error=0.02)
    together, decoded = list(codec.decode_all(data)), []
    decode = Interpolation.decode_stack

    def counted(self, payloads, *more):
        decoded.extend(payloads)
        return decode(self, payloads, *more)

    monkeypatch.setattr(Interpolation, "decode_stack", counted)
    monkeypatch.setattr(interpolations_of_files, "KEPT_VALUES", 1)
    monkeypatch.setattr(interpolations_of_files.Interpolations, "together", 1)
    np.testing.assert_array_equal(list(codec.decode_all(data)), together)
    assert len(decoded) == 11
    np.testing.assert_array_equal(codec.decode(data, 10), together[10])
    assert len(decoded) == 11 + 3


def test_fields_of_several_chains_and_kinds_are_decoded_as_stacks(codec, monkeypatch):
    fields = series((23, 38), 20) + interpolations.fields((24, 40), 2) + series((23, 38), 9, 1)
    data, stacks = codec.encode(fields, max_error=0.02), []
    apart = [codec.decode(data, item) for item in range(len(fields))]
    decode = Interpolation.decode_stack

    def counted(self, payloads, *more):
        stacks.append(len(payloads))
        return decode(self, payloads, *more)

    monkeypatch.setattr(Interpolation, "decode_stack", counted)
    for found, known in zip(codec.decode_all(data), apart):
        np.testing.assert_array_equal(found, known)
    assert sum(stacks) == len(fields)
    assert len(stacks) < len(fields) / 2


def test_fields_that_are_not_alike_follow_from_none(codec):
    fields = interpolations.fields((30, 40), 3) + interpolations.fields((24, 40), 1)
    data = codec.encode(fields, max_error=0.02)
    assert descents(codec, data, 4) == [None] * 4
    assert not Container.from_bytes(data).parents


def test_what_others_follow_from_does_not_become_exact(codec):
    """And what is exact costs itself alone."""
    rows, columns = np.indices((16, 32))
    flags = ((rows // 3 + columns // 5) % 2).astype(np.float32)[..., None]
    fields = [np.random.default_rng(0).permutation(flags.ravel()).reshape(flags.shape)]
    fields += [fields[0] + 0.05 * (field - 260) for field in interpolations.fields((16, 32), 2)]
    fields.append(flags)
    data = codec.encode(fields, max_error=0.01)
    assert descents(codec, data, 3)[1] == 1
    container = Container.from_bytes(data)
    assert container.exact == [0, 0, 0, 1]
    assert codec.scheme.samples(container, view(container, 3)) == 16 * 32


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda blocks, shapes: blocks.__setitem__(0, blocks[1]), "follows from none"),
        (lambda blocks, shapes: blocks.__setitem__(8, blocks[9]), "more than 8 fields"),
        (lambda blocks, shapes: shapes.__setitem__(2, (38, 23)), "another size"),
        (lambda blocks, shapes: blocks.__setitem__(9, blocks[9][:11]), "a parent's shares"),
        (lambda blocks, shapes: blocks.__setitem__(9, b"\7" + blocks[9][1:]), "its step"),
        (
            lambda blocks, shapes: blocks.__setitem__(9, blocks[9][:10] + b"\x99" + blocks[9][11:]),
            "a parent's shares",
        ),
    ],
)
def test_chains_that_cannot_be_are_refused(codec, change, problem):
    container = Container.from_bytes(codec.encode(series((23, 38), 10), max_error=0.02))
    change(container.blocks, container.shapes)
    data = container.to_bytes()
    with pytest.raises(MscnError, match=problem):
        list(codec.decode_all(data, name="f.mscn"))


def test_damage_reaches_those_that_follow_and_no_others(codec):
    data = bytearray(codec.encode(series((23, 38), 10), max_error=0.02))
    container = Container.from_bytes(bytes(data))
    at = data.index(container.blocks[3]) + 20
    data[at] ^= 1
    damaged = bytes(data)
    for item in (0, 2, 8, 9):
        codec.decode(damaged, item)
    with pytest.raises(MscnError, match=r"f\.mscn: .*checksum of block 3"):
        codec.decode(damaged, 5, name="f.mscn")


def test_a_time_step_may_follow_from_the_one_before_across_levels(codec):
    levels = interpolations.fields((20, 26), 3, seed=5)
    steps = [series((20, 26), 5, seed) for seed in range(3)]
    fields = [level + step - 260 for each in zip(*steps) for level, step in zip(levels, each)]
    structure = {
        "dims": [["time", 5, True], ["lev", 3, False], ["lat", 20, False], ["lon", 26, False]],
        "variables": [{"name": "t", "dims": ["time", "lev", "lat", "lon"]}],
    }
    told = {"axes": ["lat", "lon"], "fields": [{"name": "t", "count": 15}], "netcdf": structure}
    data = codec.encode(fields, max_error=0.02, metadata=told)
    assert descents(codec, data, 15) == [None] * 3 + [3] * 12
    together = list(codec.decode_all(data))
    np.testing.assert_array_equal(codec.decode(data, 13), together[13])
