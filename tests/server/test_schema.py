"""Requests that Schemathesis makes up from the server's own description."""

from __future__ import annotations

import subprocess

import pytest

from tests.apps.conftest import MSCN

pytest.importorskip("schemathesis", reason="needs Python 3.10")

# Bytes that are no picture are refused, though described as bytes; 501 and 303 are answers.
CONFIG = """
[parameters]
"path.id" = "wide"
"path.picture" = "wide"
[checks.positive_data_acceptance]
enabled = false
[checks.not_a_server_error]
expected-statuses = ["2xx", "3xx", "4xx", "501"]
"""


@pytest.mark.parametrize(
    "how",
    [
        ("--phases=fuzzing", "--max-examples=4", "--seed=1"),
        pytest.param(("--max-examples=300",), marks=pytest.mark.slow),
    ],
)
def test_answers_are_as_described(server, tmp_path, how):
    (tmp_path / "schemathesis.toml").write_text(CONFIG)
    done = subprocess.run(
        [
            str(MSCN.with_name("schemathesis")),
            "run",
            f"http://127.0.0.1:{server.port}/openapi.json",
            "--no-color",
            *how,
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    assert "Tested: 13" in done.stdout
