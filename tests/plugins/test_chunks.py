from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mscn_tf.plugins import chunks
from mscn_tf.plugins.goals import Goal
from mscn_tf.runtime.container import Container
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.file_decoder import FileDecoder

TYPES = "<f4 >f4 <f8 |i1 <i2 >i2 <i4 <i8 |u1 <u2 <u4 <u8"
GOALS = [
    Goal(),
    Goal(quality=9),
    Goal(max_error=0.25),
    Goal(max_error=2),
    Goal(relative_error=1e-3),
    Goal(max_error=0),
]


def smooth(shape, seed=0):
    """float64 around 280, the like of temperatures."""
    noise = np.random.default_rng(seed).normal(size=shape)
    for axis in range(noise.ndim)[-2:]:
        noise = noise.cumsum(axis)
    return 280 + 20 * noise / max(np.abs(noise).max(), 1e-9)


@st.composite
def arrays(draw):
    shape = draw(st.one_of(hnp.array_shapes(min_dims=0, max_dims=4, max_side=6), st.just((40, 50))))
    dtype = np.dtype(draw(st.sampled_from(TYPES.split())))
    values = smooth(shape, draw(st.integers(0, 99)))
    values = values - 200 if dtype.itemsize == 1 else values
    if draw(st.booleans()) and dtype.itemsize > 2:
        values = values + draw(st.sampled_from([2e7, 2e9]))
    array = np.array(values.astype(dtype))
    if array.size and draw(st.booleans()):  # as at the edges of an array
        array.reshape(-1, *array.shape[-1:])[-1] = draw(st.integers(0, 9))
    return np.array(array, order=draw(st.sampled_from("CF")))


def off(array, other):
    """The largest difference of two arrays of one type, also where float64 doesn't tell it."""
    return max(abs(a - b) for a, b in zip(array.ravel().tolist(), other.ravel().tolist()))


@settings(max_examples=80)
@given(arrays(), st.sampled_from(GOALS))
def test_chunks_come_back_within_their_bound(array, goal):
    back = chunks.decode(chunks.encode(array, goal))
    assert (back.dtype, back.shape) == (array.dtype, array.shape)
    assert back.flags.f_contiguous == array.flags.f_contiguous or back.flags.c_contiguous
    extent = float(array.max()) - float(array.min())
    bounds = [goal.max_error, goal.relative_error and goal.relative_error * extent, 0.03 * extent]
    assert off(array, back) <= next(bound for bound in bounds if bound is not None) + (
        0.5 if bounds[:2] == [None, None] else 0
    )


WIDE = {
    "real": np.sqrt(smooth((2, 40, 50))),
    "tiny": np.where(smooth((40, 50)) > 280, -0.0, 5e-324 * np.arange(50)),
    "huge": smooth((40, 50)) * 1e305,
    "whole": np.rint(smooth((40, 50)) * 1e14).astype("i8") - 2**60,
    "unsigned": np.rint(smooth((40, 50)) * 1e14).astype("u8") + np.uint64(2**63),
    "four bytes": np.rint(smooth((3, 40, 50)) * 1e6).astype(">i4"),
}


@pytest.mark.parametrize("name", WIDE)
@pytest.mark.parametrize("bound", [0, 1e-12, 1e-5, 2.5, 1e6])
def test_wide_numbers_come_back_within_any_bound(name, bound):
    array = WIDE[name].copy()
    array[..., :3, :4] = np.nan if array.dtype.kind == "f" else np.iinfo(array.dtype).max
    array[..., 30:, :] = array[..., -1:, -1:]  # as at the edges of an array
    data = chunks.encode(array, Goal(max_error=bound))
    back = chunks.decode(data)
    assert (back.dtype, back.shape) == (array.dtype, array.shape)
    known = array == array
    assert off(array[known], back[known]) <= bound
    if not bound:
        assert back.tobytes() == array.tobytes()
    np.testing.assert_array_equal(
        chunks.decode(data, selection=np.s_[..., 5, 2:9]), back[..., 5, 2:9]
    )


def test_a_mark_among_wide_numbers_stays_apart():
    array = np.rint(smooth((40, 50)) * 1e12).astype("i8")
    missing = float(array[20, 20])
    array[::7, ::3] = missing
    back = chunks.decode(chunks.encode(array, Goal(max_error=1e6, missing=missing)))
    assert np.array_equal(back == missing, array == missing)
    assert off(array, back) <= 1e6


@pytest.mark.parametrize("dtype", ["f4", "f8", "i2"])
@pytest.mark.parametrize("goal", [Goal(max_error=0.5), Goal(max_error=2), Goal(quality=2)])
def test_what_stands_for_no_number_comes_back_exactly(dtype, goal):
    array = smooth((2, 3, 60, 80)).astype(dtype)
    array[0, 1, :5] = -9999
    array[0, 2] = 9999  # all of an item
    array[..., 60:] = 0  # an edge
    if array.dtype.kind == "f":
        array[:, :, :20, 50:60] = np.nan
        array[0, 0, 3, 3] = np.inf
    marked = ~((array > 200) & (array < 400))
    data = chunks.encode(array, goal)
    back = chunks.decode(data)
    assert np.array_equal(back[marked], array[marked], equal_nan=array.dtype.kind == "f")
    error = np.abs(back[~marked].astype(float) - array[~marked]).max()
    assert error <= (goal.max_error or 0.03 * 40)
    assert not np.isin(back[~marked], [-9999, 9999, 0]).any()
    only = chunks.encode(np.ascontiguousarray(smooth((2, 3, 60, 60)).astype(dtype)), goal)
    assert len(data) < 1.2 * len(only) + 300


