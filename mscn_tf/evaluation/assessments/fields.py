"""How fields on the sphere are assessed."""

from __future__ import annotations

import math

import numpy as np

from mscn_tf.evaluation.assessment import (
    Assessment,
    Measure,
    Measured,
    bits_a,
    error,
    root_mean_square,
)
from mscn_tf.evaluation.signal import Signal
from mscn_tf.signals import fields
from mscn_tf.signals.units import HIGHEST, KELVIN, LOWEST


def _compare_fields(signal: Signal, decoded: np.ndarray) -> Measured:
    return {**fields.errors(signal.array, decoded, signal.metadata)}


FIELDS = Assessment(
    "field",
    bits_a("point"),
    (
        error("rmse", "RMSE", KELVIN, mean=root_mean_square),
        error("rmse_by_area", "RMSE by area", KELVIN, mean=root_mean_square),
        Measure("psnr", "PSNR", "dB"),
    ),
    (
        "RMSE: root mean square error over all points of all fields; by area: weighted by "
        "what each point covers of the sphere. PSNR: of each field, its peak the range of "
        f"{LOWEST:g} to {HIGHEST:g} {KELVIN}; the mean of these.",
    ),
    compare=_compare_fields,
    shared_side=math.inf,  # neighbours in one file, whose grid is stored once
)
