"""Damaged checkpoints: the older whole one is used; where there is none, one line says so."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import tensorflow as tf

from mscn_tf.runtime.errors import MscnError
from mscn_tf.training import train as training
from mscn_tf.training.checkpoints import newest_whole
from tests import tiny as small
from tests.apps.conftest import Folder

NEWEST, OLDER = "ckpt-3", "ckpt-2"


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 16]) + data[at + 1 :]


DAMAGE = {
    "cut": lambda data: data[: len(data) // 2],
    "flipped": lambda data: flipped(data, len(data) // 3),
    "empty": lambda data: b"",
    "missing": lambda data: None,
}


def damage(path: Path, kind: str) -> None:
    data = DAMAGE[kind](path.read_bytes())
    if data is None:
        path.unlink()
    else:
        path.write_bytes(data)


@pytest.fixture
def folder(tiny, tmp_path) -> Path:
    """The checkpoints of a finished run: after steps 10 and 12."""
    copy = tmp_path / "run" / "checkpoints"
    shutil.copytree(tiny.workdir / "checkpoints", copy)
    assert {path.stem for path in copy.glob("*.index")} == {NEWEST, OLDER}
    return copy


@pytest.mark.parametrize("kind", DAMAGE)
@pytest.mark.parametrize("ending", ["index", "data-00000-of-00001"])
def test_a_damaged_file_of_the_newest(folder, ending, kind, caplog):
    damage(folder / f"{NEWEST}.{ending}", kind)
    assert newest_whole(folder) == str(folder / OLDER)
    (line,) = caplog.messages
    assert line == f"{folder / NEWEST}: damaged; going on from {OLDER}"


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_list(folder, kind, caplog):
    damage(folder / "checkpoint", kind)
    assert newest_whole(folder) == str(folder / NEWEST)
    assert not caplog.messages


def test_each_flipped_byte_is_found_or_does_no_harm(folder):
    """What TensorFlow doesn't look at is what fills up the end of the index."""
    index = folder / f"{NEWEST}.index"
    whole = index.read_bytes()
    missed = []
    for at in range(0, len(whole), 7):
        index.write_bytes(flipped(whole, at))
        if newest_whole(folder) == str(folder / NEWEST):
            missed.append(at)
    assert len(missed) < 12
    assert all(at > len(whole) - 100 for at in missed)


def test_a_first_checkpoint_that_was_never_finished(folder):
    """Killed while it was written, before TensorFlow's list of them."""
    for path in folder.glob(f"{OLDER}.*"):
        path.unlink()
    (folder / "checkpoint").unlink()
    damage(folder / f"{NEWEST}.index", "cut")
    assert newest_whole(folder) is None
    damage(folder / f"{NEWEST}.index", "missing")
    assert newest_whole(folder) is None
    assert newest_whole(folder / "nothing") is None


def test_going_on_from_the_older_one_gives_the_same_weights(tiny, folder, capfd):
    damage(folder / f"{NEWEST}.data-00000-of-00001", "flipped")
    damage(folder / "checkpoint", "cut")
    trainer = training.train(tiny.config, folder.parent)
    assert [line.split("  ")[0] for line in capfd.readouterr().out.splitlines()] == [
        "step 11",
        *["step 12"] * 3,
    ]
    for one, two in zip(trainer.codec.variables, tiny.trainer.codec.variables):
        tf.debugging.assert_equal(one, two)
    # The damaged one is written anew, and TensorFlow's list is whole again.
    assert newest_whole(folder) == tf.train.latest_checkpoint(str(folder)) == str(folder / NEWEST)
    known = tf.train.get_checkpoint_state(str(folder)).all_model_checkpoint_paths
    assert [Path(path).name for path in known] == [OLDER, NEWEST]


@pytest.mark.parametrize("kind", DAMAGE)
def test_none_is_whole(folder, kind):
    for path in folder.glob("ckpt-*"):
        damage(path, kind)
    with pytest.raises(MscnError, match="put back a copy, or give a new --workdir") as raised:
        newest_whole(folder)
    assert "\n" not in str(raised.value)


def test_the_command_says_it_in_one_line_and_loses_nothing(tiny, folder):
    for path in folder.glob("ckpt-*.index"):
        damage(path, "cut")
    config = f"--config={Path(small.__file__).resolve()}:{tiny.folder}"
    line = Folder(folder.parent.parent).refuses("train", config, "--workdir=run")
    assert f"run/checkpoints/{NEWEST}, run/checkpoints/{OLDER} damaged" in line
