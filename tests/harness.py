"""What every Keras layer and network of the package must stand: being saved and restored."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from mscn_tf.stack.keras_versions import save_graph


@keras.saving.register_keras_serializable(package="mscn_tf_tests")
class Holder(keras.Model):
    """A model of one layer, since only models can be saved; returns a flat list of tensors."""

    def __init__(self, layer: keras.layers.Layer, **kwargs: Any):
        super().__init__(dtype=layer.dtype, **kwargs)
        self.layer = layer

    def build(self, input_shape: Any) -> None:
        if not self.layer.built:
            self.layer.build(input_shape)
        keras.layers.Layer.build(self, input_shape)  # Model.build would call the model.

    def call(self, *inputs: Any) -> list[tf.Tensor]:
        return flat(self.layer(*inputs))

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "layer": keras.saving.serialize_keras_object(self.layer)}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Holder:
        layer = keras.saving.deserialize_keras_object(config["layer"], custom_objects)
        return cls(**{**config, "layer": layer})


def check_layer(layer: keras.layers.Layer, *inputs: Any) -> None:
    """Asserts that a layer or model gives the same outputs after each kind of round trip.

    `get_config` (through JSON) and back, a ``.keras`` file, and a SavedModel loaded without the
    Python class. Its weights are moved off their initial values first, so that a round trip that
    loses them fails.

    Args:
      layer: a layer or model registered with Keras, built or not.
      *inputs: the positional arguments of its call.
    """
    layer(*inputs)
    generator = np.random.default_rng(0)
    weights = [w + generator.uniform(0.01, 0.1, w.shape) for w in layer.get_weights()]
    layer.set_weights(weights)
    expected = flat(layer(*inputs))

    config = config_of(layer)
    copy = keras.saving.deserialize_keras_object(config)
    assert type(copy) is type(layer)
    copy(*inputs)
    assert config_of(copy)["config"] == config["config"]
    copy.set_weights(weights)
    assert [w.trainable for w in copy.weights] == [w.trainable for w in layer.weights]
    assert_same(flat(copy(*inputs)), expected)

    model = layer if isinstance(layer, keras.Model) else Holder(layer)
    model(*inputs)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        restored = keras.models.load_model(path)
        assert_same(flat(restored(*inputs)), expected)
        restored.save(path)
        assert_same(flat(keras.models.load_model(path)(*inputs)), expected)
        path = Path(folder) / "saved_model"
        save_graph(model, path, inputs)
        assert_same(flat(tf.saved_model.load(str(path))(*inputs)), expected)


def config_of(layer: keras.layers.Layer) -> dict[str, Any]:
    """Its configuration as it comes back from a file."""
    return json.loads(json.dumps(keras.saving.serialize_keras_object(layer)))


def flat(outputs: Any) -> list[tf.Tensor]:
    """The tensors of a nested structure, without its ``None`` leaves."""
    return [tensor for tensor in tf.nest.flatten(outputs) if tensor is not None]


def assert_same(actual: list[tf.Tensor], expected: list[tf.Tensor]) -> None:
    assert len(actual) == len(expected)
    for a, b in zip(actual, expected):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
