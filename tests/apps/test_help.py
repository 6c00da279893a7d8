"""What `mscn COMMAND --help` says of every command, and the flags that it lists."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from mscn_tf.apps.main import COMMANDS

WIDTH = 100
WORDS = {"workers": "as many as cores", "qualities": "1 to 10"}  # of defaults in other words


def own_flags(command: str) -> list[dict]:
    """Name, default and help of the flags of a command, from a process of its own."""
    module = f"mscn_tf.apps.{command.replace('-', '_')}"
    program = f"""
import importlib, json
from absl import flags
from mscn_tf.apps import cli
importlib.import_module({module!r})
own = [*flags.FLAGS.get_key_flags_for_module({module!r}), flags.FLAGS["quiet"]]
print(json.dumps([dict(name=f.name, default=f.default, help=f.help) for f in own]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True
    )
    return json.loads(done.stdout)


def default_words(flag: dict) -> list[str]:
    """How help may spell a default."""
    value = flag["default"]
    if flag["name"] in WORDS:
        return [WORDS[flag["name"]]]
    if isinstance(value, bool):
        return ["yes" if value else "no"]
    if isinstance(value, (int, float)) and value > 4096:
        return [f"{value:g}", f"2^{value.bit_length() - 1}"]
    return [f"{value:g}" if isinstance(value, (int, float)) else str(value)]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_fits_and_has_examples(folder, command):
    text = folder.mscn(command, "--help").stdout
    long = [line for line in text.splitlines() if len(line) > WIDTH]
    assert not long
    examples = text.partition("\nExamples:\n")[2].partition("\n\n")[0].splitlines()
    assert len(examples) >= 2
    assert all(f"mscn {command}" in line for line in examples)


@pytest.mark.parametrize("command", COMMANDS)
def test_flags_are_spelled_alike_and_tell_their_defaults(command):
    for flag in own_flags(command):
        assert "_" not in flag["name"]
        if flag["default"] is not None:
            told = [re.escape(words) for words in default_words(flag)]
            assert re.search(rf"default ({'|'.join(told)})\b", flag["help"]), flag


def test_codecs_say_what_they_are_for(folder):
    from mscn_tf.runtime.bundle import Bundle

    lines = folder.mscn("codecs").stdout.splitlines()
    assert all(len(line) <= WIDTH for line in lines)
    told = [line.split()[0] for line in lines if re.search(r" for .+; not for .+", line)]
    assert told == list(Bundle.names())
