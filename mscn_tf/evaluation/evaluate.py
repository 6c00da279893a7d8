"""The whole of an evaluation: measures what is missing, then writes tables, figure and page."""

from __future__ import annotations

import importlib.metadata
import json
import platform
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Optional

import numpy as np

from mscn_tf.evaluation import plot, report
from mscn_tf.evaluation.baselines import Baseline
from mscn_tf.evaluation.coder import Coder
from mscn_tf.evaluation.curves import Comparison, Curve, compare, compare_signals, curve
from mscn_tf.evaluation.measure import (
    ARCHIVE_SIDE,
    File,
    Progress,
    baseline_tasks,
    coder_files,
    measure_baselines,
    measure_coder,
    workers,
)
from mscn_tf.evaluation.rows import Family, RowFile, Signal
from mscn_tf.evaluation.strips import chosen, strips
from mscn_tf.runtime.files import atomic_write

_LIBRARIES = "mscn-tf tensorflow onnxruntime constriction numpy scipy pillow bjontegaard".split()


@dataclass(frozen=True)
class Evaluation:
    """Codecs, the pictures to measure them on, and where results go.

    Attributes:
      title: of the page.
      command: that asked for it.
      signals: the pictures.
      ours: our codecs.
      references: other codecs that put many pictures into a file.
      baselines: codecs of one picture a file.
      published: curves from the literature.
      bpp_range: BD-rate is taken between these bits a pixel of the anchor; None for all.
      workers: processes for baselines.
      out: folder of results.
      rows: what is measured already; new rows are added to it.
      archive: small pictures share an archive of ours; else each has a file of its own.
    """

    title: str
    command: str
    signals: Sequence[Signal]
    ours: Sequence[Coder]
    references: Sequence[Coder]
    baselines: Sequence[Baseline]
    published: Sequence[Curve]
    bpp_range: Optional[tuple[float, float]]
    workers: int
    out: Path
    rows: RowFile
    archive: bool = True

    @cached_property
    def _files(self) -> list[tuple[Coder, list[File]]]:
        folder = self.out / "files"
        coders = [*self.ours, *self.references]
        return [(coder, coder_files(coder, self.signals, folder, self.archive)) for coder in coders]

    def missing_files(self) -> list[tuple[Coder, list[File]]]:
        """The files that each codec has yet to make."""
        return [
            (coder, [file for file in files if file.rows(coder, self.rows) is None])
            for coder, files in self._files
        ]

    def measure(self) -> None:
        """Adds the rows that are missing.

        Raises:
          MscnError: a codec doesn't take a picture, or the disk is full.
        """
        tasks = baseline_tasks(self.baselines, self.signals, self.rows)
        missing = self.missing_files()
        count = sum(len(task.settings) for task in tasks)
        count += sum(len(file.signals) for _, files in missing for file in files)
        progress = Progress(count)
        try:
            if tasks:
                with workers(self.workers) as pool:
                    measure_baselines(tasks, self.rows, pool, progress)
            for coder, files in missing:
                measure_coder(coder, files, self.rows, progress)
        finally:
            progress.close()

    def write(self) -> dict[str, dict[str, Comparison]]:
        """Writes all results; everything must be measured.

        Returns:
          How each of our codecs compares with each other one, by their labels.
        """
        families = self._families()
        self.rows.tidy(row for family in families for row in family.rows)
        lossy = [family for family in families if not family.lossless]
        lossless = {
            family.label: float(np.mean([row.bpp for row in family.rows]))
            for family in families
            if family.lossless
        }
        curves = [curve(family.rows, family.name, family.label) for family in lossy]
        ours = len(self.ours)
        comparisons = {curves[i].label: self._comparisons(i, curves, lossy) for i in range(ours)}
        drawn = [*curves, *self.published]
        figure = plot.draw(self.title, drawn[:ours], drawn[ours:])
        with workers(self.workers) as pool:
            shown = strips(chosen(self.signals), lossy, self._files, pool)
        page = report.Report(
            title=self.title,
            summary=self._summary(),
            comparisons=comparisons,
            shared={coder.label: coder.shared_bytes for coder in self.ours},
            pixels=sum(signal.pixels for signal in self.signals),
            figure=figure,
            curves=drawn,
            lossless=lossless,
            strips=shown,
            notes=self._notes(),
            versions=self._versions(),
            command=self.command,
        )
        results = {
            "title": self.title,
            "command": self.command,
            "versions": page.versions,
            "signals": len(self.signals),
            "curves": [one.to_json() for one in drawn],
            "lossless_bpp": lossless,
            "shared_bytes": page.shared,
            "bd_rate": [
                {"codec": label, "anchor": anchor, **found.to_json()}
                for label, others in comparisons.items()
                for anchor, found in others.items()
            ],
        }
        self._write("curves.png", figure)
        for one in drawn:
            self._write(f"results/{one.name}.json", _json(one.to_json()))
        self._write("results.json", _json(results))
        self._write("report.html", report.render(page).encode())
        return comparisons

    def _families(self) -> list[Family]:
        """All that was measured: ours, then references, then baselines."""
        found = [
            Family(coder.name, coder.label, [r for f in files for r in f.rows(coder, self.rows)])
            for coder, files in self._files
        ]
        baselines: dict[str, Family] = {}
        for one in self.baselines:
            family = Family(one.family, one.label, [], one.lossless)
            family = baselines.setdefault(one.family, family)
            version = one.version()
            family.rows.extend(
                self.rows.get(one.name, version, setting, signal)
                for setting in one.settings
                for signal in self.signals
            )
        return found + list(baselines.values())

    def _comparisons(
        self, index: int, curves: Sequence[Curve], families: Sequence[Family]
    ) -> dict[str, Comparison]:
        """One codec beside all others."""
        found = {}
        for other, family in zip(curves, families):
            if other is not curves[index]:
                on_signals = compare_signals(family.rows, families[index].rows, self.bpp_range)
                found[other.label] = replace(
                    compare(other, curves[index], self.bpp_range), per_signal=on_signals
                )
        for other in self.published:
            found[other.label] = compare(other, curves[index], self.bpp_range)
        return found

    def _write(self, name: str, data: bytes) -> None:
        path = self.out / name
        path.parent.mkdir(exist_ok=True)
        with atomic_write(path) as file:
            file.write(data)

    def _summary(self) -> str:
        sizes = sorted({f"{s.picture.shape[1]}x{s.picture.shape[0]}" for s in self.signals})
        some = ", ".join(sizes) if len(sizes) < 4 else f"{sizes[0]} to {sizes[-1]}"
        count = len(self.signals)
        return f"{count} picture{'s' * (count > 1)} of {some} pixels; bytes of real files."

    def _notes(self) -> list[str]:
        notes = [
            "Rate: bits a pixel are eight times the bytes of the file, header included, over width "
            "times height; the mean over the pictures is drawn.",
            "PSNR: of the decoded 8-bit values, all channels together, of each picture; the mean "
            "of these over the pictures is drawn. A setting that gives back a picture without loss "
            "has none and is left out.",
        ]
        files = [file for _, files in self._files for file in files]
        if files and all(file.signals is self.signals for file in files):
            notes.append(
                f"{', '.join(coder.label for coder, _ in self._files)}: the pictures are at most "
                f"{ARCHIVE_SIDE} pixels a side and share one archive at each quality; its bytes "
                "are shared between them by their pixels. All other codecs make a file a picture."
            )
        families = [b.family for b in self.baselines]
        if len(set(families)) < len(families):
            notes.append(
                "JPEG, AVIF and HEIC are measured with 4:2:0 and 4:4:4 chroma; at each rate the "
                "better one makes the curve."
            )
        notes.append(
            "BD-rate: the mean of log rate over PSNR between the two curves, interpolated by "
            "monotone piecewise cubics, over the range of PSNR that both reach"
            + (
                f" and that the other codec spends {self.bpp_range[0]:g} to "
                f"{self.bpp_range[1]:g} bits a pixel on"
                if self.bpp_range
                else ""
            )
            + "; on the mean curves, and on each picture's own curves and then averaged."
        )
        if any(min(signal.picture.shape[:2]) < 161 for signal in self.signals):
            notes.append("MS-SSIM: left out, for it needs pictures of 161 pixels a side.")
        else:
            notes.append("MS-SSIM: Wang et al. 2003, mean of the colour channels.")
        if self.published:
            notes.append(
                "Published curves are means over the whole data set as their authors give them "
                f"(Kodak: 24 pictures; CIFAR-10: 10,000 test pictures), not over these "
                f"{len(self.signals)}."
            )
        return notes

    def _versions(self) -> dict[str, str]:
        versions = {"Python": platform.python_version()}
        for name in _LIBRARIES:
            try:
                versions[name] = importlib.metadata.version(name)
            except importlib.metadata.PackageNotFoundError:
                continue
        versions.update((one.name, one.version()) for one in self.baselines)
        versions.update((coder.name, coder.version) for coder, _ in self._files)
        return versions


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, allow_nan=False) + "\n").encode()