def test_a_missing_number_among_others_stays_apart():
    array = np.round(smooth((40, 50)), 1).astype("f4")
    missing = float(array[20, 20])
    holes = array == np.float32(missing)
    back = chunks.decode(chunks.encode(array, Goal(max_error=3, missing=missing)))
    assert np.array_equal(back == np.float32(missing), holes)
    assert np.abs(back - array).max() <= 3
    whole = np.round(array).astype("i2")
    back = chunks.decode(chunks.encode(whole, Goal(max_error=3, missing=280)))
    assert np.array_equal(back == 280, whole == 280)
    assert np.abs(back - whole).max() <= 3


def test_a_part_decodes_the_items_that_it_needs_alone(monkeypatch):
    array = smooth((3, 4, 30, 40)).astype("f4")
    data = chunks.encode(array, Goal(max_error=0.1))
    back, decoded = chunks.decode(data), []
    decode_all = FileDecoder.decode_all

    def counted(self, container, items):
        decoded.extend(items)
        return decode_all(self, container, items=items)

    monkeypatch.setattr(FileDecoder, "decode_all", counted)
    for index, items in [
        (np.s_[1, 2], [6]),
        (np.s_[0, 1:3, 5], [1, 2]),
        (np.s_[:, 3, ..., ::7], [3, 7, 11]),
        (np.ix_([2, 0], [1], [3, 4], [5]), [1, 9]),
        ((np.array([0, 2]), np.array([3, 1]), np.array([7, 8]), np.array([9, 1])), [3, 9]),
    ]:
        decoded.clear()
        assert np.array_equal(chunks.decode(data, array.shape, index), back[index])
        assert decoded == items


def test_columns_that_do_not_go_round_are_not_taken_for_neighbours():
    noise = np.random.default_rng(0).normal(0, 0.01, (64, 64))
    slope = (np.arange(64) / 10 + noise).astype("f4")
    ring = (np.cos(2 * np.pi * np.arange(64) / 64) + noise).astype("f4")
    codec = chunks.field_codec()
    for array, goes_round in ((slope, False), (ring, True)):
        container = Container.from_bytes(chunks.encode(array, Goal(relative_error=1e-4)))
        assert codec.decode_symbols(container)[0].periodic == goes_round


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"max_eror": 1}, "no option 'max_eror'"),
        ({"max_error": 1, "quality": 5}, "give one of max_error and quality"),
        ({"max_error": -1}, "max_error=-1"),
        ({"max_error": float("nan")}, "max_error=nan"),
        ({"relative_error": -1}, "relative_error=-1"),
        ({"quality": 11}, "quality=11"),
        ({"max_error": "1"}, "max_error='1'"),
        ({"missing": float("nan")}, "missing=nan"),
    ],
)
def test_goals_that_there_are_not(told, words):
    with pytest.raises(MscnError, match=words):
        Goal.of(told)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((4, 4), complex), "not complex128; convert"),
        (np.zeros((4, 4), np.float16), "not float16"),
        (np.zeros((4, 4), bool), "not bool"),
        (np.zeros((4, 0), "f4"), "holds nothing"),
        (np.zeros((1, 2**20 + 1), "u1"), "too large"),
        (2**59 + np.arange(9).reshape(3, 3) ** 2, "as large as 5.76"),
    ],
)
def test_arrays_that_are_refused(array, words):
    with pytest.raises(MscnError, match=words) as caught:
        chunks.encode(array, Goal(quality=5))
    assert "\n" not in str(caught.value)


def damaged(data, **changes):
    """A file whose metadata say something else of its chunk."""
    container = Container.from_bytes(data)
    told = {**container.metadata["chunk"], **changes}
    container.metadata = json.loads(json.dumps({"chunk": told}))
    return container.to_bytes()


@pytest.mark.parametrize(
    "changes",
    [
        {"shape": [2, 30, -1]},
        {"shape": [2**30, 30, 40]},
        {"shape": [2, 31, 40]},
        {"shape": "2"},
        {"shape": [2.0, 30.0, 40.0]},
        {"dtype": "O"},
        {"dtype": "nothing"},
        {"marks": "0"},
        {"marks": "000000000000"},
        {"labels": [0, 5]},
        {"labels": [0]},
        {"labels": [0, 0, 0]},
        {"labels": 7},
        {"order": "Z"},
        {"pad": "00000000"},
        {"offset": "none"},
    ],
)
def test_metadata_of_strangers(changes):
    array = smooth((2, 30, 40)).astype("f4")
    array[:, 5:9, 7] = np.nan
    data = chunks.encode(array, Goal(max_error=0.1))
    assert np.array_equal(chunks.decode(damaged(data)), chunks.decode(data), equal_nan=True)
    with pytest.raises(MscnError, match="chunk: its metadata are damaged"):
        chunks.decode(damaged(data, **changes))


def test_files_that_hold_no_chunk():
    field = smooth((9, 9)).astype("f4")[..., None]
    with pytest.raises(MscnError, match="not a chunk of an array"):
        chunks.decode(chunks.field_codec().encode(field))
    with pytest.raises(MscnError, match=r"of shape \[9, 9\], not \[9, 10\]"):
        chunks.decode(chunks.encode(field[..., 0], Goal()), (9, 10))
    with pytest.raises(MscnError, match="damaged or cut short"):
        chunks.decode(chunks.encode(field[..., 0], Goal())[:-3])
