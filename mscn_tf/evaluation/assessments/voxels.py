"""How voxels are assessed."""

from __future__ import annotations

from mscn_tf.evaluation.assessment import Assessment, Measure, bytes_a

VOXELS = Assessment(
    "voxels",
    bytes_a("shape"),
    (
        Measure("accuracy", "accuracy", "%", "% accuracy"),
        Measure("iou", "IoU", "%", "% IoU"),
    ),
    (
        "Accuracy: share of voxels that are right. IoU: voxels filled in both over those "
        "filled in either.",
    ),
)
