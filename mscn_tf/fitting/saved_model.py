"""The inner loop as a SavedModel, which runs without this package."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Union

import tensorflow as tf

from mscn_tf.stack.keras_versions import holder_of

if TYPE_CHECKING:
    from mscn_tf.fitting.meta_learner import MetaLearner


def save_inner_loop(model: MetaLearner, path: Union[str, os.PathLike[str]]) -> None:
    """Writes functions of any number of signals at any points, which are its signatures too.

    - ``adapt(signals, coordinates)``: a dictionary of what each signal adapts, as the model's
      method gives it, and ``"kept"``, how many values are to be stored;
    - ``decode(coordinates, code, ..)``: their values there, of what ``adapt`` gave but for
      ``"kept"``;
    - ``reconstruct(signals, coordinates)``, the signature ``serving_default`` too: both.

    Args:
      model: whose weights are written as they are.
      path: the folder.
    """
    dtype, initial = tf.as_dtype(model.dtype), model.modulation.initial(1)
    signals = tf.TensorSpec([None, None, model.channels], dtype, "signals")
    coordinates = tf.TensorSpec([None, model.axes], dtype, "coordinates")
    of_signal = {
        name: tf.TensorSpec([None, *value.shape[1:]], dtype, name)
        for name, value in initial.items()
    }

    @tf.function(input_signature=[signals, coordinates])
    def adapt(signals: tf.Tensor, coordinates: tf.Tensor) -> dict[str, tf.Tensor]:
        adapted = model.adapt(signals, coordinates)
        return {**adapted, "kept": model.kept(adapted)}

    @tf.function(input_signature=[coordinates, *of_signal.values()])
    def decode(coordinates: tf.Tensor, *adapted: tf.Tensor) -> tf.Tensor:
        return model.network(coordinates, dict(zip(of_signal, adapted)), training=False)

    @tf.function(input_signature=[signals, coordinates])
    def reconstruct(signals: tf.Tensor, coordinates: tf.Tensor) -> tf.Tensor:
        return model(signals, coordinates)

    functions = {"adapt": adapt, "decode": decode, "reconstruct": reconstruct}
    holder = holder_of(model)
    for name, function in functions.items():
        setattr(holder, name, function)
    signatures = {**functions, "serving_default": reconstruct}
    # The gradients of sines that the steps take are part of the functions; more there are not.
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    tf.saved_model.save(holder, os.fspath(path), signatures=signatures, options=options)
