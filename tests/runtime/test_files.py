import os

import pytest

from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.files import atomic_write, read_bytes


def test_round_trip_replaces_the_old_file(tmp_path):
    path = tmp_path / "a.mscn"
    path.write_bytes(b"old")
    with atomic_write(path) as file:
        file.write(b"new")
        assert path.read_bytes() == b"old"
    assert read_bytes(path) == b"new"
    assert os.listdir(tmp_path) == ["a.mscn"]


def half_written(file, error):
    file.write(b"half")
    raise error("stop")


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError, MscnError])
def test_an_error_in_the_block_leaves_no_trace(tmp_path, error):
    path = tmp_path / "a.mscn"
    path.write_bytes(b"old")
    with pytest.raises(error), atomic_write(path) as file:
        half_written(file, error)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.mscn"]


def test_full_disk_is_a_clear_error(tmp_path):
    path = tmp_path / "a.mscn"
    with pytest.raises(MscnError, match=r"a\.mscn.*No space left"), atomic_write(path):
        raise OSError(28, "No space left on device")
    assert os.listdir(tmp_path) == []


def test_symbolic_links_are_written_through(tmp_path):
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_bytes(b"old")
    link.symlink_to(target)
    with atomic_write(link) as file:
        file.write(b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"


def test_devices_are_written_not_replaced():
    with atomic_write(os.devnull) as file:
        file.write(b"gone")
    assert not os.path.isfile(os.devnull)


def test_pipes_are_written():
    source, sink = os.pipe()
    with atomic_write(f"/dev/fd/{sink}") as file:
        file.write(b"piped")
    os.close(sink)
    with open(source, "rb") as file:
        assert file.read() == b"piped"


def test_paths_that_cannot_be_written(tmp_path):
    file = tmp_path / "file"
    file.write_bytes(b"")
    for path in (tmp_path, tmp_path / "none" / "a", file / "a", "a\0b"):
        with pytest.raises(MscnError, match="cannot write"), atomic_write(path):
            pytest.fail("the block must not run")


def test_paths_that_cannot_be_read(tmp_path):
    for path in (tmp_path, tmp_path / "none.mscn", "a\0b"):
        with pytest.raises(MscnError, match="cannot read") as caught:
            read_bytes(path)
        assert "\n" not in str(caught.value)
