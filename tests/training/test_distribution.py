"""Training on two devices and by two workers, against one device at the same global batch."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from mscn_tf.runtime.bundle import Bundle
from tests import tiny as small
from tests.apps.conftest import MSCN

ROOT = Path(__file__).resolve().parents[2]
STEPS = 20
MIRRORED = """
import sys
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from mscn_tf.training.distribution import make_strategy
from mscn_tf.training.train import train
from tests import tiny
strategy = make_strategy("mirrored")
assert strategy.num_replicas_in_sync == 2
config = tiny.get_config(sys.argv[1])
config.update(steps=int(sys.argv[3]))
train(config, sys.argv[2], strategy)
"""

# Steps as long as the gradient: Adam would hide one that is summed twice.
PLAIN_STEPS = """
import keras, numpy as np, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from mscn_tf.training.distribution import make_strategy
from mscn_tf.training.outer_step import OuterStep
batch = [np.random.default_rng(i).normal(size=[8, 3]).astype("f4") for i in range(2)]
found = []
for name in ("none", "mirrored"):
    with make_strategy(name).scope():
        weights = tf.Variable([1.0, 2.0, 3.0])
        optimizer = keras.optimizers.SGD(0.1)
        optimizer.build([weights])
        def losses(x, y):
            errors = tf.reduce_sum(tf.square(x * weights - y), 1)
            return errors, {"error": errors}
        step = OuterStep(losses, [([weights], optimizer)], 1e9, lambda: None)
        metrics = [step(batch) for _ in range(3)]
        found.append([weights.numpy(), *[m[k].numpy() for m in metrics for k in sorted(m)]])
for one, both in zip(*found):
    np.testing.assert_allclose(both, one, rtol=0, atol=1e-5)
assert abs(found[0][0] - [1, 2, 3]).min() > 0.01
"""

# Gates, whose price follows what each step counts, and which steps leave within their bounds.
GATES = """
import numpy as np, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from mscn_tf.training.distribution import make_strategy
from mscn_tf.training.modulated import ModulatedTrainer
from tests.modulated import get_config, runs, signals
data = signals()
(one,) = runs(get_config(), "MSCN, delta")
found = []
for name in ("none", "mirrored"):
    with make_strategy(name).scope():
        trainer = ModulatedTrainer(one.config, data.train, data.coordinates, data.validation)
        metrics = [trainer.update(step) for step in range(3)]
        values = [float(m[k]) for m in metrics for k in sorted(m)]
        (label, row), = trainer.evaluate()
        found.append([values, list(row.values()), *[v.numpy() for v in trainer.fit.variables]])
for one, both in zip(*found):
    np.testing.assert_allclose(both, one, rtol=0, atol=1e-5)
"""


def test_plain_steps_on_two_replicas_are_those_on_one():
    done = subprocess.run(
        [sys.executable, "-c", PLAIN_STEPS], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_gates_on_two_replicas_are_those_on_one():
    done = subprocess.run(
        [sys.executable, "-c", GATES], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr


def start(tiny, workdir: Path, *options: str, **environment: str) -> subprocess.Popen:
    config = f"--config={ROOT / 'tests' / 'tiny.py'}:{tiny.folder}"
    return subprocess.Popen(
        [str(MSCN), "train", config, f"--config.steps={STEPS}", f"--workdir={workdir}", *options],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def start_workers(tiny, folder: Path) -> list[subprocess.Popen]:
    sockets = [socket.socket() for _ in range(2)]
    for bound in sockets:
        bound.bind(("localhost", 0))
    addresses = [f"localhost:{bound.getsockname()[1]}" for bound in sockets]
    for bound in sockets:
        bound.close()
    workers = []
    for index in range(2):
        task = {"type": "worker", "index": index}
        config = json.dumps({"cluster": {"worker": addresses}, "task": task})
        workdir = folder / str(index)
        workers.append(start(tiny, workdir, "--strategy=multi_worker", TF_CONFIG=config))
    return workers


def finish(*processes: subprocess.Popen) -> None:
    ends = [process.communicate(timeout=300)[1] for process in processes]
    for process, stderr in zip(processes, ends):
        assert process.returncode == 0, stderr


@pytest.fixture(scope="module")
def alone(tiny, tmp_path_factory) -> Path:
    """The workdir of one worker's run."""
    workdir = tmp_path_factory.mktemp("alone")
    finish(start(tiny, workdir))
    return workdir


def assert_same_losses(one: Path, other: Path) -> None:
    found, wanted = small.scalars(one)["train/loss"], small.scalars(other)["train/loss"]
    assert sorted(found) == sorted(wanted) == list(range(1, STEPS + 1))
    for step, loss in wanted.items():
        assert abs(found[step] - loss) < 1e-5, step


@pytest.mark.slow
def test_two_devices_are_as_one(tiny, alone, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", MIRRORED, str(tiny.folder), str(tmp_path), str(STEPS)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert_same_losses(tmp_path, alone)


@pytest.mark.slow
def test_two_workers_are_as_one(tiny, alone, tmp_path):
    finish(*start_workers(tiny, tmp_path))
    assert_same_losses(tmp_path / "0", alone)
    assert list((tmp_path / "1").iterdir()) == []  # only the chief writes


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1])
def test_a_worker_is_killed_and_both_start_again(tiny, alone, tmp_path, victim):
    workers = start_workers(tiny, tmp_path)
    checkpoints = tmp_path / "0" / "checkpoints"
    deadline = time.monotonic() + 200
    while not (checkpoints / "ckpt-1.index").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    workers[victim].kill()
    killed = time.monotonic()
    _, stderr = workers[1 - victim].communicate(timeout=120)
    assert time.monotonic() - killed < 60
    assert workers[1 - victim].returncode == 2
    assert stderr.count("\n") == 1, stderr
    assert "another worker is gone" in stderr
    workers[victim].communicate()
    assert workers[victim].returncode == -signal.SIGKILL

    finish(*start_workers(tiny, tmp_path))
    assert_same_losses(tmp_path / "0", alone)
    found, wanted = (Bundle.load(path / "tiny.mscnb") for path in (tmp_path / "0", alone))
    for name, array in wanted.weights().items():
        np.testing.assert_allclose(found.weights()[name], array, atol=2e-3, err_msg=name)


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ("", "set TF_CONFIG"),
        ("{", "not understood"),
        ('{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}', "number 1"),
        ('{"cluster": {"ps": ["a:1"]}, "task": {"type": "ps", "index": 0}}', "chief and worker"),
    ],
)
def test_wrong_clusters(monkeypatch, config, says):
    from mscn_tf.runtime.errors import MscnError
    from mscn_tf.training.distribution import make_strategy

    monkeypatch.setenv("TF_CONFIG", config)
    with pytest.raises(MscnError, match=says):
        make_strategy("multi_worker")
