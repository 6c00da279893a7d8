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


def test_codec_without_tensorflow_decodes():
    program = "import sys; sys.modules['tensorflow'] = None; import mscn_tf; print(mscn_tf.Codec)"
    assert "mscn_tf.runtime.codec.Codec" in run(program)


def test_codec_with_tensorflow_encodes():
    assert run("import mscn_tf; print(hasattr(mscn_tf.Codec, 'encode'))") == "True"


def test_unknown_attribute():
    program = "import mscn_tf\ntry: mscn_tf.Decoder\nexcept AttributeError as e: print(e)"
    assert "no attribute 'Decoder'" in run(program)
