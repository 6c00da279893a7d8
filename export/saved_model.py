"""SavedModels of tile codecs, for TensorFlow Serving and every other program that reads them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow.saved_model import DEFAULT_SERVING_SIGNATURE_DEF_KEY as DEFAULT
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from mscn_tf.export.float_functions import FloatFunctions, example
from mscn_tf.export.quiet import quiet
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.files import PathLike

WARM_UP = "tf_serving_warmup_requests"  # in assets.extra: what Serving runs before it says ready


def write_saved_model(folder: PathLike, functions: FloatFunctions) -> None:
    """Writes a SavedModel whose signatures are the functions, and a request of each to warm up by.

    Who names no signature gets ``decode``.

    The graph has TensorFlow's own operations only.

    Args:
      folder: where to; it must not exist, or be empty.
      functions: of the codec.

    Raises:
      MscnError: the folder can't be written.
    """
    folder = Path(folder)
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise MscnError(f"{folder} is there already; give a new folder")
        # Next to it first, so that it appears whole.
        temporary = folder.with_name(f".{folder.name}.tmp")
        shutil.rmtree(temporary, ignore_errors=True)
        try:
            with quiet():
                signatures = {**functions.functions, **functions.of_files}
                signatures[DEFAULT] = signatures["decode"]
                tf.saved_model.save(functions.holder, str(temporary), signatures)
            extra = temporary / "assets.extra"
            extra.mkdir()
            with tf.io.TFRecordWriter(str(extra / WARM_UP)) as writer:
                for name in (*functions.functions, *functions.of_files):
                    writer.write(_request(name, example(functions, name)))
            temporary.replace(folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise MscnError(f"cannot write {folder}: {error.strerror or error}") from error


def _request(signature: str, inputs: dict[str, Any]) -> bytes:
    """A `PredictionLog` for TensorFlow Serving."""
    request = predict_pb2.PredictRequest()
    request.model_spec.signature_name = signature
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    log = prediction_log_pb2.PredictionLog(
        predict_log=prediction_log_pb2.PredictLog(request=request)
    )
    return log.SerializeToString(deterministic=True)
