from __future__ import annotations

import re
import shutil
import subprocess
import sys

from tests.installed import ROOT


def run(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_the_package_imports_nothing_else():
    assert run(
        "import sys; before = set(sys.modules); import mscn_tf;"
        "print({name.split('.')[0] for name in set(sys.modules) - before}"
        " & {'numpy', 'tensorflow', 'onnxruntime', 'PIL'})"
    ) == str(set())


WITHOUT_TENSORFLOW = "import sys; sys.modules['tensorflow'] = None; import mscn_tf, numpy as np; "


def test_pyramids_encode_without_tensorflow():
    assert "(9, 7, 1)" in run(
        WITHOUT_TENSORFLOW + "codec = mscn_tf.Codec.load('photo');"
        "print(codec.decode(codec.encode(np.full((9, 7, 3), 99, np.uint8))).shape)"
    )


def test_tiles_encode_without_tensorflow():
    assert "(9, 7, 1)" in run(
        WITHOUT_TENSORFLOW + "codec = mscn_tf.Codec.load('thumb32');"
        "print(codec.decode(codec.encode(np.full((9, 7, 3), 99, np.uint8))).shape)"
    )


def test_unknown_attribute():
    program = "import mscn_tf\ntry: mscn_tf.Decoder\nexcept AttributeError as e: print(e)"
    assert "no attribute 'Decoder'" in run(program)


def test_the_wheel_encodes_and_decodes(installed, tmp_path):
    shutil.copy(ROOT / "demo" / "kodim.png", tmp_path / "photo.png")

    def sh(line: str, code: int = 0) -> str:
        done = subprocess.run(
            line, shell=True, cwd=tmp_path, env=installed, capture_output=True, text=True
        )
        assert done.returncode == code, done.stderr
        return done.stdout + done.stderr

    where = sh(f"{sys.executable} -c 'import mscn_tf.apps; print(mscn_tf.apps.__file__)'")
    assert where.startswith(installed["PYTHONPATH"])
    sh("mscn encode --quality=3 photo.png && mscn decode photo.mscn back.png")
    assert (tmp_path / "back.png").stat().st_size > 10_000
    # A configuration that comes with the package is found by its name: its field is what is wrong.
    assert "steps=many" in sh("mscn train --config=photo --config.steps=many --workdir=run", 2)


def test_what_follows_the_readme_type_checks(installed, tmp_path):
    # The other, of Keras, has no types; tests/fitting/test_readme.py runs it.
    example = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[0]
    assert "codec.encode(" in example
    picture = "import numpy as np\n\npicture = np.zeros((8, 8, 3), np.uint8)\n"

    def found(*lines: str) -> list[str]:
        """The errors that mypy finds in the example with these lines after it."""
        (tmp_path / "program.py").write_text("\n".join([picture, example, *lines]))
        done = subprocess.run(
            [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "program.py"],
            cwd=tmp_path,
            env=installed,
            capture_output=True,
            text=True,
        )
        assert not done.stderr
        return re.findall(r"error: .*", done.stdout)

    assert found() == []
    (error,) = found('codec.encode(picture, bpp="half")')  # the wheel's annotations are read
    assert "[arg-type]" in error
