"""What holds for the signals of a modality whose module doesn't say otherwise.

Metadata are of one signal, as `modalities.metadata_of` gives them, unless said otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Callable, Optional

import numpy as np

from mscn_tf.runtime.container import Container
from mscn_tf.runtime.files import PathLike
from mscn_tf.runtime.modality import Modality
from mscn_tf.runtime.values import Values
from mscn_tf.signals.protocol import Metadata
from mscn_tf.signals.signal import Signals

BoundOf = Callable[[float, Metadata], float]
MetadataOf = Callable[[Metadata, int], Metadata]


def codec_for(signals: Signals, bounded: bool) -> Optional[str]:
    """The shipped codec that suits signals; None where the modality's own does.

    Args:
      signals: to be encoded.
      bounded: whether a bound on their errors is wanted.
    """
    return None


def misfit(signals: Signals, values: Values) -> Optional[str]:
    """Why a codec, made for such values, does not suit the signals; None where it does."""
    if values.dtype == "bool":
        return None
    low = min(float(array.min()) for array in signals.arrays)
    high = max(float(array.max()) for array in signals.arrays)
    room = values.high - values.low
    if values.low - room <= low and high <= values.high + room:
        return None
    return f"values from {low:g} to {high:g}, where {values.low:g} to {values.high:g} are known"


def unfit(signals: Signals, most: float) -> Optional[str]:
    """Why signals, as they were read, are worth nothing; None where they are.

    Args:
      signals: before coding.
      most: the share of their own spread that they may have lost.
    """
    return None


def share_lost(original: np.ndarray, decoded: np.ndarray, metadata: Metadata) -> float:
    """RMSE over the standard deviation about each channel's mean."""
    axes = tuple(range(original.ndim - 1))
    error = np.mean(np.square(original.astype(np.float64) - decoded))
    spread = np.mean(np.var(original, axis=axes, dtype=np.float64))
    if error == 0:
        return 0.0
    return float(np.sqrt(error / spread)) if spread > 0 else float("inf")


def largest_error(original: np.ndarray, decoded: np.ndarray, metadata: Metadata) -> float:
    """Largest error of any value of one signal, in the units of its file."""
    return float(np.abs(original.astype(np.float64) - decoded).max())


def array_bound(bound: float, metadata: Metadata) -> float:
    """The bound of the arrays' values that keeps one in the units of the file.

    Args:
      bound: in the units of the file.
      metadata: of all signals.
    """
    return bound


def array_bounds(
    bound_of: BoundOf, one_of: MetadataOf, bounds: Sequence[float], signals: Signals
) -> list[float]:
    """Of each signal's array the bound that keeps one in the units of the file.

    Args:
      bound_of: the modality's `array_bound`.
      one_of: its `metadata_of`.
      bounds: in the units of the file, one for each signal.
      signals: before coding.
    """
    if len(set(bounds)) == 1 and bounds[0] > 0:
        return [bound_of(bounds[0], signals.metadata)] * len(bounds)
    return [bound_of(bound, one_of(signals.metadata, item)) for item, bound in enumerate(bounds)]


def file_bound(bound: float, metadata: Metadata) -> float:
    """The other way round, of any file's metadata."""
    return bound


def spans(bound_of: BoundOf, one_of: MetadataOf, signals: Signals) -> list[float]:
    """Of each signal the range of its values, in the units of the file.

    Args:
      bound_of: the modality's `file_bound`.
      one_of: its `metadata_of`.
      signals: before coding.
    """
    return [
        bound_of(float(np.ptp(array)), one_of(signals.metadata, item))
        for item, array in enumerate(signals.arrays)
    ]


def metadata_of(modality: Modality, metadata: dict[str, Any], item: int) -> dict[str, Any]:
    """What the metadata of several signals say of one, as if it had been alone in its file."""
    return {
        name: [value[item]] if name in modality.each and isinstance(value, list) else value
        for name, value in metadata.items()
    }


def check_metadata(metadata: dict[str, Any], container: Container) -> None:
    """Raises any error of Python where `write` could make nothing of a file's metadata.

    Or of more than the container declares.
    """


def drawn_original(path: PathLike, container: Container, item: int) -> Any:
    """What is drawn beside a decoded signal, of the file that it was made from; None: the array.

    Raises:
      MscnError: it can't be read.
    """
    return None
