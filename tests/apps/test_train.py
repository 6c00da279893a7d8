from __future__ import annotations

import pytest

CONFIG = """
from ml_collections import ConfigDict


def get_config():
    return ConfigDict(dict(steps=3))
"""


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "--config=FILE.py"),
        (["--config=config.py"], "--workdir=DIR"),
        (["--config=missing.py", "--workdir=run"], "missing.py"),
        (["--config=missing.py", "--config.steps=3", "--workdir=run"], "missing.py"),
        (["--config=config.py", "--config.nosuch=3", "--workdir=run"], "nosuch"),
        (["--config=config.py", "--config.steps=many", "--workdir=run"], "steps"),
        (["--config=config.py", "--workdir=config.py"], "config.py"),
        (["--config=config.py", "--workdir=run", "extra"], "no arguments"),
    ],
)
def test_refuses(folder, arguments, says):
    (folder.path / "config.py").write_text(CONFIG)
    assert says in folder.refuses("train", *arguments)
