from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from mscn_tf import __version__
from tests.apps.conftest import MSCN

COMMANDS = ("encode", "decode", "info", "verify", "serve", "codecs", "train", "evaluate", "export")


def modules_after(*arguments: str, before: str = "") -> tuple[set[str], str, int]:
    """Names of the modules that a command has imported at its end, its stderr and exit code."""
    program = f"""
import atexit, sys
{before}
atexit.register(lambda: print("MODULES", *sys.modules))
sys.argv = ["mscn", *{arguments!r}]
from mscn_tf.apps.main import main
main()
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120
    )
    return set(done.stdout.split("MODULES")[-1].split()), done.stderr, done.returncode


def test_help_lists_the_commands(folder):
    text = folder.mscn("--help").stdout
    for command in COMMANDS:
        assert f"  {command}" in text


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(folder, command):
    assert folder.mscn(command, "--help").stdout.startswith(f"usage: mscn {command}")


def test_version(folder):
    assert folder.mscn("--version").stdout == f"mscn {__version__}\n"


def test_help_imports_nothing_heavy():
    modules, _, code = modules_after("--help")
    assert code == 0
    assert "mscn_tf.apps.main" in modules
    assert not modules & {"tensorflow", "keras", "onnxruntime", "numpy", "PIL"}


@pytest.mark.parametrize("command", ["encode", "decode", "info", "verify", "serve", "codecs"])
def test_command_help_imports_no_tensorflow(command):
    modules, _, code = modules_after(command, "--help")
    assert code == 0
    assert not modules & {"tensorflow", "keras", "onnxruntime"}


def test_unknown_command(folder):
    assert "did you mean encode?" in folder.refuses("encod")
    assert "encode, encode-archive, decode" in folder.refuses("frobnicate")


def test_no_command(folder):
    assert "give a command" in folder.refuses()


@pytest.mark.parametrize(
    "arguments",
    [
        ("export", "--codec=thumb32", "--format=onnx", "out"),
        ("train", "--config=nothing.py", "--workdir=nowhere"),
    ],
)
def test_without_tensorflow(arguments):
    _, stderr, code = modules_after(*arguments, before="sys.modules['tensorflow'] = None")
    assert code == 2
    assert stderr.count("\n") == 1
    assert f"mscn {arguments[0]}: needs TensorFlow: pip install '.[train]' in a clone" in stderr


def test_part_of_the_train_extra_missing():
    _, stderr, code = modules_after("train", before="sys.modules['ml_collections'] = None")
    assert code == 2
    assert stderr.count("\n") == 1
    assert "needs ml_collections: pip install" in stderr


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_ctrl_c(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    command = subprocess.Popen(
        [str(MSCN), "info", str(pipe)],
        stderr=subprocess.PIPE,
        text=True,
        # A test run in the background hands down an ignored SIGINT.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    with open(pipe, "wb"):  # returns when the command has opened it, too; it then waits for data
        command.send_signal(signal.SIGINT)
        _, stderr = command.communicate(timeout=60)
    assert command.returncode == 130
    assert stderr == "mscn info: interrupted\n"


def test_modules_run_as_programs():
    done = subprocess.run(
        [sys.executable, "-m", "mscn_tf.apps.decode", "--help"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0
    assert "--region" in done.stdout
