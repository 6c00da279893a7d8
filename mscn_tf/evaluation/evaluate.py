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
    File,
    Progress,
    baseline_files,
    baseline_tasks,
    coder_files,
    measure_baselines,
    measure_coder,
    workers,
)
from mscn_tf.evaluation.modality import MODALITIES, Modality
from mscn_tf.evaluation.rows import Family, RowFile
from mscn_tf.evaluation.signal import Signal
from mscn_tf.evaluation.strips import Strip, chosen, strips
from mscn_tf.runtime.container import size_text
from mscn_tf.runtime.files import atomic_write

_LIBRARIES = "mscn-tf tensorflow onnxruntime constriction numpy scipy pillow bjontegaard".split()


@dataclass(frozen=True)
class Evaluation:
    """Codecs, the signals to measure them on, and where results go.

    Attributes:
      title: of the page.
      command: that asked for it.
      signals: all of one modality.
      ours: our codecs.
      references: other codecs that put many signals into a file.
      baselines: the codecs of other people.
      published: curves from the literature.
      rate_range: BD-rate is taken between these rates of the anchor; None for all.
      workers: processes for baselines.
      out: folder of results.
      rows: what is measured already; new rows are added to it.
      archive: small signals share an archive of ours; else each has a file of its own.
      modality: of the signals; its first measure makes curves.
      metadata: of the signals together.
      payload: rates of curves leave headers out; codecs that don't tell them make none.
    """

    title: str
    command: str
    signals: Sequence[Signal]
    ours: Sequence[Coder]
    references: Sequence[Coder]
    baselines: Sequence[Baseline]
    published: Sequence[Curve]
    rate_range: Optional[tuple[float, float]]
    workers: int
    out: Path
    rows: RowFile
    archive: bool = True
    modality: Modality = MODALITIES["image"]
    metadata: Optional[dict[str, Any]] = None
    payload: bool = False

    @cached_property
    def _files(self) -> list[tuple[Coder, list[File]]]:
        folder = self.out / "files"
        coders = [*self.ours, *self.references]
        shared_side = self.modality.shared_side if self.archive else 0
        return [
            (coder, coder_files(coder, self.signals, folder, shared_side, self.metadata))
            for coder in coders
        ]

    def missing_files(self) -> list[tuple[Coder, list[File]]]:
        """The files that each codec has yet to make."""
        return [
            (coder, [file for file in files if file.rows(coder, self.rows) is None])
            for coder, files in self._files
        ]

    def measure(self) -> None:
        """Adds the rows that are missing.

        Raises:
          MscnError: a codec doesn't take a signal, or the disk is full.
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
            family.label: float(np.mean([row.rate for row in family.rows]))
            for family in families
            if family.lossless
        }
        curves = [
            curve(family.rows, family.name, family.label, self.modality, self.payload)
            for family in lossy
        ]
        ours = sum(not coder.lossless for coder in self.ours)
        comparisons = {curves[i].label: self._comparisons(i, curves, lossy) for i in range(ours)}
        drawn = [*curves, *self.published]
        figure = plot.draw(self.title, drawn[:ours], drawn[ours:], self.modality, self.payload)
        page = report.Report(
            title=self.title,
            summary=self._summary(),
            comparisons=comparisons,
            shared={coder.label: coder.shared_bytes for coder in self.ours},
            samples=sum(signal.samples for signal in self.signals),
            figure=figure,
            curves=drawn,
            lossless=lossless,
            strips=self._strips(lossy),
            notes=self._notes(),
            versions=self._versions(),
            command=self.command,
            modality=self.modality,
        )
        results = {
            "title": self.title,
            "command": self.command,
            "modality": self.modality.name,
            "versions": page.versions,
            "signals": len(self.signals),
            "uncoded": self._uncoded,
            "curves": [one.to_json(self.modality) for one in drawn],
            f"lossless_{self.modality.rate.name}": lossless,
            "shared_bytes": page.shared,
            "bd_rate": [
                {"codec": label, "anchor": anchor, **found.to_json(self.modality)}
                for label, others in comparisons.items()
                for anchor, found in others.items()
            ],
        }
        self._write("curves.png", figure)
        for one in drawn:
            self._write(f"results/{one.name}.json", _json(one.to_json(self.modality)))
        self._write("results.json", _json(results))
        self._write("report.html", report.render(page).encode())
        return comparisons

    @cached_property
    def _uncoded(self) -> Optional[dict[str, float]]:
        """Quality of what is coded, before it is, where that isn't the original itself."""
        if not self.modality.compare or self.signals[0].original is None:
            return None
        found = [self.modality.measure(signal, signal.array) for signal in self.signals]
        means = {}
        for measure in self.modality.measures:
            mean = float(measure.mean([one[measure.name] for one in found]))
            if np.isfinite(mean):
                means[measure.name] = mean
        return means

    def _strips(self, lossy: Sequence[Family]) -> list[Strip]:
        if self.modality.name != "image":
            return []
        with workers(self.workers) as pool:
            return strips(chosen(self.signals), lossy, self._files, pool)

    def _families(self) -> list[Family]:
        """All that was measured: ours, then references, then baselines."""
        found = [
            Family(
                coder.name,
                coder.label,
                [row for file in files for row in file.rows(coder, self.rows)],
                coder.lossless,
            )
            for coder, files in self._files
        ]
        baselines: dict[str, Family] = {}
        for one in self.baselines:
            family = Family(one.family, one.label, [], one.lossless)
            family = baselines.setdefault(one.family, family)
            family.rows.extend(
                self.rows.get(one.name, version, setting, signal)
                for version, group in baseline_files(one, self.signals)
                for setting in one.settings
                for signal in group
            )
        return found + list(baselines.values())

    def _comparisons(
        self, index: int, curves: Sequence[Curve], families: Sequence[Family]
    ) -> dict[str, Comparison]:
        """One codec beside all others."""
        found = {}
        for other, family in zip(curves, families):
            if other is not curves[index]:
                on_signals = compare_signals(
                    family.rows,
                    families[index].rows,
                    self.rate_range,
                    self.modality,
                    self.payload,
                )
                found[other.label] = replace(
                    compare(other, curves[index], self.rate_range), per_signal=on_signals
                )
        for other in self.published:
            found[other.label] = compare(other, curves[index], self.rate_range)
        return found

    def _write(self, name: str, data: bytes) -> None:
        path = self.out / name
        path.parent.mkdir(exist_ok=True)
        with atomic_write(path) as file:
            file.write(data)

    def _summary(self) -> str:
        sizes = sorted({size_text(signal.array.shape[:-1]) for signal in self.signals})
        some = ", ".join(sizes) if len(sizes) < 4 else f"{sizes[0]} to {sizes[-1]}"
        kind = self.modality
        return f"{kind.count(self.signals)} of {some} {kind.samples}; bytes of real files."

    def _notes(self) -> list[str]:
        kind = self.modality
        nouns, rate = kind.plural, kind.rate
        counted = {
            "bpp": f"{rate.label} are eight times the bytes of the file over its {kind.samples}",
            "kbps": "the bits of the file over the sound's duration",
            "bytes": "those of the file",
        }
        whole = "headers left out" if self.payload else "headers included"
        notes = [
            f"Rate: {counted[rate.name]}, {whole}; the mean over the {nouns} is drawn.",
            *kind.notes,
        ]
        files = [file for _, files in self._files for file in files]
        if files and all(file.signals is self.signals for file in files):
            notes.append(
                f"{', '.join(coder.label for coder, _ in self._files)}: the {nouns} share one "
                f"archive at each quality; its bytes are shared between them by their "
                f"{kind.samples}. Other codecs make a file a {kind.noun} where nothing else is "
                "said."
            )
        families = [b.family for b in self.baselines]
        if len(set(families)) < len(families):
            notes.append(
                "JPEG, AVIF and HEIC are measured with 4:2:0 and 4:4:4 chroma; at each rate the "
                "better one makes the curve."
            )
        notes.append(
            f"BD-rate: the mean of log rate over {kind.quality.label} between the two curves, "
            "interpolated by monotone piecewise cubics, over the range that both reach"
            + (
                f" and that the other codec spends {self.rate_range[0]:g} to "
                f"{self.rate_range[1]:g} {rate.unit} on"
                if self.rate_range
                else ""
            )
            + f"; on the mean curves, and on each {kind.noun}'s own curves and then averaged. "
            "Points that a cheaper one equals are in no curve."
        )
        if self._uncoded:
            words = [
                f"{one.label} {one.text(self._uncoded[one.name])}"
                for one in kind.measures
                if one.name in self._uncoded
            ]
            notes.append(f"What is coded, before coding: {', '.join(words)}.")
        if self.published:
            notes.append(
                "Published curves are means over the whole data set as their authors give them "
                "(Kodak: 24 pictures; CIFAR-10: 10,000 test pictures; ERA5: its test fields), not "
                f"over these {len(self.signals)}."
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
