"""What Keras 2.14 and Keras 3 do differently, in one place.

Keras 2 comes with TensorFlow 2.14 (Python 3.9 to 3.11), Keras 3 with TensorFlow 2.16 and newer.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Union

import keras
import tensorflow as tf

KERAS_3 = int(keras.__version__.split(".")[0]) >= 3


def variable_of(weight: Any) -> tf.Variable:
    """The `tf.Variable` behind a weight of a layer: the weight itself in Keras 2."""
    return weight.value if KERAS_3 else weight


def save_graph(
    model: keras.Model, path: Union[str, os.PathLike[str]], inputs: Sequence[Any]
) -> None:
    """Writes a SavedModel whose `__call__` takes what the model's does.

    Args:
      model: built.
      path: the folder.
      inputs: an example of the positional arguments of its call: nested tensors.
    """
    module = tf.Module()
    module.weights = [variable_of(weight) for weight in model.weights]
    # Structures keep their form, so that the same nested arguments call what is loaded.
    specs = tf.nest.map_structure(
        tf.TensorSpec.from_tensor, tf.nest.map_structure(tf.constant, inputs)
    )
    module.__call__ = tf.function(lambda *arguments: model(*arguments), input_signature=specs)
    tf.saved_model.save(module, os.fspath(path))
