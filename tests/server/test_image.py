"""The steps of the image, run without Docker: its commands in folders that stand for its paths."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.installed import copy_source
from tests.server.conftest import Server, picture_of, png

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "server" / "deploy"
PATHS = re.compile(r"(?<!\w)/(?=(mscn|source|viewer|pictures)\b)")


class Image:
    """What the Dockerfile makes, below a folder.

    Args:
      root: the folder, in place of ``/``.
      context: what may be copied from.
    """

    def __init__(self, root: Path, context: Path):
        self._root, self._context = root, context
        text = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ")
        lines = [line for line in text.splitlines() if line and not line.startswith("#")]
        self._steps = [tuple(line.split(maxsplit=1)) for line in lines]

    def within(self, text: str) -> str:
        """Paths of the image as they are here."""
        return PATHS.sub(f"{self._root}/", text)

    def build(self, stages: int) -> None:
        """Runs the first stages: what is copied, and commands with this Python."""
        work = self._root
        for name, text in self._steps:
            if name == "FROM":
                stages -= 1
                if stages < 0:
                    return
            elif name == "WORKDIR":
                work = Path(self.within(text))
                work.mkdir(parents=True)
            elif name == "COPY":
                *sources, target = text.split()
                for source in sources:
                    self._copy(self._context / source, work / target)
            elif name == "RUN":
                command = self.within(text).replace("python -m venv", f"{sys.executable} -m venv")
                done = subprocess.run(command, shell=True, cwd=work, capture_output=True, text=True)
                assert done.returncode == 0, done.stderr

    def _copy(self, source: Path, target: Path) -> None:
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        else:
            target.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)

    def command(self) -> list[str]:
        """What the image runs."""
        said = dict(self._steps)
        return json.loads(self.within(said["ENTRYPOINT"])) + json.loads(said["CMD"])


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("npm") is None, reason="needs npm")
def test_the_image_serves(tmp_path):
    context, root = tmp_path / "context", tmp_path / "image"
    copy_source(tmp_path / "all")
    context.mkdir()
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text().split()
    for name in (line[1:] for line in ignored if line.startswith("!")):
        shutil.move(tmp_path / "all" / name, context / name)
    image = Image(root, context)
    image.build(stages=2)
    shutil.move(root / "viewer" / "site", root / "site")  # as the last stage copies it
    shutil.rmtree(root / "viewer")
    shutil.move(root / "site", root / "viewer")
    (root / "pictures").mkdir()
    command = [flag.replace("--port=8000", "--port=0") for flag in image.command()]
    with subprocess.Popen([*command, "--workers=1"], stdout=subprocess.PIPE, text=True) as process:
        try:
            server = Server(process)
            encoded = server.post("/encode?effort=1", png(picture_of(64, 64))).body
            (root / "pictures" / "one.mscn").write_bytes(encoded)
            assert server.get("/signals/one").array.shape == (64, 64, 3)
            assert b"openseadragon.min.js" in server.get("/view/").body
            assert server.get("/view/openseadragon/openseadragon.min.js").status == 200
        finally:
            process.terminate()
    assert process.returncode == 0
