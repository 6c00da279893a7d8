"""The files of server/deploy, by the programs that read them, where these are installed."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

from tests.server.conftest import MSCN, picture_of, serving

DEPLOY = Path(__file__).resolve().parents[2] / "server" / "deploy"
AROUND = """pid {folder}/nginx.pid; error_log {folder}/errors; daemon off; master_process off;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/bodies; proxy_temp_path {folder}/proxied;
    fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    {own}
}}
"""


def program(name: str) -> str:
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if not found:
        pytest.skip(f"needs {name}")
    return found


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


def answered(url: str) -> tuple[str, bytes]:
    """The state of nginx's cache, and the body; waits for nginx to be there."""
    for _ in range(100):
        try:
            with urllib.request.urlopen(url, timeout=60) as reply:
                return reply.headers["X-Cache"], reply.read()
        except ConnectionError as error:
            problem = error
        except urllib.error.URLError as error:
            if not isinstance(error.reason, ConnectionError):
                raise
            problem = error
        time.sleep(0.1)
    raise AssertionError(problem)


def test_nginx_keeps_tiles(tmp_path, pyramid_path, pyramid):
    nginx = program("nginx")
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    file = pictures / "one.mscn"
    file.write_bytes(pyramid.encode(picture_of(40, 60), quality=1, effort=1))
    with serving(f"--codec={pyramid_path}", f"--files={pictures}") as server:
        port, own = free_port(), (DEPLOY / "nginx.conf").read_text()
        for theirs, here in {
            "mscn:8000": f"127.0.0.1:{server.port}",
            "listen 80": f"listen 127.0.0.1:{port}",
            "/var/cache/nginx/mscn": f"{tmp_path}/cache",
        }.items():
            assert theirs in own
            own = own.replace(theirs, here, 1)
        config = tmp_path / "nginx.conf"
        config.write_text(AROUND.format(folder=tmp_path, own=own))
        command = (nginx, "-c", config, "-e", tmp_path / "errors")
        checked = subprocess.run([*command, "-t"], capture_output=True, text=True)
        assert checked.returncode == 0, checked.stderr
        with subprocess.Popen(command) as process:
            try:
                tile = f"http://127.0.0.1:{port}/tiles/one/0/0/0.png"
                first, again = answered(tile), answered(tile)
                assert (first[0], again[0]) == ("MISS", "HIT")
                assert first[1] == again[1] == server.get("/tiles/one/0/0/0.png").body
            finally:
                process.terminate()
    assert "[emerg]" not in (tmp_path / "errors").read_text()


def test_systemd_knows_all_of_the_unit(tmp_path):
    systemd = program("systemd-analyze")
    unit = tmp_path / "mscn.service"
    text = (DEPLOY / "mscn.service").read_text()
    assert "/opt/mscn/bin/mscn" in text
    unit.write_text(text.replace("/opt/mscn/bin/mscn", str(MSCN)))
    done = subprocess.run([systemd, "verify", unit], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
