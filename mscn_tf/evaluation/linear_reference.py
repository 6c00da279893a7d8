"""The linear reference: what a codec without a network does with the same training tiles.

The Karhunen-Loeve transform of a training set, one uniform quantiser for all coefficients, and for
each coefficient a histogram, counted on the training set too, that a range coder codes with. A
learned codec must do better than this to have earned its network.
"""

from __future__ import annotations

import hashlib
import struct
import zipfile
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Optional

import constriction
import numpy as np

from mscn_tf.runtime.container import grid
from mscn_tf.runtime.files import atomic_write
from mscn_tf.signals.datasets import TileSampler, load_pictures

SHEETS = "sheets:"  # before a pattern: its pictures hold one tile a row of pixels

_STEPS = (400, 300, 225, 170, 128, 96, 72, 54, 40, 30, 22, 16)  # in units of 8-bit values
_TILES = 40_000
_CHUNK = 1024
_DEVIATIONS = 12  # from the mean, to the largest symbol; beyond it symbols are cut off
_PSEUDO_COUNT = 0.05  # of every symbol, beside those counted
_HEADER = struct.Struct("<BBI")  # step, whether all shapes are the same, pictures
_coder = constriction.stream.queue


class LinearReference:
    """A fitted linear codec, a `Coder`; its files are read only with what was fitted.

    `fit` makes one.

    Attributes:
      name, label, suffix, lossless: see `Coder`.
      settings: quantiser steps, in units of 8-bit values, from small to large files.
      version: names the kind of codec and what it was fitted to.
      shared_bytes: size of what all files share.
    """

    settings: tuple[float, ...] = _STEPS
    name = "linear"
    label = "linear reference"
    suffix = "klt"
    lossless = False

    def __init__(self, arrays: dict[str, np.ndarray], version: str, shared_bytes: int):
        self.version, self.shared_bytes = version, shared_bytes
        self._mean = arrays["mean"]
        self._basis = arrays["basis"].astype(np.float32)
        self._support = arrays["support"]  # [steps, M]
        self._counts = arrays["counts"]
        self._centroids = arrays["centroids"]
        self._edge = int(np.sqrt(len(self._mean) // 3))
        self._starts = np.concatenate(([0], np.cumsum(2 * self._support.ravel() + 1)))

    @classmethod
    def fit(cls, data: str, edge: int, folder: Path) -> LinearReference:
        """Fits to a training set, or takes what an earlier run has left in the folder.

        Args:
          data: a pattern of picture files, as in a training configuration; after "sheets:" they
            hold a tile in every row of pixels.
          edge: of the tiles in pixels.
          folder: where the fitted codec is kept.

        Raises:
          MscnError: nothing matches, or a file is no picture or too small.
        """
        sheets = data.startswith(SHEETS)
        pictures = load_pictures(data[len(SHEETS) * sheets :], edge, sheets)
        content = hashlib.sha256(repr((edge, _STEPS, _TILES)).encode())
        for picture in pictures:
            content.update(picture.data)
        identity = content.hexdigest()[:16]
        path = Path(folder) / f"linear-{identity}.npz"
        try:
            with open(path, "rb") as file, np.load(file) as stored:
                arrays = dict(stored)
        except (OSError, ValueError, zipfile.BadZipFile):  # missing, or cut short
            arrays = _fit(_training_tiles(pictures, edge))
            named: dict[str, Any] = {**arrays}  # keywords, which may be of any type
            with atomic_write(path) as target:
                np.savez_compressed(target, **named)
        version = f"KLT of {edge}x{edge} tiles, a histogram a coefficient; {identity}"
        return cls(arrays, version, path.stat().st_size)

    def encode(
        self,
        pictures: Sequence[np.ndarray],
        setting: float,
        metadata: Optional[dict[str, Any]] = None,
    ) -> bytes:
        """Pictures, uint8 ``[H, W, C]``, to a file at a quantiser step; it keeps no metadata."""
        step = self.settings.index(setting)
        shapes = np.array([picture.shape for picture in pictures], "<u2")
        same = bool((shapes == shapes[0]).all())
        head = _HEADER.pack(step, same, len(pictures))
        head += (shapes[:1] if same else shapes).tobytes()
        tiles = np.concatenate([_to_tiles(picture, self._edge) for picture in pictures])
        code = (tiles.reshape(len(tiles), -1) - self._mean) @ self._basis
        support = self._support[step]
        symbols = np.clip(np.rint(code / setting), -support, support).astype(np.int32) + support
        encoder = _coder.RangeEncoder()
        for column in np.flatnonzero(support):
            encoder.encode(np.ascontiguousarray(symbols[:, column]), self._model(step, column))
        return head + encoder.get_compressed().astype("<u4").tobytes()

    def decode(self, data: bytes) -> list[np.ndarray]:
        """The pictures of a file."""
        step, shapes, size = self._head(data)
        grids = [grid((height, width), self._edge) for height, width, _ in shapes]
        count = sum(rows * columns for rows, columns in grids)
        decoder = _coder.RangeDecoder(np.frombuffer(data[size:], "<u4").astype(np.uint32))
        support = self._support[step]
        starts = self._starts[step * len(support) :]
        code = np.empty((count, len(support)), np.float32)
        for column, start in enumerate(starts[: len(support)]):
            symbols = np.zeros(count, np.int32)
            if support[column]:
                symbols = decoder.decode(self._model(step, column), count)
            code[:, column] = self._centroids[start + symbols]
        values = np.clip(code @ self._basis.T + self._mean, 0, 255)
        tiles = values.reshape(-1, self._edge, self._edge, 3)
        pictures, at = [], 0
        for (height, width, channels), (rows, columns) in zip(shapes, grids):
            part = tiles[at : at + rows * columns].reshape(rows, columns, *tiles.shape[1:])
            at += rows * columns
            whole = part.swapaxes(1, 2).reshape(rows * self._edge, columns * self._edge, 3)
            whole = whole[:height, :width]
            if channels == 1:
                whole = whole.mean(axis=2, keepdims=True)
            pictures.append(np.rint(whole).astype(np.uint8))
        return pictures

    def sizes(self, data: bytes) -> dict[str, int]:
        """Bytes of a file by purpose: ``header``, ``side``, ``payload``."""
        size = self._head(data)[2]
        return {
            "header": _HEADER.size,
            "side": size - _HEADER.size,
            "payload": len(data) - size,
        }

    @staticmethod
    def _head(data: bytes) -> tuple[int, list[list[int]], int]:
        """Step, shapes of the pictures, and where the payload starts."""
        step, same, count = _HEADER.unpack_from(data)
        stored = 1 if same else count
        shapes = np.frombuffer(data, "<u2", 3 * stored, _HEADER.size).reshape(-1, 3).tolist()
        return step, shapes * count if same else shapes, _HEADER.size + 6 * stored

    @lru_cache(maxsize=1 << 13)  # noqa: B019 lives as long as the process
    def _model(self, step: int, column: int) -> constriction.stream.model.Model:
        at = step * self._support.shape[1] + column
        counts = self._counts[self._starts[at] : self._starts[at + 1]] + _PSEUDO_COUNT
        return constriction.stream.model.Categorical(counts / counts.sum(), perfect=False)


def _to_tiles(picture: np.ndarray, edge: int) -> np.ndarray:
    """uint8 ``[tiles, edge, edge, 3]``, row-major, filled up with the mirror image."""
    rows, columns = grid(picture.shape[:2], edge)
    fill = (rows * edge - picture.shape[0], columns * edge - picture.shape[1])
    filled = np.pad(picture, ((0, fill[0]), (0, fill[1]), (0, 0)), mode="symmetric")
    filled = np.broadcast_to(filled, (*filled.shape[:2], 3))
    return filled.reshape(rows, edge, columns, edge, 3).swapaxes(1, 2).reshape(-1, edge, edge, 3)


def _training_tiles(pictures: list[np.ndarray], edge: int) -> np.ndarray:
    """uint8 ``[N, edge, edge, 3]``: the tiles of sheets, or random ones of pictures."""
    if pictures[0].ndim == 4:
        return np.concatenate(pictures)[:_TILES]
    sampler = TileSampler(pictures, edge, seed=0, flips=False)
    parts = [sampler.draw(_CHUNK, step) for step in range(_TILES // _CHUNK)]
    return np.concatenate([np.rint(part * 255).astype(np.uint8) for part in parts])


def _fit(tiles: np.ndarray) -> dict[str, np.ndarray]:
    """The arrays of a `LinearReference`."""
    size = tiles[0].size

    def chunks() -> Iterator[np.ndarray]:
        for at in range(0, len(tiles), _CHUNK):
            yield tiles[at : at + _CHUNK].reshape(-1, size).astype(np.float32)

    total = sum((chunk.sum(0, dtype=np.float64) for chunk in chunks()), np.zeros(size))
    mean = (total / len(tiles)).astype("f4")
    covariance = sum((chunk - mean).T @ (chunk - mean) for chunk in chunks()) / len(tiles)
    variance, vectors = np.linalg.eigh(covariance)
    basis = vectors[:, ::-1].astype(np.float16)
    deviation = np.sqrt(np.maximum(variance[::-1], 0))
    # A coefficient whose symbols would all be zero has no histogram.
    support = np.stack([np.ceil(_DEVIATIONS * deviation / s - 0.5) for s in _STEPS])
    support = np.maximum(support, 0).astype(np.int32)
    starts = np.concatenate(([0], np.cumsum(2 * support.ravel() + 1)))
    counts, sums = np.zeros(starts[-1]), np.zeros(starts[-1])
    for chunk in chunks():
        code = (chunk - mean) @ basis.astype(np.float32)
        for step, (width, reach) in enumerate(zip(_STEPS, support)):
            first, last = starts[[step * size, (step + 1) * size]]
            used = np.flatnonzero(reach)
            reach, values = reach[used], code[:, used]
            zeros = starts[step * size + used] - first + reach
            symbols = np.clip(np.rint(values / width), -reach, reach).astype(np.int64)
            at = (symbols + zeros).ravel()
            counts[first:last] += np.bincount(at, minlength=last - first)
            sums[first:last] += np.bincount(at, values.ravel(), last - first)
    # Where few were counted, the middle of the quantiser's cell.
    middles = np.concatenate(
        [np.arange(-r, r + 1) * s for s, reach in zip(_STEPS, support) for r in reach]
    )
    return {
        "mean": mean,
        "basis": basis,
        "support": support,
        "counts": counts.astype(np.uint32),
        "centroids": ((sums + 0.5 * middles) / (counts + 0.5)).astype(np.float32),
    }
