"""The search for a rate or a PSNR finds the quality by few files."""

from __future__ import annotations

import pytest

from mscn_tf.codec import Codec
from mscn_tf.codec.pyramid_encoding import PyramidEncoding
from mscn_tf.codec.tile_encoding import TileEncoding
from tests.tiny import picture


@pytest.fixture
def qualities(monkeypatch) -> list[int]:
    """Those at which whole files are encoded, in sixteenths, but for files of dearer bits."""
    found: list[int] = []
    for kind in (TileEncoding, PyramidEncoding):

        def noted(self, q16, bit_price=1.0, encode_at=kind.file):
            if bit_price == 1.0:
                found.append(q16)
            return encode_at(self, q16, bit_price)

        monkeypatch.setattr(kind, "file", noted)
    return found


# A search that went by the estimate alone would take 14, 6 and 6 files.
@pytest.mark.parametrize(
    ("name", "count", "side", "goal", "files"),
    [
        ("photo", 1, 96, {"bpp": 1.0}, 5),
        ("thumb32", 8, 32, {"bpp": 0.5}, 4),
        ("thumb32", 8, 32, {"psnr": 28.0}, 5),
    ],
)
def test_a_goal_is_found_by_few_files(qualities, name, count, side, goal, files):
    signals = [picture(side, side, seed) for seed in range(1, count + 1)]
    data = Codec.load(name).encode(signals, effort=1, **goal)
    assert len(qualities) <= files, qualities
    assert len(set(qualities)) == len(qualities)
    # It is known on both sides of the goal.
    assert any(abs(a - b) == 1 for a in qualities for b in qualities)
    if "bpp" in goal:
        assert 0.95 * goal["bpp"] * count * side**2 < 8 * len(data) <= goal["bpp"] * count * side**2
