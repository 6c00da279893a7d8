"""Real bytes of what gates leave: quantised, range-coded, decoded again."""

from __future__ import annotations

import numpy as np

from mscn_tf.entropy.frequencies import whole_frequencies
from mscn_tf.runtime.tables import RangeEncoder, Tables, model, seal, unseal

CLASSES = 12  # of elements, by how large their symbols were on training signals
_SUPPORT = 255
_DEVIATIONS = 3.0  # to which COIN++'s quantiser reaches


class ElementCoder:
    """Codes values ``[M]`` of signals, element by element, with what training signals taught.

    Values are divided by a step and rounded. Elements are sorted into classes by the mean size of
    their symbols on training signals, and each class has a table of frequencies. So an element that
    is zero for nearly every signal costs a hundredth of a bit, and which elements a signal keeps
    needs no list of places. Classes and tables are shared by all signals and are not in the bytes.

    Args:
      values: float ``[S, M]`` of training signals.
      step: of the quantiser.
    """

    def __init__(self, values: np.ndarray, step: float):
        self.step = step
        symbols = self._symbols(values)
        size = np.abs(symbols).mean(axis=0)
        level = np.round(CLASSES / 2 + np.log2(size + 2.0**-CLASSES))
        self._class = np.clip(level, 0, CLASSES - 1).astype(np.int64)
        frequencies = []
        for k in range(CLASSES):
            members = np.clip(symbols[:, self._class == k].ravel(), -_SUPPORT - 1, _SUPPORT + 1)
            # Both signs together, and a little of everything, an escape last.
            counts = np.bincount(np.abs(members), minlength=_SUPPORT + 2).astype(float)
            inside = np.concatenate([counts[_SUPPORT:0:-1] / 2, counts[:1], counts[1:-1] / 2])
            smooth = np.exp(-np.abs(np.arange(-_SUPPORT, _SUPPORT + 1)) / max(size.max(), 1.0))
            counts = np.append(inside + smooth / smooth.sum(), counts[-1] + 0.01)
            frequencies.append(whole_frequencies(counts / counts.sum()))
        self._tables = Tables(
            {
                "support": np.full(CLASSES, _SUPPORT),
                "frequencies": np.concatenate(frequencies),
                "centroid": np.zeros((CLASSES, 2)),
            }
        )

    def _symbols(self, values: np.ndarray) -> np.ndarray:
        return np.rint(values / self.step).astype(np.int64)

    def encode(self, values: np.ndarray) -> bytes:
        """One signal's values, float ``[M]``."""
        encoder = RangeEncoder()
        self._tables.encode(encoder, self._symbols(values).astype(np.int32), self._class)
        return seal(encoder)

    def decode(self, data: bytes) -> np.ndarray:
        """float64 ``[M]``, whole multiples of the step."""
        return self.step * self._tables.decode(unseal(data), self._class)


class UniformCoder:
    """COIN++'s coder (Dupont et al. 2022): k bits within three deviations, one histogram for all.

    Mean, deviation and histogram are of all elements of the training signals' codes together, are
    shared by all signals and are not in the bytes.

    Args:
      codes: float ``[S, M]`` of training signals.
      bits: k; there are 2^k levels.
    """

    def __init__(self, codes: np.ndarray, bits: int):
        self._count, self._last = codes.shape[1], 2**bits - 1
        self._low = float(codes.mean() - _DEVIATIONS * codes.std())
        self._step = float(2 * _DEVIATIONS * codes.std() / self._last) or 1.0
        counts = np.bincount(self._symbols(codes).ravel(), minlength=self._last + 1)
        counts = np.maximum(counts, 1)  # what training signals never have
        self._model = model(whole_frequencies(counts / counts.sum()))

    def _symbols(self, codes: np.ndarray) -> np.ndarray:
        levels = np.rint((codes - self._low) / self._step)
        return np.clip(levels, 0, self._last).astype(np.int32)

    def encode(self, code: np.ndarray) -> bytes:
        """One signal's code, float ``[M]``."""
        encoder = RangeEncoder()
        encoder.encode(self._symbols(code), self._model)
        return seal(encoder)

    def decode(self, data: bytes) -> np.ndarray:
        """float64 ``[M]``, levels of the quantiser."""
        return self._low + self._step * unseal(data).decode(self._model, self._count)
