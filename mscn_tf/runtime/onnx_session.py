"""ONNX Runtime's sessions for the graphs in bundles."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mscn_tf.runtime.errors import MscnError

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

    from mscn_tf.runtime.bundle import Bundle

_FATAL = 4  # of ONNX Runtime's severities


def session(bundle: Bundle, member: str, threads: int = 1) -> InferenceSession:
    """What runs a graph of a bundle.

    Args:
      bundle: the same.
      member: of the bundle, the graph.
      threads: that share the work of a run.

    Raises:
      MscnError: the bundle lacks it, or it is none that ONNX Runtime can run.
    """
    import onnxruntime  # half a second that listing a file must not pay

    onnxruntime.set_default_logger_severity(_FATAL)  # what is wrong arrives as an exception
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _FATAL
    options.intra_op_num_threads = threads
    # Threads that spin between runs take the cores from the entropy decoder.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Further optimisations fold factors into matrix products, in single precision.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    if b"location" in bundle.members.get(member, b""):  # of data in files by the path it names
        raise MscnError(f"bundle {bundle.name}: its {member}'s weights lie in other files")
    try:
        return onnxruntime.InferenceSession(
            bundle.members[member], options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # its exceptions share no base class of their own
        raise MscnError(f"bundle {bundle.name}: unusable {member} ({line_of(error)})") from error


def line_of(error: Exception) -> str:
    """What an exception says, in a line that any terminal can show."""
    text = " ".join(str(error).split())[:200]
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)
