"""What Keras 2.14 and Keras 3 do differently, in one place.

Keras 2 comes with TensorFlow 2.14 (Python 3.9 to 3.11), Keras 3 with TensorFlow 2.16 and newer.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Union

import keras
import tensorflow as tf

KERAS_3 = int(keras.__version__.split(".")[0]) >= 3


class Layer(keras.layers.Layer):
    """What the package's layers are made of: its files can be read by either version.

    Keras 3 writes an object of its own for the type of a layer's numbers, where Keras 2 wants a
    name, which both read.
    """

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        if not isinstance(config["dtype"], str):
            config["dtype"] = config["dtype"]["config"]["name"]
        return config


def plain(weight: Any) -> tf.Variable:
    """The `tf.Variable` behind a weight of a layer or optimizer; a weight itself in Keras 2."""
    return weight if isinstance(weight, tf.Variable) else weight.value


def variables_of(part: Any) -> list[tf.Variable]:
    """All variables of a part of a model, in an order that depends on it alone.

    Args:
      part: a variable, a layer, model or optimizer of Keras, an object with ``variables``, or a
        list or dictionary of such.
    """
    if isinstance(part, tf.Variable):
        return [part]
    if isinstance(part, Mapping):
        part = list(part.values())
    if isinstance(part, (list, tuple)):
        return [variable for member in part for variable in variables_of(member)]
    # A weight of Keras 3 is no `tf.Variable`, and has no variables either.
    return [plain(weight) for weight in getattr(part, "variables", [part])]


def trainable_variables_of(layers: Sequence[keras.layers.Layer]) -> list[tf.Variable]:
    """Those that training changes, layer after layer."""
    return [plain(weight) for layer in layers for weight in layer.trainable_weights]


def constrain(layers: Sequence[keras.layers.Layer]) -> None:
    """Takes weights that a step of an optimizer moved past their constraints back to them.

    Keras 2's optimizers have done so themselves; those of Keras 3 don't see the constraint of a
    weight when they are given the `tf.Variable` behind it.
    """
    for layer in layers:
        for weight in layer.trainable_weights:
            if weight.constraint is not None:
                weight.assign(weight.constraint(weight))


def build_once(layer: keras.layers.Layer, input_shape: Any) -> None:
    """Builds a part of a layer, unless it comes from a file, where Keras 3 has built it already.

    Keras 2 would make its weights anew, Keras 3 refuses to.
    """
    if not layer.built:
        layer.build(input_shape)


def holder_of(*parts: Any) -> tf.Module:
    """What TensorFlow's writers and converters are given beside functions of these parts.

    A layer of Keras 3 must not be: a SavedModel that holds one restores copies of its weights, and
    those that its functions use stay empty, but where TensorFlow's own Python reads it.
    """
    holder = tf.Module()
    holder.weights = variables_of(parts)
    return holder


def save_graph(
    model: keras.Model, path: Union[str, os.PathLike[str]], inputs: Sequence[Any]
) -> None:
    """Writes a SavedModel whose `__call__` takes what the model's does.

    Args:
      model: built.
      path: the folder.
      inputs: an example of the positional arguments of its call: nested tensors.
    """

    @tf.function(input_signature=tf.nest.map_structure(_spec, list(inputs)))
    def call(*arguments: Any) -> Any:
        return model(*arguments)

    graph = holder_of(model.weights)
    graph.__call__ = call
    tf.saved_model.save(graph, os.fspath(path))


def _spec(value: Any) -> tf.TensorSpec:
    tensor = tf.convert_to_tensor(value)
    return tf.TensorSpec(tensor.shape, tensor.dtype)
