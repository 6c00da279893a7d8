"""What is measured of the signals of each modality, and how they are read.

How a signal is read and what quality means is the business of its module in `signals`; here stand
the names, units and axes of it. Where quality isn't that of the array which is coded, as for
meshes, it says what is compared instead. The other codecs of a modality are in `baselines`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Callable, Optional

import numpy as np

from mscn_tf.evaluation.metrics import ms_ssim
from mscn_tf.evaluation.signal import Signal
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.files import PathLike
from mscn_tf.signals import images, modalities
from mscn_tf.signals.signal import Signals

Measured = dict[str, Optional[float]]


@dataclass(frozen=True)
class Rate:
    """What a curve counts bytes as.

    Attributes:
      name: its column in tables.
      unit, label: for readers.
      of_byte: what one byte of a signal's file counts.
    """

    name: str
    unit: str
    label: str
    of_byte: Callable[[Signal], float]


def _same(value: float) -> float:
    return value


def _root_mean_square(values: Sequence[float]) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


@dataclass(frozen=True)
class Measure:
    """A figure of a decoded signal's quality.

    Attributes:
      name: its column in tables, and what ``--metric`` calls it.
      label, unit: for readers.
      source: what `measure` of the modality's module calls it.
      key: what CompressAI's files call it; else the name.
      falls: less is better.
      level: of a value, on a scale that rises with quality and on which curves are integrated.
      value: of a level.
      drawn: what is drawn, where that is a level and not the value.
      mean: over signals.
    """

    name: str
    label: str
    unit: str
    source: str = ""
    key: str = ""
    falls: bool = False
    level: Callable[[float], float] = _same
    value: Callable[[float], float] = _same
    drawn: str = ""
    mean: Callable[[Sequence[float]], float] = np.mean

    @property
    def axis(self) -> str:
        """Label and unit."""
        return f"{self.label} ({self.unit})" if self.unit else self.label

    def text(self, value: float) -> str:
        """A value with its unit."""
        return f"{value:.4g}" + (f" {self.unit}" if self.unit else "")


def _error(name: str, label: str, unit: str, mean=np.mean) -> Measure:
    return Measure(
        name,
        label,
        unit,
        falls=True,
        level=lambda error: -20 * math.log10(max(error, 1e-12)),
        value=lambda level: 10 ** (-level / 20),
        mean=mean,
    )


@dataclass(frozen=True)
class Modality:
    """How signals of a kind are measured.

    Attributes:
      name: as everywhere.
      noun: of one of its signals; samples: of its samples, plural.
      rate: the curves' abscissa.
      measures: what is measured; the first one is the curves' ordinate.
      notes: what readers should know about the measures.
      compare: a signal and what was decoded to measures by name; None asks the modality's module.
      originals: reads what each signal of a path is compared with; None where that is the array.
      shared_side: signals with no side longer than this share an archive.
    """

    name: str
    noun: str
    samples: str
    rate: Rate
    measures: Sequence[Measure]
    notes: Sequence[str] = ()
    compare: Optional[Callable[[Signal, np.ndarray], Measured]] = None
    originals: Optional[Callable[[PathLike], Sequence[object]]] = None
    shared_side: float = 128

    @property
    def plural(self) -> str:
        """Of the noun."""
        return self.noun + ("es" if self.noun.endswith("sh") else "s")

    @property
    def quality(self) -> Measure:
        """What curves are drawn over."""
        return self.measures[0]

    def measure(self, signal: Signal, decoded: np.ndarray) -> Measured:
        """All measures of a decoded signal, by their names."""
        if self.compare is not None:
            return self.compare(signal, decoded)
        module = modalities.module_of(self.name)
        found = module.measure(signal.array, decoded, signal.metadata)
        return {one.name: found[one.source] for one in self.measures}

    def by(self, metric: str) -> Modality:
        """The same with another measure first.

        Raises:
          MscnError: there is none of this name.
        """
        names = [one.name for one in self.measures]
        if metric not in names:
            raise MscnError(f"--metric={metric}: {self.plural} are measured by {', '.join(names)}")
        first = self.measures[names.index(metric)]
        rest = [one for one in self.measures if one is not first]
        return replace(self, measures=(first, *rest))

    def count(self, signals: Sequence[Signal]) -> str:
        """ "3 pictures"."""
        return f"{len(signals)} {self.noun if len(signals) == 1 else self.plural}"

    def signals(
        self, path: PathLike, read: Signals, originals: Optional[Sequence[object]] = None
    ) -> list[Signal]:
        """Signals as they were read, under names that make good names of files.

        Args:
          path: what was read.
          read: its content.
          originals: what each is compared with; left out, `originals` reads it.

        Raises:
          MscnError: an original can't be read.
        """
        count = len(read.arrays)
        digits = len(str(count - 1))
        names = [f"{index:0{digits}}" for index in range(count)]
        if read.names:
            names = list(read.names)
            if self.name != "image":
                names = [Path(name).stem for name in images.file_names(names)]
        if originals is None:
            originals = self.originals(path) if self.originals else [None] * count
        return [
            Signal.of(
                name, array, modalities.metadata_of(self.name, read.metadata, index), original
            )
            for index, (name, array, original) in enumerate(zip(names, read.arrays, originals))
        ]


def _compare_pictures(signal: Signal, decoded: np.ndarray) -> Measured:
    return {
        "psnr": images.psnr(signal.array, decoded),
        "ms_ssim": ms_ssim(signal.array, decoded),
    }


def _masks(path: PathLike) -> Sequence[np.ndarray]:
    from mscn_tf.signals import silhouettes

    return [silhouettes.to_mask(picture) for picture in images.read(path).arrays]


def _compare_silhouettes(signal: Signal, decoded: np.ndarray) -> Measured:
    from mscn_tf.signals import silhouettes

    found = silhouettes.compare(signal.original, decoded)
    same_size = decoded.shape == signal.array.shape
    return {
        "iou": 100 * found["IoU"],
        "contour_error": found["contour error"],
        "psnr": silhouettes.psnr(signal.array, decoded) if same_size else None,
    }


def _meshes(path: PathLike) -> Sequence[object]:
    from mscn_tf.evaluation.surfaces import Surface

    return Surface.read(path)


def _compare_meshes(signal: Signal, decoded: object) -> Measured:
    from mscn_tf.signals import meshes

    coded = isinstance(decoded, np.ndarray)  # else a mesh
    corner, cell = (signal.metadata[name][0] for name in ("corner", "cell"))
    found = signal.original.distances(decoded[..., 0] if coded else decoded, corner, cell)
    near = next(iter(meshes.measure(signal.array, decoded, None).values())) if coded else 0.0
    return {**found, "near": near}


def _compare_fields(signal: Signal, decoded: np.ndarray) -> Measured:
    from mscn_tf.signals import fields

    return fields.errors(signal.array, decoded, signal.metadata)


def _compare_scenes(signal: Signal, decoded: np.ndarray) -> Measured:
    from mscn_tf.signals.scenes import rendered_psnr

    return {"psnr": rendered_psnr(decoded, signal.original)}


def _bits_a(sample: str) -> Rate:
    return Rate("bpp", "bpp", f"bits a {sample}", lambda signal: 8 / signal.samples)


def _bytes_a(noun: str) -> Rate:
    return Rate("bytes", "bytes", f"bytes a {noun}", lambda signal: 1.0)


def _kilobits(signal: Signal) -> float:
    return 8e-3 * signal.metadata["rate"] / signal.samples


MODALITIES = {
    one.name: one
    for one in (
        Modality(
            "image",
            "picture",
            "pixels",
            _bits_a("pixel"),
            (
                Measure("psnr", "PSNR, RGB", "dB", key="psnr-rgb"),
                Measure(
                    "ms_ssim",
                    "MS-SSIM, RGB",
                    "",
                    key="ms-ssim-rgb",
                    level=lambda similarity: -10 * math.log10(max(1 - similarity, 1e-9)),
                    value=lambda level: 1 - 10 ** (-level / 10),
                    drawn=": $-10\\,\\log_{10}(1 - x)$ (dB)",
                ),
            ),
            (
                "PSNR: of the decoded 8-bit values, all channels together, of each picture; the "
                "mean of these over the pictures is drawn. A setting that gives back a picture "
                "without loss has none and is left out.",
                "MS-SSIM: Wang et al. 2003, mean of the colour channels, of pictures of at least "
                "161 pixels a side.",
            ),
            compare=_compare_pictures,
        ),
        Modality(
            "field",
            "field",
            "points",
            _bits_a("point"),
            (
                _error("rmse", "RMSE", "K", mean=_root_mean_square),
                _error("rmse_by_area", "RMSE by area", "K", mean=_root_mean_square),
                Measure("psnr", "PSNR", "dB"),
            ),
            (
                "RMSE: root mean square error over all points of all fields; by area: weighted by "
                "what each point covers of the sphere. PSNR: of each field, its peak the range of "
                "202.66 to 320.93 K; the mean of these.",
            ),
            compare=_compare_fields,
            shared_side=math.inf,  # neighbours in one file, whose grid is stored once
        ),
        Modality(
            "sound",
            "sound",
            "samples",
            Rate("kbps", "kbit/s", "kbit/s", _kilobits),
            (
                Measure("snr", "SNR", "dB", "dB SNR"),
                Measure("segmental_snr", "segmental SNR", "dB", "dB segmental SNR"),
            ),
            (
                "SNR: of each sound, after a codec's delay is taken out; segmental: the mean over "
                "20 ms, each clipped to -10 to 35 dB. Both say how close a waveform is, not how "
                "good it sounds.",
            ),
        ),
        Modality(
            "silhouette",
            "shape",
            "distances",
            _bytes_a("shape"),
            (
                Measure("iou", "IoU", "%"),
                _error("contour_error", "contour error", "px"),
                Measure("psnr", "PSNR of distances", "dB"),
            ),
            (
                "IoU: of the area inside, at the original size. Contour error: mean distance "
                "between the contours, in pixels of the original.",
            ),
            compare=_compare_silhouettes,
            originals=_masks,
        ),
        Modality(
            "mesh",
            "mesh",
            "distances",
            _bytes_a("mesh"),
            (
                Measure("iou", "IoU", "%"),
                _error("chamfer", "Chamfer distance", "%"),
                _error("near", "error near the surface", "cells"),
            ),
            (
                "IoU: of the volumes enclosed, at random points in the original's box. Chamfer "
                "distance: mean of both directions, in % of the box's longest side. Error: root "
                "mean square, of distances of less than a cell, in cells of the coded grid.",
            ),
            compare=_compare_meshes,
            originals=_meshes,
        ),
        Modality(
            "voxels",
            "shape",
            "voxels",
            _bytes_a("shape"),
            (
                Measure("accuracy", "accuracy", "%", "% accuracy"),
                Measure("iou", "IoU", "%", "% IoU"),
            ),
            (
                "Accuracy: share of voxels that are right. IoU: voxels filled in both over those "
                "filled in either.",
            ),
        ),
        Modality(
            "volume",
            "volume",
            "voxels",
            _bits_a("voxel"),
            (Measure("psnr", "PSNR", "dB", "dB PSNR"),),
            ("PSNR: of each volume, at its own range of values.",),
        ),
        Modality(
            "scene",
            "scene",
            "points",
            _bytes_a("scene"),
            (Measure("psnr", "PSNR of held-out views", "dB"),),
            (
                "PSNR: on white, of views that the fit has not seen, at most 20 evenly "
                "taken; the mean.",
            ),
            compare=_compare_scenes,
        ),
    )
}
