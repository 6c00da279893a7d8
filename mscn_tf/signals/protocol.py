"""What the module of a modality has, which `runtime.modality.Modality.files` names.

`Files` lists what each has. What holds for arrays of numbers is in `hooks`, function by function;
a module in which one of them stands has it otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Callable, Optional, Protocol

import numpy as np

from mscn_tf.runtime.files import PathLike
from mscn_tf.signals.signal import Selection, Signals

Metadata = Optional[dict[str, Any]]


class Files(Protocol):
    """Reads, writes and measures the files of a modality."""

    @property
    def read(self) -> Callable[..., Signals]:
        """``read(path, **options)``: signals of a file or folder.

        The options are keywords that `Modality.options` lists. Where signals are fitted to files,
        `Modality.fit` stands in its place.

        Raises:
          MscnError: it can't be read, or holds something else; names the file and a cure.
        """

    @property
    def training_signals(self) -> Callable[..., list[np.ndarray]]:
        """``training_signals(pattern, **options)``: arrays ``[.., C]`` in the modality's own units.

        The pattern is one of files, as a configuration's ``data.train`` names them; the options
        are its ``data.options``.

        Raises:
          MscnError: nothing matches, or a file can't be read.
        """

    def write(
        self,
        path: PathLike,
        arrays: Any,
        names: Optional[Sequence[str]],
        metadata: Metadata,
        selection: Selection,
    ) -> str:
        """Writes decoded signals in the format that the path's ending names.

        Args:
          path: a file, or a folder.
          arrays: an iterable of one ``[.., C]`` for each signal, which may be large: taken once.
          names: of the signals, or None.
          metadata: as `read` gave them, of all signals of the file; may come from a stranger.
          selection: which part of the file was decoded.

        Returns:
          In a few words, what was written.

        Raises:
          MscnError: the format is none for such signals, the metadata are damaged, or nothing can
            be written.
        """

    def measure(self, original: Any, decoded: np.ndarray, metadata: Metadata) -> dict[str, float]:
        """Figures of quality of one signal by their names, units first: ``{"dB PSNR": 40.1}``.

        The original is one of `Signals.originals`, or an array ``[.., C]`` where there are none.
        """
