"""How the signals of a modality are assessed: rates, measures, and what is compared.

What quality means is the business of a modality's module in `signals`; an `Assessment`, which
`Modality.measures` names, has the names, units and axes of it. Where quality isn't that of the
array which is coded, as for meshes, it says what is compared instead. Those of the shipped
modalities are in `assessments`, the codecs that they are compared with in `baselines`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Callable, Optional, cast

import numpy as np

from mscn_tf.evaluation.signal import Signal
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.files import PathLike
from mscn_tf.runtime.lazy import imported
from mscn_tf.runtime.modality import Modality
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


def root_mean_square(values: Sequence[float]) -> float:
    """Mean of root mean square errors of parts that weigh the same."""
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


def error(
    name: str, label: str, unit: str, mean: Callable[[Sequence[float]], float] = np.mean
) -> Measure:
    """A measure that falls with quality and is drawn on a logarithmic scale."""
    return Measure(
        name,
        label,
        unit,
        falls=True,
        level=lambda value: -20 * math.log10(max(value, 1e-12)),
        value=lambda level: 10 ** (-level / 20),
        mean=mean,
    )


@dataclass(frozen=True)
class Assessment:
    """How signals of a modality are measured.

    Attributes:
      name: of the modality.
      rate: the curves' abscissa.
      measures: what is measured; the first one is the curves' ordinate.
      notes: what readers should know about the measures.
      compare: a signal and what was decoded to measures by name; None asks the modality's module.
      originals: reads what each signal of a path is compared with; None where that is the array.
      shared_side: signals with no side longer than this share an archive.
      fitted: "module:attribute" of a function that reads signals in place of `modalities.read`,
        and what each is compared with, where they are fitted to files: with TensorFlow.
      posed: of these, a function that finds out whether they can be fitted and measured.
    """

    name: str
    rate: Rate
    measures: Sequence[Measure]
    notes: Sequence[str] = ()
    compare: Optional[Callable[[Signal, np.ndarray], Measured]] = None
    originals: Optional[Callable[[PathLike], Sequence[object]]] = None
    shared_side: float = 128
    fitted: str = ""
    posed: Optional[Callable[[PathLike, Optional[float]], Sequence[str]]] = None

    @property
    def modality(self) -> Modality:
        """Whose signals they are."""
        return Modality.named(self.name)

    @property
    def noun(self) -> str:
        """For one of its signals."""
        return self.modality.noun

    @property
    def nouns(self) -> str:
        """For several of its signals."""
        return self.modality.nouns

    @property
    def samples(self) -> str:
        """The noun for several samples."""
        return self.modality.sample + "s"

    def count(self, signals: Sequence[Signal]) -> str:
        """ "3 pictures"."""
        return self.modality.count(len(signals))

    @property
    def quality(self) -> Measure:
        """What curves are drawn over."""
        return self.measures[0]

    def measure(self, signal: Signal, decoded: np.ndarray) -> Measured:
        """All measures of a decoded signal, by their names."""
        if self.compare is not None:
            return self.compare(signal, decoded)
        module = modalities.module_of(self.name)
        measured = module.measure(signal.array, decoded, signal.metadata)
        return {one.name: measured[one.source] for one in self.measures}

    def by(self, metric: str) -> Assessment:
        """The same with another measure first.

        Raises:
          MscnError: there is none of this name.
        """
        names = [one.name for one in self.measures]
        if metric not in names:
            raise MscnError(f"--metric={metric}: {self.nouns} are measured by {', '.join(names)}")
        first = self.measures[names.index(metric)]
        rest = [one for one in self.measures if one is not first]
        return replace(self, measures=(first, *rest))

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
            if not self.modality.pixels:
                names = [Path(name).stem for name in images.file_names(names)]
        if originals is None:
            originals = self.originals(path) if self.originals else [None] * count
        return [
            Signal.of(
                name, array, modalities.metadata_of(self.name, read.metadata, index), original
            )
            for index, (name, array, original) in enumerate(zip(names, read.arrays, originals))
        ]


def bits_a(sample: str) -> Rate:
    """Bits a sample, that noun."""
    return Rate("bpp", "bpp", f"bits a {sample}", lambda signal: 8 / signal.samples)


def bytes_a(noun: str) -> Rate:
    """Bytes a signal, that noun."""
    return Rate("bytes", "bytes", f"bytes a {noun}", lambda signal: 1.0)


def of(modality: str) -> Assessment:
    """How signals of a modality are assessed.

    Raises:
      MscnError: there is no such modality, or it isn't evaluated.
    """
    path = Modality.named(modality).measures
    if not path:
        raise MscnError(f"of {modality} signals nothing is measured; give another --modality")
    return cast(Assessment, imported(path))
