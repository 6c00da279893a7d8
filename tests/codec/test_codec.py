from __future__ import annotations

import numpy as np
import pytest

from mscn_tf.codec import Codec
from mscn_tf.export.bundle import write_bundle
from mscn_tf.runtime.bundle import Bundle
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.file_decoder import FileDecoder
from mscn_tf.signals.images import psnr
from tests.runtime.conftest import bundle_members, prior_arrays, synthetic  # noqa: F401
from tests.tiny import picture


@pytest.fixture(scope="module")
def codec(tiny):
    return Codec.load(tiny.bundle)


def rate(data, *pictures):
    """Bits a pixel of the whole file."""
    return 8 * len(data) / sum(p.shape[0] * p.shape[1] for p in pictures)


@pytest.mark.parametrize("shape", [(64, 64), (61, 90), (8, 8), (7, 33), (1, 100), (100, 1)])
def test_a_picture_and_back(codec, tiny, shape):
    original = picture(*shape, 5)
    data = codec.encode(original, quality=9)
    decoded = codec.decode(data)
    assert decoded.shape == original.shape
    assert decoded.dtype == np.uint8
    assert psnr(original, decoded) > 27
    # What decodes needs no TensorFlow, and gives the same.
    np.testing.assert_array_equal(FileDecoder.load(tiny.bundle).decode(data), decoded)


@pytest.mark.parametrize("value", [0, 90, 255])
def test_a_single_pixel(codec, value):
    decoded = codec.decode(codec.encode(np.full((1, 1, 3), value, np.uint8), quality=10))
    assert decoded.shape == (1, 1, 1)
    assert np.abs(decoded.astype(int) - value).max() < 25


def test_grey(codec):
    grey = picture(50, 40, 3)[..., :1]
    data = codec.encode(grey, quality=9)
    decoded = codec.decode(data)
    assert decoded.shape == (50, 40, 1)
    assert psnr(grey, decoded) > 27
    coloured = codec.encode(np.repeat(grey, 3, axis=2), quality=9)
    assert data == coloured


def test_an_archive(codec):
    shapes = [(16, 16), (30, 41), (5, 9), (16, 16)]
    pictures = [picture(*shape, i) for i, shape in enumerate(shapes)]
    pictures[1] = pictures[1][..., :1]
    names = ["a.png", "folder/b.png", "ä.png", "d"]
    data = codec.encode(pictures, quality=6, names=names)
    items = codec.info(data)["items"]
    assert [item["name"] for item in items] == names
    assert [tuple(item["size"][::-1]) for item in items] == shapes
    assert {item["quality"] for item in items} == {6}
    for i, (original, decoded) in enumerate(zip(pictures, codec.decode_all(data))):
        assert decoded.shape == original.shape
        np.testing.assert_array_equal(codec.decode(data, item=i), decoded)
        alone = codec.decode(codec.encode(original, quality=6))
        # Sums in another order may round a symbol the other way, rarely.
        assert np.mean(alone == decoded) > 0.97
        assert psnr(original, decoded) > 24
    separately = sum(len(codec.encode(p, quality=6)) for p in pictures)
    assert len(data) < separately


def test_a_stack_is_an_archive(codec):
    stack = np.stack([picture(16, 16, i) for i in range(5)])
    assert codec.encode(stack) == codec.encode(list(stack))
    assert len(codec.info(codec.encode(stack))["items"]) == 5


def test_more_than_one_block_and_batch(codec):
    original = picture(100, 130, 1)  # 221 tiles
    data = codec.encode(original, quality=8)
    assert codec.info(data)["blocks"] == 4
    whole = codec.decode(data)
    assert psnr(original, whole) > 27
    np.testing.assert_array_equal(codec.decode(data, region=(33, 70, 20, 25)), whole[70:95, 33:53])


def test_same_arguments_same_bytes(codec, tiny):
    original = picture(70, 50, 2)
    data = codec.encode(original, quality=7)
    assert codec.encode(original, quality=7) == data
    assert Codec.load(tiny.bundle).encode(original.copy(), quality=7) == data
    assert codec.encode(original, bpp=1.0) == codec.encode(original, bpp=1.0)


def test_quality(codec):
    original = picture(64, 80, 4)
    files = [codec.encode(original, quality=q) for q in (1, 3, 5.0625, 7.5, 10)]
    sizes = [len(data) for data in files]
    values = [psnr(original, codec.decode(data)) for data in files]
    assert sizes == sorted(sizes)
    assert values == sorted(values)
    assert values[-1] - values[0] > 4
    assert codec.info(files[2])["items"][0]["quality"] == 5.0625
    assert codec.encode(original) == codec.encode(original, quality=5)
    assert codec.encode(original, quality=4.51) == codec.encode(original, quality=4.5)


@pytest.mark.parametrize("target", [0.4, 0.8, 1.4])
def test_rate_is_held(codec, target):
    original = picture(120, 160, 6)
    reached = rate(codec.encode(original, bpp=target), original)
    assert 0.97 * target < reached <= target


def test_rate_of_an_archive_is_held(codec):
    pictures = [picture(40, 44, i) for i in range(12)]
    names = [f"picture {i}" for i in range(12)]
    data = codec.encode(pictures, bpp=1.0, names=names)
    assert 0.97 < rate(data, *pictures) <= 1.0


