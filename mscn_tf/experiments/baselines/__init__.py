"""Other codecs of neural representations, made of our networks, fitting and coder."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import ml_collections

from mscn_tf.experiments.data import SignalSet
from mscn_tf.fitting.modulated import ModulatedFit
from mscn_tf.runtime.errors import MscnError

CODECS = ("coin", "coinpp", "model_optimization", "struempler")


def measure_codec(
    fit: ModulatedFit, signals: SignalSet, options: ml_collections.ConfigDict
) -> dict[str, Any]:
    """A row as `mscn_tf.experiments.measure.measure` gives it, of the codec ``options.name``.

    Raises:
      MscnError: there is no such codec.
    """
    if options.name not in CODECS:
        raise MscnError(f"codec.name={options.name}: must be one of {', '.join(CODECS)}")
    return import_module(f"{__name__}.{options.name}").measure(fit, signals, options)
