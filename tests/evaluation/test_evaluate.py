"""Ours, the linear reference and a baseline measured on the same pictures."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from mscn_tf.evaluation import linear_reference
from mscn_tf.evaluation.baselines import resolve
from mscn_tf.evaluation.coder import MscnCoder
from mscn_tf.evaluation.curves import published
from mscn_tf.evaluation.evaluate import Evaluation
from mscn_tf.evaluation.linear_reference import LinearReference
from mscn_tf.evaluation.rows import RowFile
from mscn_tf.evaluation.signal import Signal
from mscn_tf.runtime.container import Container
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.file_decoder import FileDecoder
from mscn_tf.signals import images

QUALITIES = (2, 5, 8)


@pytest.fixture(scope="module")
def evaluate(tiny):
    """Evaluates on pictures, into a folder."""
    from tests.tiny import picture

    def make(out, shapes, **options):
        signals = [Signal.of(str(k), picture(*shape, k)) for k, shape in enumerate(shapes)]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(linear_reference, "_TILES", 4096)
            reference = LinearReference.fit(f"{tiny.folder}/train/*.png", 8, out)
        return Evaluation(
            title="tiny",
            command="mscn evaluate",
            signals=signals,
            ours=[MscnCoder(str(tiny.bundle), QUALITIES)],
            references=[reference],
            baselines=resolve("webp", False)[0],
            published=published("kodak"),
            rate_range=None,
            workers=1,
            out=out,
            rows=RowFile(out / "signals.csv"),
            **options,
        )

    return make


def our_rows(one, quality):
    family = next(family for family in one._families() if family.name == "tiny")
    return [row for row in family.rows if row.setting == quality]


def test_small_pictures_share_an_archive(evaluate, tiny, tmp_path):
    one = evaluate(tmp_path, [(24, 32), (16, 16), (30, 9)])
    one.measure()
    codec = FileDecoder.load(tiny.bundle)
    means = []
    for quality in QUALITIES:
        data = (tmp_path / "files" / "tiny" / str(quality) / "archive.mscn").read_bytes()
        rows = our_rows(one, quality)
        assert sum(row.bytes for row in rows) == pytest.approx(len(data))
        assert rows[1].rate == pytest.approx(rows[0].rate)
        for part, size in Container.from_bytes(data).sizes().items():
            assert sum(getattr(row, part) for row in rows) == pytest.approx(size)
        for row, signal, decoded in zip(rows, one.signals, codec.decode_all(data)):
            assert row.measures["psnr"] == images.psnr(signal.array, decoded)
        means.append(len(data) / 3)

    comparisons = one.write()["mscn tiny"]
    assert math.isfinite(comparisons["linear reference"].percent)
    assert math.isfinite(comparisons["linear reference"].per_signal)
    assert math.isnan(comparisons["MSCN (published)"].per_signal)
    results = json.loads((tmp_path / "results.json").read_text())
    assert [curve["name"] for curve in results["curves"][:3]] == ["tiny", "linear", "webp"]
    ours = results["curves"][0]["results"]
    parts = [ours[f"{part}-bytes"] for part in ("header", "side", "payload")]
    assert np.sum(parts, axis=0) == pytest.approx(means)
    assert "share one archive" in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize(("width", "archive"), [(130, True), (20, False)])
def test_pictures_have_files_of_their_own(evaluate, tiny, tmp_path, width, archive):
    one = evaluate(tmp_path, [(24, width), (16, 16)], archive=archive)
    one.measure()
    codec = FileDecoder.load(tiny.bundle)
    for row, signal in zip(our_rows(one, 5), one.signals):
        data = (tmp_path / "files" / "tiny" / "5" / f"{signal.name}.mscn").read_bytes()
        assert row.bytes == len(data)
        assert row.measures["psnr"] == images.psnr(signal.array, codec.decode(data))
    one.write()
    assert "share one archive" not in (tmp_path / "report.html").read_text()


def test_only_what_is_missing_is_coded_again(evaluate, tmp_path):
    shapes = [(24, 32), (16, 16)]
    evaluate(tmp_path, shapes).measure()
    again = evaluate(tmp_path, shapes)
    assert not any(files for _, files in again.missing_files())
    (tmp_path / "files" / "tiny" / "5" / "archive.mscn").unlink()
    missing = {coder.name: files for coder, files in again.missing_files()}
    assert [file.setting for file in missing["tiny"]] == [5]
    assert missing["linear"] == []
    # An archive of other pictures is another archive.
    more = evaluate(tmp_path, shapes + [(8, 8)])
    assert [len(files) for _, files in more.missing_files()] == [
        len(coder.settings) for coder, _ in more.missing_files()
    ]


class Fussy(MscnCoder):
    """Takes no pictures of nine columns."""

    def encode(self, signals, setting, metadata=None):
        if any(signal.shape[1] == 9 for signal in signals):
            raise ValueError("nine columns")
        return super().encode(signals, setting, metadata)


def test_a_picture_that_the_codec_refuses_costs_no_other(evaluate, tiny, tmp_path):
    one = evaluate(tmp_path, [(24, 32), (16, 16), (30, 9)])
    one = replace(one, ours=[Fussy(str(tiny.bundle), QUALITIES)])
    one.measure()
    assert one.write()["mscn tiny"]["WebP"].quality is not None
    assert one.left_out == ["2 by mscn tiny (nine columns)"]
    for signal in one.signals[:2]:  # no longer in an archive
        assert (tmp_path / "files" / "tiny" / "5" / f"{signal.name}.mscn").exists()
    assert json.loads((tmp_path / "results.json").read_text())["signals"] == 2
    assert "share one archive" not in (tmp_path / "report.html").read_text()


def test_a_codec_that_refuses_most_is_left_out(evaluate, tiny, tmp_path):
    one = evaluate(tmp_path, [(24, 9), (16, 9), (30, 20)])
    one = replace(one, ours=[Fussy(str(tiny.bundle), QUALITIES)])
    one.measure()
    assert one.write() == {}
    assert one.left_out == ["0, 1 by mscn tiny (nine columns)"]
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["signals"] == 3
    assert [curve["name"] for curve in results["curves"][:2]] == ["linear", "webp"]


def test_nothing_that_any_codec_takes(evaluate, tiny, tmp_path):
    one = evaluate(tmp_path, [(24, 9), (16, 9)])
    one = replace(one, ours=[Fussy(str(tiny.bundle), QUALITIES)], references=[], baselines=[])
    one.measure()
    with pytest.raises(MscnError, match="nothing could be measured: 0, 1 by mscn tiny"):
        one.write()
