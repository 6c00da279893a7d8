"""How volumes are assessed."""

from __future__ import annotations

from mscn_tf.evaluation.assessment import Assessment, Measure, bits_a

VOLUMES = Assessment(
    "volume",
    bits_a("voxel"),
    (Measure("psnr", "PSNR", "dB", "dB PSNR"),),
    ("PSNR: of each volume, at its own range of values.",),
)
