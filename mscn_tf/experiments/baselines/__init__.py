"""Other codecs of neural representations, made of our networks, fitting and coder."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import ml_collections

from mscn_tf.experiments.data import SignalSet
from mscn_tf.fitting.meta_learner import MetaLearner
from mscn_tf.runtime.errors import MscnError

CODECS = ("coin", "coinpp", "model_optimization", "struempler")


def measure_codec(
    fit: MetaLearner, signals: SignalSet, options: ml_collections.ConfigDict
) -> dict[str, Any]:
    """A row as `mscn_tf.experiments.measure.measure` gives it, of the codec ``options.name``.

    Raises:
      MscnError: there is no such codec, or what it is made of is for older Pythons.
    """
    if options.name not in CODECS:
        raise MscnError(f"codec.name={options.name}: must be one of {', '.join(CODECS)}")
    try:
        codec = import_module(f"{__name__}.{options.name}")
    except ModuleNotFoundError as error:
        if error.name != "tensorflow_model_optimization":
            raise
        raise MscnError(
            f"codec.name={options.name} needs tensorflow-model-optimization, which is for Keras 2: "
            "run it with Python 3.9 to 3.11"
        ) from error
    return codec.measure(fit, signals, options)