def test_a_rate_beyond_need_gives_the_best(codec):
    original = picture(40, 40, 1)
    assert codec.encode(original, bpp=100) == codec.encode(original, quality=10)


def test_the_lowest_rate_that_is_reached(codec):
    """Exactly what the smallest file takes; less is too little."""
    original = picture(40, 40, 1)
    smallest = codec.encode(original, quality=1)
    assert len(codec.encode(original, bpp=rate(smallest, original))) == len(smallest)
    with pytest.raises(MscnError, match=r"bpp=.* is out of reach: the smallest file takes"):
        codec.encode(original, bpp=rate(smallest[1:], original))


@pytest.mark.parametrize("size", [260, 331, 460, 700])
def test_bytes_are_met_within_three_percent(codec, size):
    original = picture(90, 70, 3)
    found = len(codec.encode(original, size=size))
    assert found <= size
    assert found >= 0.97 * size - 8


@pytest.mark.parametrize("target", [29, 31.5])
def test_psnr_is_reached_by_the_smallest_file(codec, target):
    original = picture(90, 70, 7)
    data = codec.encode(original, psnr=target)
    assert psnr(original, codec.decode(data)) >= target
    quality = codec.info(data)["items"][0]["quality"]
    assert quality > 1
    below = codec.encode(original, quality=quality - 0.25)
    assert psnr(original, codec.decode(below)) < target
    assert len(below) < len(data)


@pytest.mark.parametrize("edge", [8, 20])
def test_psnr_of_an_archive_is_the_mean(codec, edge):
    pictures = [picture(edge, edge, i) for i in range(6)]
    data = codec.encode(pictures, psnr=31)
    values = [psnr(*pair) for pair in zip(pictures, codec.decode_all(data))]
    assert 31 <= np.mean(values) < 31.8


def test_psnr_out_of_reach(codec):
    with pytest.raises(MscnError, match="psnr=70 is out of reach: quality 10 gives"):
        codec.encode(picture(24, 24, 0), psnr=70)


GOOD = picture(9, 9, 0)


@pytest.mark.parametrize(
    ("pictures", "arguments", "says"),
    [
        (GOOD / np.float32(255), {}, "uint8 array"),
        (GOOD.astype(np.int64), {}, "uint8 array"),
        (GOOD[..., :0], {}, "uint8 array"),
        (np.zeros((9, 9, 5), np.uint8), {}, "uint8 array"),
        (GOOD[..., 0], {}, "uint8 array"),
        ([GOOD, GOOD.tolist()], {}, "not list"),
        (GOOD[:0], {}, "9x0 pixels"),
        (GOOD[:, :0], {}, "0x9 pixels"),
        ([], {}, "no picture"),
        (np.zeros((0, 8, 8, 3), np.uint8), {}, "no picture"),
        (np.broadcast_to(np.uint8(0), (2**15, 2**15, 1)), {}, "too large"),
        (GOOD, {"quality": 0.9}, "quality=0.9"),
        (GOOD, {"quality": 10.1}, "quality=10.1"),
        (GOOD, {"quality": np.nan}, "quality=nan"),
        (GOOD, {"bpp": 0}, "bpp=0: must be more than 0"),
        (GOOD, {"bpp": np.nan}, "bpp=nan"),
        (GOOD, {"psnr": -1}, "psnr=-1"),
        (GOOD, {"psnr": np.inf}, "psnr=inf"),
        (GOOD, {"quality": 3, "bpp": 1}, "one of quality, bpp, psnr and size"),
        (GOOD, {"names": ["a", "b"]}, "2 names for 1 signals"),
        (GOOD, {"names": ["a\nb"]}, "name"),
    ],
)
def test_refuses(codec, pictures, arguments, says):
    with pytest.raises(MscnError, match=says) as raised:
        codec.encode(pictures, **arguments)
    assert "\n" not in str(raised.value)


def test_progress_is_shown_when_asked_for(codec, capsys):
    codec.encode(GOOD)
    assert capsys.readouterr().err == ""
    codec.encode(GOOD, progress=True)
    assert "tile" in capsys.readouterr().err


def test_a_bundle_that_only_decodes(synthetic):  # noqa: F811
    with pytest.raises(MscnError, match="synthetic: it can only decode"):
        Codec.load(synthetic.path).encode(GOOD)


def members_of(bundle):
    """What `write_bundle` takes to write it again."""
    members = {"decoder.onnx": bundle.members["decoder.onnx"]}
    for folder in ("prior", "weights"):
        members.update({f"{folder}/{k}": v for k, v in bundle.arrays(folder).items()})
    return members


@pytest.mark.parametrize("kind", ["missing", "shape"])
def test_a_bundle_whose_weights_do_not_fit(tiny, tmp_path, kind):
    bundle = Bundle.load(tiny.bundle)
    members = members_of(bundle)
    bias = members.pop("weights/out_bias")
    if kind == "shape":
        members["weights/out_bias"] = bias[:2]
    write_bundle(tmp_path / "bad.mscnb", bundle.manifest.record, members)
    with pytest.raises(MscnError, match="bundle tiny: its weights do not fit its model"):
        Codec.load(tmp_path / "bad.mscnb").encode(GOOD)
