"""`mscn experiment` on pictures of 8x8: run as a process, stopped, taken up again."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mscn_tf.experiments import experiment as experiments
from mscn_tf.experiments.data import load
from mscn_tf.experiments.experiment import experiment
from mscn_tf.experiments.report import table
from mscn_tf.runtime.errors import MscnError
from mscn_tf.training.modulated import ModulatedTrainer
from tests.apps.conftest import MSCN
from tests.modulated import get_config, signals, write_pictures

ROOT = Path(__file__).resolve().parents[2]
ARMS = ("MSCN, delta", "iterative magnitude", "random", "scratch")  # in the order of their names


def small(folder: Path, arms=ARMS):
    """Some arms, two of which share a first half."""
    config = get_config(str(folder))
    with config.unlocked():
        config.arms = {arm: config.arms[arm] for arm in arms}
    config.quantiser_steps = (0.3,)
    return config


# The same as a file for the command.
CONFIG = """
from tests.experiments import test_experiment

def get_config(folder):
    return test_experiment.small(folder)
"""


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    write_pictures(folder)
    return folder


@pytest.fixture(scope="module")
def config_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("config") / "small.py"
    path.write_text(CONFIG)
    return path


@pytest.fixture(scope="module")
def done(pictures, config_file, tmp_path_factory):
    """The experiment, undisturbed, from a shell: its workdir, rows, and what was printed."""
    workdir = tmp_path_factory.mktemp("done")
    command = mscn(f"--config={config_file}:{pictures}", f"--workdir={workdir}")
    assert command.returncode == 0, command.stderr
    return workdir, json.loads((workdir / "results.json").read_text())["rows"], command.stdout


def without_times(rows):
    return [{k: v for k, v in row.items() if k not in ("cpu_seconds", "measuring")} for row in rows]


def mscn(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(MSCN), "experiment", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )


def refused(*arguments: str) -> str:
    """The one line of a command that exits with 2."""
    command = mscn(*arguments)
    assert command.returncode == 2, (command.stdout, command.stderr)
    assert command.stderr.count("\n") == 1, command.stderr
    assert "Traceback" not in command.stdout
    return command.stderr


def test_rows(done):
    _, rows, _ = done
    assert [row["arm"] for row in rows] == list(ARMS)
    by_arm = {row["arm"]: row for row in rows}
    for row in rows:
        assert row["wanted"] == 0.2
        assert row["reference"] == 123
        assert np.isfinite(row["psnr"])
        assert row["psnr_adam"] > row["psnr"]
        assert row["stored"][0]["bytes"] > 0
    assert by_arm["random"]["kept"] == by_arm["iterative magnitude"]["kept"] == 25
    assert by_arm["scratch"]["kept"] == by_arm["scratch"]["elements"] <= 25
    assert by_arm["scratch"]["outer_steps"] == 0
    assert by_arm["random"]["psnr"] != by_arm["iterative magnitude"]["psnr"]


def test_report(done):
    workdir, rows, printed = done
    results = json.loads((workdir / "results.json").read_text())
    assert results["name"] == "tiny"
    assert results["rows"] == rows
    assert results["config"]["steps"] == 12
    written = (workdir / "table.md").read_text()
    assert written == table(rows)
    assert printed.endswith(written)
    lines = written.splitlines()
    assert len(lines) == 2 + len(ARMS)
    assert len({line.count("|") for line in lines}) == 1
    assert lines[2].startswith("| MSCN, delta | 20 | ")
    with Image.open(workdir / "figure.png") as figure:
        assert figure.size[0] > 300
        assert np.ptp(np.asarray(figure.convert("L"))) > 100


def test_the_table_has_means_and_deviations_over_seeds(done):
    one = done[1][0]
    rows = [{**one, "psnr": 20.0}, {**one, "psnr": 22.0, "seed": 1}]
    assert "| 21.00 ± 1.41 |" in table(rows)


def test_nothing_is_done_twice(done, pictures, monkeypatch):
    workdir, rows, _ = done
    monkeypatch.setattr(experiments, "_do", None)
    assert experiment(small(pictures), workdir) == rows


def test_stopped_anywhere_it_goes_on(done, pictures, tmp_path, monkeypatch):
    """Ctrl-C in the first half that two arms share, and in one of the arms."""
    config = small(pictures, ("iterative magnitude", "random"))
    first = f"first {config.steps // 2} steps"
    update, stops = ModulatedTrainer.update, [(first, 3), ("iterative magnitude", 8)]

    def stopped(self, step):
        if stops and stops[0] == (self.config.name, step):
            stops.pop(0)
            os.kill(os.getpid(), signal.SIGINT)
        return update(self, step)

    monkeypatch.setattr(ModulatedTrainer, "update", stopped)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            experiment(config, tmp_path)
    assert not (tmp_path / "results.json").exists()
    rows = experiment(config, tmp_path)
    assert not stops
    assert without_times(rows) == without_times(done[1][1:3])


def test_a_run_that_another_process_holds_is_left_to_it(done, pictures, tmp_path):
    workdir = tmp_path / "copy"
    shutil.copytree(done[0], workdir)
    for name in ("results.json", "table.md", "figure.png"):
        (workdir / name).unlink()
    held = workdir / "runs" / "random-0.2-0"
    (held / "result.json").unlink()
    with subprocess.Popen(["flock", str(held / "lock"), "cat"], stdin=subprocess.PIPE) as other:
        while subprocess.run(["flock", "-n", str(held / "lock"), "true"]).returncode == 0:
            pass
        rows = experiment(small(pictures), workdir)
        other.stdin.close()
    assert len(rows) == len(ARMS) - 1
    assert not (workdir / "table.md").exists()
    assert without_times(experiment(small(pictures), workdir)) == without_times(done[1])
    assert (workdir / "table.md").exists()


def test_another_configuration_in_the_workdir(done, pictures):
    """Also where every run is measured: rows of another experiment are not passed off as its."""
    config = small(pictures)
    config.model.step_size = 0.02
    with pytest.raises(MscnError, match=r"a run of another configuration; give a new --workdir"):
        experiment(config, done[0])


def test_signals_for_training_and_for_tests(pictures):
    config = get_config(str(pictures))
    found, wanted = load(config), signals(8, 5)
    assert found.train.shape == (8, 64, 3)
    np.testing.assert_allclose(found.train, wanted.train, atol=1e-6)
    np.testing.assert_allclose(found.validation, wanted.test[:1], atol=1e-6)
    np.testing.assert_allclose(found.test, wanted.test[1:], atol=1e-6)
    np.testing.assert_array_equal(found.coordinates, wanted.coordinates)
    assert found.shape == (8, 8)
    config.data.test = 5
    with pytest.raises(MscnError, match=r"config.data.test=5: none are left to choose weights by"):
        load(config)


def test_too_few_signals(pictures):
    config = get_config(str(pictures))
    config.batch = 9
    with pytest.raises(MscnError, match="names 8 signals for training, 4 to test"):
        load(config)


def test_no_data(config_file, tmp_path):
    line = refused(f"--config={config_file}:/nowhere", f"--workdir={tmp_path / 'run'}")
    assert "/nowhere/*.png: no picture matches; set config.data.train" in line
    assert not list(tmp_path.rglob("record.json"))


def test_an_unknown_method(pictures, tmp_path):
    config = small(pictures)
    config.arms["random"].method = "magic"
    with pytest.raises(MscnError, match="random: method=magic: must be one of"):
        experiment(config, tmp_path)
    assert not list(tmp_path.rglob("record.json"))
