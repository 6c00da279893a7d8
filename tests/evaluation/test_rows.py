from __future__ import annotations

import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mscn_tf.evaluation.rows import Row, RowFile, columns
from mscn_tf.evaluation.signal import Signal
from mscn_tf.runtime.errors import MscnError
from tests.evaluation.conftest import picture

SIGNAL = Signal.of("a.png", picture(4, 6))
ROW = Row(
    codec="webp",
    version='1.0, "method 6"',
    setting=30.0,
    signal=SIGNAL.name,
    digest=SIGNAL.digest,
    shape="4x6x3",
    bytes=100.0,
    header=None,
    side=None,
    payload=None,
    rate=33.25,
    measures={"psnr": math.inf, "ms_ssim": None},
    encode_seconds=0.1,
    decode_seconds=0.2,
)
NUMBERS = st.floats(0, 1e6)


@given(
    rows=st.lists(
        st.builds(
            dataclasses.replace,
            st.just(ROW),
            setting=NUMBERS,
            signal=st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1),
            payload=st.none() | NUMBERS,
            measures=st.fixed_dictionaries(
                {
                    "psnr": st.floats(0, 100) | st.just(math.inf),
                    "ms_ssim": st.none() | st.floats(0, 1),
                }
            ),
        ),
        max_size=4,
        unique_by=lambda row: row.key,
    )
)
def test_rows_come_back(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("rows") / "signals.csv"
    RowFile(path).add(rows)
    again = RowFile(path)
    assert len(again) == len(rows)
    for row in rows:
        signal = dataclasses.replace(SIGNAL, name=row.signal)
        assert again.get(row.codec, row.version, row.setting, signal) == row


def test_cut_line_is_dropped_and_goes_on(tmp_path):
    path = tmp_path / "signals.csv"
    rows = [dataclasses.replace(ROW, setting=float(setting)) for setting in range(3)]
    RowFile(path).add(rows)
    path.write_bytes(path.read_bytes()[:-9])
    again = RowFile(path)
    assert len(again) == 2
    again.add(rows[2:])
    assert len(RowFile(path)) == 3


def test_found_only_for_the_same(tmp_path):
    rows = RowFile(tmp_path / "signals.csv")
    rows.add([ROW])
    assert rows.get("webp", ROW.version, 30, SIGNAL) == ROW
    assert rows.get("webp", "2.0", 30, SIGNAL) is None
    assert rows.get("webp", ROW.version, 31, SIGNAL) is None
    other = Signal.of("a.png", picture(4, 6, seed=1))
    assert rows.get("webp", ROW.version, 30, other) is None
    assert rows.is_of([other, SIGNAL])
    assert not rows.is_of([other])


def test_tidy_replaces_a_codecs_rows(tmp_path):
    path = tmp_path / "signals.csv"
    rows = RowFile(path)
    old, new = ROW, dataclasses.replace(ROW, version="2.0")
    jpeg = dataclasses.replace(ROW, codec="jpeg")
    rows.add([old, jpeg, new])
    rows.tidy([new])
    again = RowFile(path)
    assert len(again) == 2
    assert again.get("webp", "2.0", 30, SIGNAL) == new
    assert again.get("jpeg", ROW.version, 30, SIGNAL) == jpeg


def test_same_name_other_pixels():
    assert SIGNAL.digest == Signal.of("b.png", picture(4, 6)).digest
    assert SIGNAL.digest != Signal.of("a.png", picture(6, 4)).digest
    assert SIGNAL.samples == 24


@pytest.mark.parametrize(
    "content", ["name,bytes\n", ",".join(columns("image")) + "\nwebp,1,2\n", "\xff\xfe\n"]
)
def test_foreign_file(tmp_path, content):
    path = tmp_path / "signals.csv"
    path.write_text(content, encoding="latin-1")
    with pytest.raises(MscnError, match="another --out"):
        RowFile(path)
