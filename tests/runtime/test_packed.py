"""Metadata in few bytes come back as they were; what no writer wrote is refused."""

import json
import time
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mscn_tf.runtime import packed, progressions
from mscn_tf.runtime.field_words import WORDS
from tests.reader import packed as second

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 2**24

numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=5)
regular = st.builds(
    lambda first, step, count: [first + step * place for place in range(count)],
    numbers.filter(lambda number: abs(number) < 1e6),
    st.sampled_from([1, -3, 0, 0.25, 0.1, 180 / 46]),
    st.integers(4, 50),
)
leaves = st.none() | st.booleans() | numbers | texts | st.lists(numbers, max_size=9) | regular
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(texts | st.sampled_from(["~", "~~", "~a"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.dictionaries(texts | st.just("~"), values, max_size=4))
@example({"": [0.0, 0.0, 0.0, 4.5e307]})
@example({"": [0.0, -0.0, 0.0, -0.0]})
@settings(deadline=None, max_examples=150)
def test_objects_come_back_with_the_types_of_their_numbers(metadata):
    data = packed.pack(metadata)
    assert json.dumps(packed.unpack(data, LIMIT)) == json.dumps(metadata)
    text = zlib.decompressobj(-15, zdict=second.words()).decompress(data).decode()
    assert json.dumps(second.unpacked(text)) == json.dumps(metadata)


GRIDS = {
    "degrees": np.arange(90.0, -91, -4),
    "a part of degrees": np.arange(-89.95, 90, 0.1),
    "decimals": np.round(-23.375 + 0.11 * np.arange(412), 3),
    "cells": (np.arange(46) + 0.5) * -180 / 46 + 90,
    "radians": np.degrees((np.arange(90) + 0.5) * 2 * np.pi / 90),
    "float32 as float64": np.linspace(-23.375, 21.835, 412).astype("f4").astype("f8"),
    "both ends": np.linspace(-88.1, 88.3, 47),
}


@pytest.mark.parametrize("name", GRIDS)
def test_coordinates_in_equal_steps_take_few_bytes(name):
    axis = GRIDS[name].tolist()
    told = progressions.told(axis)
    assert told is not None
    assert np.array(progressions.numbers_of(told)).tobytes() == GRIDS[name].tobytes()
    plain = zlib.compress(json.dumps(axis).encode(), 9)
    assert len(packed.pack({"latitude": axis})) < len(plain) / 3


def test_float32_coordinates_become_those_in_equal_steps_that_round_to_them():
    stored = GRIDS["cells"].astype(np.float32)
    found = progressions.regular(stored)
    assert found.astype(np.float32).tobytes() == stored.tobytes()
    np.testing.assert_allclose(found, GRIDS["cells"], atol=1e-12)
    assert progressions.regular(np.arange(9)) is not None
    assert progressions.regular(np.arange(9.0) ** 2) is None  # though differences tell them
    stored[7] = np.nextafter(stored[7], np.float32(0))
    assert progressions.regular(stored) is None


HOSTILE = [
    '{"a":{"~":[0,1]}}',
    '{"a":{"~":[0,1,3],"b":1}}',
    '{"a":{"~":"abc"}}',
    '{"a":{"~":[0,1,0]}}',
    '{"a":{"~":[0,1,-4]}}',
    '{"a":{"~":[0,1,2.0]}}',
    '{"a":{"~":[0,1,true]}}',
    '{"a":{"~":[true,1,4]}}',
    '{"a":{"~":["0",1,4]}}',
    '{"a":{"~":[0,1,4,0]}}',
    '{"a":{"~":[0,1,4,-1]}}',
    '{"a":{"~":[0,1,4,1,null]}}',
    '{"a":{"~":[0,1,4,1,[1]]}}',
    '{"a":{"~":[0,1,4,1,[1,0.5]]}}',
    '{"a":{"~":[0,1,4,1,"NNN"]}}',
    '{"a":{"~":[0,1,4,1,"NNNN",4]}}',
    '{"a":{"~":[0,1,4,1,[]]}}',
    '{"a":{"~":[0,1,4,1,[],8]}}',
    '{"a":{"~":[0,1,4,1,[],4,4]}}',
    '{"a":{"~":[0,1,4,1,"NNNé"]}}',
    '{"a":{"~":[0,1,4,1,"ANNN"]}}',  # the bits before those of 0
    '{"a":{"~":[9e15,9e15,4]}}',
    '{"a":{"~":[1,1,4,1e-300]}}',
    '{"a":{"~":[NaN,1,4]}}',
    '{"a":{"~":[Infinity,1,4]}}',
    '{"a":{"~":[1' + "0" * 400 + ",1,4]}}",
    '{"a":{"~":[0,1,99999999999]}}',
    '{"a":[{"~":[0,0,2000000]},{"~":[0,0,2000000]}]}',
    '{"~":[0,1,4]}',
    "[1]",
    "",
    '{"a":' + "[" * 9999,
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text[:40])
def test_what_no_writer_wrote_is_refused(text):
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zdict=WORDS)
    data = deflater.compress(text.encode()) + deflater.flush()
    with pytest.raises(packed.ERRORS):
        packed.unpack(data, LIMIT)
    if "[[[" not in text:  # as deep as Python's own parser goes
        with pytest.raises(ValueError):  # noqa: PT011
            second.require(isinstance(second.unpacked(text), dict), "no object")


def test_few_bytes_make_no_more_than_is_allowed():
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zdict=WORDS)
    bomb = deflater.compress(b'{"a":"' + b"a" * 2**25 + b'"}') + deflater.flush()
    large = packed.pack({"a": [0.0] * progressions.LONGEST, "b": [1.0] * 9})
    assert len(large) < 60
    start = time.process_time()
    assert len(packed.unpack(large, LIMIT)["a"]) == progressions.LONGEST
    assert time.process_time() - start < 2
    tracemalloc.start()
    with pytest.raises(ValueError, match="too long"):
        packed.unpack(bomb, LIMIT)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * LIMIT


def test_the_words_are_the_same_everywhere():
    lines = (ROOT / "export" / "web" / "words.js").read_text().split("String.raw`\n")[1]
    assert lines.split("\n`;")[0].replace("\n", "").encode() == WORDS == second.words()
    page = (ROOT / "docs" / "format.md").read_text()
    assert f"{len(WORDS)} bytes, CRC-32 {zlib.crc32(WORDS):08x}" in page
    assert zlib.crc32(WORDS) == 0x71B7FB0E  # files are read by these words for ever
