"""The notebooks in `examples/` run from top to bottom, and find what their text says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
VOXELS = EXAMPLES.parents[1] / "shared/data/modelnet10/modelnet10_32_packed.npz"
# What a notebook must have found, in its own names.
FOUND = {
    "a_codec_in_five_minutes": """
assert 0.45 < rate <= 0.5 and psnr(picture, decoded) > 35
assert len(files[-1]) <= 10_000 and len(files[0]) < len(files[1])
assert (codec.decode(exact) == picture).all() and len(exact) < picture.nbytes
assert (part == decoded[100:220, 300:460]).all()
assert small.shape == (128, 192, 3)
assert info["modality"] == "image" and info["items"][0]["size"] == [768, 512]
assert psnr(thumbs, back) > 28 and (one == back[7 * 8 + 3]).all()
""",
    "a_sparse_inr_from_scratch": """
assert psnr > 24 and stored.mean() < 0.5 * modulation.code_size
assert (code != 0).sum(1).max() <= stored.max() and abs(again - psnr) < 0.01
""",
    "an_archive_as_a_tf_data_set": """
assert 10 * archive.stat().st_size < tiles.nbytes
assert given.shape == tiles.shape and quality > 33
assert after > before + 5 and after > 18
""",
    "gates_against_pruning": """
quality = {name: measured["psnr"] for name, measured in found.items()}
assert min(quality["gates"], quality["one mask of updates"]) > quality["magnitude pruning"] + 3
assert 0.02 < found["gates"]["kept"] < 0.11 and 4 < np.mean(places / kept) < 9
assert 0.3 < both < 0.95 and rows.shape == (4 * 32, 6 * 32, 3)
""",
    "voxels_from_their_codes": """
assert codes.shape == (len(learned), 64) and overlap > 0.65
assert told["codes"] > 0.75 and told["voxels"] > told["codes"] - 0.03
""",
}


def cells(name: str, kind: str) -> list[str]:
    notebook = json.loads((EXAMPLES / f"{name}.ipynb").read_text("utf-8"))
    assert notebook["nbformat"] == 4
    return ["".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == kind]


def test_every_notebook_is_run():
    assert {path.stem for path in EXAMPLES.glob("*.ipynb")} == set(FOUND)


@pytest.mark.parametrize("name", FOUND)
def test_notebooks_are_kept_without_outputs(name):
    notebook = json.loads((EXAMPLES / f"{name}.ipynb").read_text("utf-8"))
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in code)
    assert cells(name, "markdown")[0].startswith("# ")


@pytest.mark.slow
@pytest.mark.parametrize("name", FOUND)
def test_notebook(name, tmp_path):
    if name == "voxels_from_their_codes" and not VOXELS.exists():
        pytest.skip("needs ModelNet10's voxels in ../shared")
    program = tmp_path / f"{name}.py"
    program.write_text("\n\n".join([*cells(name, "code"), FOUND[name]]), "utf-8")
    environment = {**os.environ, "PYTHONPATH": str(EXAMPLES.parent), "TMPDIR": str(tmp_path)}
    before = sorted(EXAMPLES.iterdir())
    done = subprocess.run(
        [sys.executable, program],
        cwd=EXAMPLES,
        env=environment,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert sorted(EXAMPLES.iterdir()) == before
