"""`mscn train`, and that the bundle it writes is one to encode and decode with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from mscn_tf.runtime.bundle import Bundle
from mscn_tf.runtime.file_decoder import FileDecoder
from mscn_tf.signals.images import psnr
from tests import tiny
from tests.apps.conftest import Folder


def test_from_pictures_to_a_codec_that_works(tmp_path):
    folder = Folder(tmp_path)
    tiny.write_pictures(tmp_path / "data")
    terms = {"data": "waves", "terms": "CC0-1.0", "attribution": "nobody"}
    changes = dict(steps=3, name="mine", evaluate_every=100, freeze_tiles=300)
    changes.update({f"licence.{name}": text for name, text in terms.items()})
    trained = folder.mscn(
        "train",
        f"--config={Path(tiny.__file__).resolve()}:data",
        "--workdir=run",
        *[f"--config.{name}={value}" for name, value in changes.items()],
    )
    lines = trained.stdout.splitlines()
    assert [line.split("  ")[0] for line in lines[:3]] == ["step 1", "step 2", "step 3"]
    assert lines[-1].startswith("run/mine.mscnb: ")
    assert lines[-1].endswith("use it with --codec=run/mine.mscnb")
    assert Bundle.load(tmp_path / "run" / "mine.mscnb").manifest.record["licence"] == terms

    original = tiny.picture(50, 77, 9)
    Image.fromarray(original).save(tmp_path / "in.png")
    told = folder.mscn("encode", "--codec=run/mine.mscnb", "--bpp=1.2", "in.png", "out.mscn").stdout
    data = (tmp_path / "out.mscn").read_bytes()
    assert f"{len(data):,} bytes" in told
    assert 8 * len(data) <= 1.2 * 50 * 77
    folder.mscn("decode", "--codec=run/mine.mscnb", "out.mscn", "out.png")
    decoded = np.asarray(Image.open(tmp_path / "out.png"))
    np.testing.assert_array_equal(
        FileDecoder.load(tmp_path / "run" / "mine.mscnb").decode(data), decoded
    )
    assert psnr(original, decoded) > 25
    assert f"{psnr(original, decoded):.2f} dB" in told
    # Without --codec the file's own codec is looked for among those installed.
    assert "give its bundle with --codec=PATH" in folder.refuses("decode", "out.mscn", "b.png")


def test_other_data_is_not_under_the_licence_of_the_configurations(tmp_path):
    folder = Folder(tmp_path)
    tiny.write_pictures(tmp_path / "data")
    config = f"--config={Path(tiny.__file__).resolve()}:data"
    given = ["train", config, "--workdir=run", "--config.steps=0", "--config.freeze_tiles=300"]
    (tmp_path / "run").mkdir()
    refused = folder.refuses(*given, "--config.licence.terms=")
    assert "terms of the licence is no printable text" in refused
    folder.mscn(*given, "--config.data.train=data/*/*.png")
    assert Bundle.load(tmp_path / "run" / "tiny.mscnb").manifest.licence is None
