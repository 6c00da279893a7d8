"""The whole of an evaluation: measures what is missing, then writes tables, figure and page."""

from __future__ import annotations

import importlib.metadata
import json
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Optional

import numpy as np

from mscn_tf.evaluation import plot, report
from mscn_tf.evaluation.assessment import Assessment
from mscn_tf.evaluation.assessments.images import PICTURES
from mscn_tf.evaluation.baselines import Baseline
from mscn_tf.evaluation.coder import Coder
from mscn_tf.evaluation.curves import (
    Comparison,
    Curve,
    apart,
    compare,
    compare_signals,
    curve,
    known_mean,
)
from mscn_tf.evaluation.left_out import Failure, comparable
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
from mscn_tf.evaluation.rows import Family, RowFile
from mscn_tf.evaluation.side_by_side import PictureRow, chosen, picture_rows
from mscn_tf.evaluation.signal import Signal
from mscn_tf.runtime.container import size_text
from mscn_tf.runtime.errors import MscnError
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
      assessment: of the signals; its first measure makes curves.
      metadata: of the signals together.
      payload: rates of curves leave headers out; codecs that don't tell them make none.
      quiet: shows nothing while it measures.
      left_out: in words, what is not in the results and why; `measure` and `write` add to it.
      failures: what `measure` could not.
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
    assessment: Assessment = PICTURES
    metadata: Optional[dict[str, Any]] = None
    payload: bool = False
    quiet: bool = False
    left_out: list[str] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list, init=False)

    @cached_property
    def _files(self) -> list[tuple[Coder, list[File]]]:
        shared_side = self.assessment.shared_side if self.archive else 0
        return [
            (coder, self._files_of(coder, shared_side)) for coder in [*self.ours, *self.references]
        ]

    def _files_of(self, coder: Coder, shared_side: float) -> list[File]:
        return coder_files(coder, self.signals, self.out / "files", shared_side, self.metadata)

    def missing_files(self) -> list[tuple[Coder, list[File]]]:
        """The files that each codec has yet to make."""
        return [(coder, self._missing(coder, files)) for coder, files in self._files]

    def _missing(self, coder: Coder, files: Sequence[File]) -> list[File]:
        return [file for file in files if file.rows(coder, self.rows) is None]

    def measure(self) -> None:
        """Adds the rows that are missing and can be had; the others make `failures`.

        Raises:
          MscnError: the disk is full, or a process was killed.
        """
        tasks = baseline_tasks(self.baselines, self.signals, self.rows)
        missing = self.missing_files()
        count = sum(len(task.settings) for task in tasks)
        count += sum(len(file.signals) for _, files in missing for file in files)
        progress = Progress(count, self.quiet)
        try:
            if tasks:
                with workers(self.workers) as pool:
                    self.failures.extend(measure_baselines(tasks, self.rows, pool, progress))
            for index, (coder, files) in enumerate(missing):
                failed = measure_coder(coder, files, self.rows, progress)
                if any(len(one.signals) > 1 for one in failed):
                    # One signal spoils the archive: with a file each, it is the only one lost.
                    files = self._files_of(coder, shared_side=0)
                    self._files[index] = (coder, files)
                    left = self._missing(coder, files)
                    failed = measure_coder(coder, left, self.rows, progress)
                self.failures.extend(failed)
        finally:
            progress.close()

    def write(self) -> dict[str, dict[str, Comparison]]:
        """Writes the results of what was measured.

        Returns:
          How each of our codecs compares with each other one, by their labels.

        Raises:
          MscnError: nothing was measured, or the disk is full.
        """
        families = self._families()
        self.rows.tidy(row for family in families for row in family.rows)
        families, signals, words = comparable(
            families, self.signals, self.failures, self.assessment
        )
        self.left_out.extend(words)
        if not families:
            raise MscnError(f"nothing could be measured: {'; '.join(self.left_out)}")
        lossy = [family for family in families if not family.lossless]
        lossless = {
            family.label: float(np.mean([row.rate for row in family.rows]))
            for family in families
            if family.lossless
        }
        curves = [
            curve(family.rows, family.name, family.label, self.assessment, self.payload)
            for family in lossy
        ]
        uncoded = self._uncoded(signals)
        names = {coder.name for coder in self.ours}
        ours = sum(family.name in names for family in lossy)
        comparisons = {curves[i].label: self._comparisons(i, curves, lossy) for i in range(ours)}
        drawn = [*curves, *self.published]
        figure = plot.draw(self.title, drawn[:ours], drawn[ours:], self.assessment, self.payload)
        page = report.Report(
            title=self.title,
            summary=self._summary(signals),
            comparisons=comparisons,
            shared={coder.label: coder.shared_bytes for coder in self.ours},
            samples=sum(signal.samples for signal in signals),
            figure=figure,
            curves=drawn,
            lossless=lossless,
            picture_rows=self._picture_rows(signals, lossy),
            notes=self._notes(uncoded),
            versions=self._versions(),
            command=self.command,
            assessment=self.assessment,
        )
        results = {
            "title": self.title,
            "command": self.command,
            "modality": self.assessment.name,
            "versions": page.versions,
            "signals": len(signals),
            "left_out": self.left_out,
            "uncoded": uncoded,
            "curves": [one.to_json(self.assessment) for one in drawn],
            f"lossless_{self.assessment.rate.name}": lossless,
            "shared_bytes": page.shared,
            "bd_rate": [
                {"codec": label, "anchor": anchor, **comparison.to_json(self.assessment)}
                for label, others in comparisons.items()
                for anchor, comparison in others.items()
            ],
        }
        self._write("curves.png", figure)
        for one in drawn:
            self._write(f"results/{one.name}.json", _json(one.to_json(self.assessment)))
        self._write("results.json", _json(results))
        self._write("report.html", report.render(page).encode())
        return comparisons

    def _uncoded(self, signals: Sequence[Signal]) -> Optional[dict[str, float]]:
        """Quality of what is coded, before it is, where that isn't the original itself."""
        if not self.assessment.compare or signals[0].original is None:
            return None
        measured = [self.assessment.measure(signal, signal.array) for signal in signals]
        means = {}
        for measure in self.assessment.measures:
            mean = known_mean([one[measure.name] for one in measured], measure.mean)
            if mean is not None:
                means[measure.name] = mean
        return means

    def _picture_rows(self, signals: Sequence[Signal], lossy: Sequence[Family]) -> list[PictureRow]:
        if not self.assessment.modality.pixels:
            return []
        with workers(self.workers) as pool:
            return picture_rows(chosen(signals), lossy, self._files, pool)

    def _families(self) -> list[Family]:
        """All that was measured: ours, then references, then baselines."""
        families = [
            Family(
                coder.name,
                coder.label,
                [row for file in files for row in file.rows(coder, self.rows) or ()],
                coder.lossless,
            )
            for coder, files in self._files
        ]
        baselines: dict[str, Family] = {}
        for one in self.baselines:
            family = Family(one.family, one.label, [], one.lossless)
            family = baselines.setdefault(one.family, family)
            found_rows = (
                self.rows.get(one.name, version, setting, signal)
                for version, group in baseline_files(one, self.signals)
                for setting in one.settings
                for signal in group
            )
            family.rows.extend(row for row in found_rows if row is not None)
        return families + list(baselines.values())

    def _comparisons(
        self, index: int, curves: Sequence[Curve], families: Sequence[Family]
    ) -> dict[str, Comparison]:
        """One codec beside all others."""
        comparisons = {}
        for other, family in zip(curves, families):
            if other is not curves[index]:
                on_signals = compare_signals(
                    family.rows,
                    families[index].rows,
                    self.rate_range,
                    self.assessment,
                    self.payload,
                )
                comparisons[other.label] = replace(
                    self._comparison(other, curves[index]), per_signal=on_signals
                )
        for other in self.published:
            comparisons[other.label] = self._comparison(other, curves[index])
        return comparisons

    def _comparison(self, anchor: Curve, test: Curve) -> Comparison:
        comparison = compare(anchor, test, self.rate_range)
        if not np.isnan(comparison.percent):
            return comparison
        return replace(comparison, apart=apart(anchor, test, self.assessment))

    def _write(self, name: str, data: bytes) -> None:
        path = self.out / name
        path.parent.mkdir(exist_ok=True)
        with atomic_write(path) as file:
            file.write(data)

    def _summary(self, signals: Sequence[Signal]) -> str:
        sizes = sorted({size_text(signal.array.shape[:-1]) for signal in signals})
        some = ", ".join(sizes) if len(sizes) < 4 else f"{sizes[0]} to {sizes[-1]}"
        kind = self.assessment
        return f"{kind.count(signals)} of {some} {kind.samples}; bytes of real files."

    def _notes(self, uncoded: Optional[dict[str, float]]) -> list[str]:
        kind = self.assessment
        nouns, rate = kind.nouns, kind.rate
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
        if uncoded:
            words = [
                f"{one.label} {one.text(uncoded[one.name])}"
                for one in kind.measures
                if one.name in uncoded
            ]
            notes.append(f"What is coded, before coding: {', '.join(words)}.")
        if self.left_out:
            notes.append(f"Left out: {'; '.join(self.left_out)}.")
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
