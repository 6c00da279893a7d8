from __future__ import annotations

import subprocess
import sys


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
    assert "(9, 7, 3)" in run(
        WITHOUT_TENSORFLOW + "codec = mscn_tf.Codec.load('photo');"
        "print(codec.decode(codec.encode(np.full((9, 7, 3), 99, np.uint8))).shape)"
    )


def test_tiles_encode_without_tensorflow():
    assert "(9, 7, 3)" in run(
        WITHOUT_TENSORFLOW + "codec = mscn_tf.Codec.load('thumb32');"
        "print(codec.decode(codec.encode(np.full((9, 7, 3), 99, np.uint8))).shape)"
    )


def test_unknown_attribute():
    program = "import mscn_tf\ntry: mscn_tf.Decoder\nexcept AttributeError as e: print(e)"
    assert "no attribute 'Decoder'" in run(program)
