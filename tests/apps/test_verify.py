from __future__ import annotations

from pathlib import Path

from mscn_tf.export.bundle import write_bundle
from mscn_tf.runtime.bundle import MANIFEST, SHIPPED, SUFFIX, Bundle
from mscn_tf.runtime.container import Container
from tests import pyramids

GOLDEN = Path(__file__).resolve().parents[1] / "golden"


def archive(folder, synthetic, name="many.mscn"):
    data = synthetic.pack([(8, 8), (16, 8), (8, 8)], tiles_per_block=1, names=["a", "b", "c"])
    (folder.path / name).write_bytes(data)
    return data


def harmed(data, *blocks):
    """The file with a bit of some blocks flipped."""
    container = Container.from_bytes(data)
    lengths = [len(block) + 4 for block in container.blocks]
    out = bytearray(data)
    for block in blocks:
        out[len(data) - sum(lengths[block:])] ^= 1
    return bytes(out)


def test_good_files(folder, synthetic):
    archive(folder, synthetic)
    pyramids.write_codec(folder.path / "random.mscnb")
    said = folder.mscn("verify", "many.mscn", "random.mscnb").stdout.splitlines()
    assert said[0] == "many.mscn: good, 3 items in 4 blocks"
    assert said[1].startswith("random.mscnb: good, codec random, ")


def test_damaged_items_are_listed_and_the_others_decoded(folder, synthetic):
    data = archive(folder, synthetic, "good.mscn")
    (folder.path / "bad.mscn").write_bytes(harmed(data, 1, 3))
    done = folder._run(("verify", "bad.mscn", "good.mscn", "missing.mscn"))
    assert done.returncode == 2
    assert done.stdout.splitlines() == [
        "bad.mscn: item 1 (b) is damaged",
        "bad.mscn: item 2 (c) is damaged",
        "good.mscn: good, 3 items in 4 blocks",
        "cannot read missing.mscn: No such file or directory; check the path",
    ]
    assert done.stderr == "mscn verify: 2 of 3 files bad; get fresh copies\n"
    codec = f"--codec={synthetic.path}"
    folder.mscn("decode", "bad.mscn", "a.png", "--item=0", codec)
    assert "checksum of block 1" in folder.refuses("decode", "bad.mscn", "b.png", "--item=1", codec)


def test_damaged_exact_planes_are_listed(folder):
    """Of four pictures: alpha beside tiles, a flat one, both planes of one, and one of tiles."""
    data = (GOLDEN / "v1_exact.mscn").read_bytes()
    lengths = [len(block) + 4 for block in Container.from_bytes(data).exact_blocks]
    names = ["0 (disc)", "1 (flat)", "2 (ramp)", "2 (ramp)"]
    for number, name in enumerate(names):
        out = bytearray(data)
        out[len(data) - sum(lengths[number:])] ^= 1
        (folder.path / "bad.mscn").write_bytes(out)
        done = folder._run(("verify", "bad.mscn"))
        assert done.stdout == f"bad.mscn: item {name} is damaged\n"


def test_a_block_of_many_items_harms_them_all(folder, synthetic):
    data = synthetic.pack([(8, 8)] * 30, tiles_per_block=10)
    (folder.path / "bad.mscn").write_bytes(harmed(data, 0, 1, 2))
    lines = folder._run(("verify", "bad.mscn")).stdout.splitlines()
    assert lines[:2] == ["bad.mscn: item 0 is damaged", "bad.mscn: item 1 is damaged"]
    assert lines[20:] == ["bad.mscn: 10 damaged items more"]


def test_a_damaged_bundle_and_other_files(folder, synthetic, png):
    pyramids.write_codec(folder.path / "bad.mscnb")
    data = bytearray((folder.path / "bad.mscnb").read_bytes())
    data[len(data) // 2] ^= 1
    (folder.path / "bad.mscnb").write_bytes(data)
    done = folder._run(("verify", "bad.mscnb", png))
    assert done.returncode == 2
    assert "bad.mscnb: not a codec bundle, or damaged" in done.stdout
    assert "not a .mscn file" in done.stdout


def bundle_of(folder, manifest, members, **odd):
    """A bundle of which `verify` sees the whole, with these members exchanged."""
    write_bundle(folder.path / "odd.mscnb", manifest, {**members, **odd})
    return folder._run(("verify", "odd.mscnb"))


def test_a_bundle_whose_network_is_none(folder, bundle_members):
    done = bundle_of(folder, *bundle_members, **{"decoder.onnx": b"garbage"})
    assert done.returncode == 2
    assert done.stdout.startswith("bundle synthetic: unusable decoder.onnx (")
    assert done.stdout.count("\n") == 1
    # What ONNX Runtime would say stays off the terminal.
    assert done.stderr == "mscn verify: 1 of 1 files bad; get fresh copies\n"


def test_a_bundle_whose_network_gives_something_else(folder, bundle_members):
    manifest, members = bundle_members
    done = bundle_of(folder, {**manifest, "channels": 2}, members)
    assert "decoder fails (it gives no float64 (1, 2, 3, 2))" in done.stdout
    assert done.stderr == "mscn verify: 1 of 1 files bad; get fresh copies\n"


def test_a_bundle_that_cannot_encode_what_it_says(folder):
    """Its network is whole, and decodes; the steps that encoders take are missing."""
    bundle = Bundle.load(GOLDEN / "v1.mscnb")
    members = {name: content for name, content in bundle.members.items() if name != MANIFEST}
    step_sizes = bundle.arrays("weights")["step_sizes"]
    done = bundle_of(
        folder, bundle.manifest.record, members, **{"weights/step_sizes.npy": step_sizes[:, 1:]}
    )
    assert "its weights do not fit its model (step_sizes has shape" in done.stdout
    assert done.returncode == 2


def test_shipped_bundles_are_good(folder):
    paths = [str(SHIPPED / f"{name}{SUFFIX}") for name in Bundle.names()]
    lines = folder.mscn("verify", *paths).stdout.splitlines()
    assert len(lines) == len(paths)
    assert all(": good, codec " in line for line in lines)


def test_no_files(folder):
    assert "one file or more" in folder.refuses("verify")
