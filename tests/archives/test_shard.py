"""What is told of an archive's items, without the pipeline."""

from __future__ import annotations

import json

from PIL import Image

from mscn_tf.archives import index, plan
from mscn_tf.archives.shard import encode_shard
from mscn_tf.codec import Codec


def test_what_reading_changed_is_told(tmp_path):
    out = tmp_path / "out"
    (tmp_path / "in").mkdir()
    first, second = (Image.new("RGB", (32, 32), colour) for colour in ("navy", "orange"))
    first.save(tmp_path / "in" / "a.png")
    first.save(tmp_path / "in" / "b.mpo", save_all=True, append_images=[second])
    (tmp_path / "in" / "c.png").write_bytes(b"")
    shards = plan.plan(f"{tmp_path}/in/*", 16)
    index.begin(str(out), {}, shards)
    codec = Codec.load("thumb32")
    records = [encode_shard(codec, shard, str(out), {"quality": 3}) for shard in shards]
    assert [record["items"] for record in records] == [2]
    manifest = index.finish(str(out), {}, shards)
    assert (manifest["items"], manifest["notes"], manifest["failed"]) == (2, 1, 1)
    told = (out / index.NOTES).read_text()
    assert told == f"{tmp_path}/in/b.mpo: the main one of 2 pictures in it is taken\n"
    assert (out / index.FAILED).read_text().startswith("c.png\t")
    # A record of an earlier version.
    (record,) = (out / "records").iterdir()
    earlier = json.loads(record.read_text())
    del earlier["notes"]
    record.write_text(json.dumps(earlier))
    assert index.finish(str(out), {}, shards)["notes"] == 0
