"""A figure of one item of a file: the signal, its error, and where its code is not zero."""

from __future__ import annotations

from typing import Optional

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mscn_tf.runtime.codec import Codec
from mscn_tf.runtime.container import MODALITIES, Container, grid
from mscn_tf.runtime.rendering import orbit, render
from mscn_tf.runtime.wavelet import Pyramid

_VIEW = 160  # pixels of a scene's rendering


def anatomy(
    codec: Codec, container: Container, item: int = 0, original: Optional[np.ndarray] = None
) -> Figure:
    """Panels side by side: the decoded signal, what it lacks, and the survivors of its code.

    Args:
      codec: that of the file.
      container: the file.
      item: which of its signals.
      original: the same signal before coding, or None; then there is no panel of errors.

    Raises:
      MscnError: there is no such item, or it can't be decoded.
      ValueError: the original has another shape.
    """
    modality = MODALITIES[container.modality]
    decoded = codec.decode(container, item)
    if original is not None and original.shape != decoded.shape:
        raise ValueError(f"the original is {list(original.shape)}, not {list(decoded.shape)}")
    panels = 2 if original is None else 3
    figure = Figure(figsize=(4.2 * panels, 4.0), layout="constrained")
    axes = list(figure.subplots(1, panels))
    _draw(axes[0], decoded, modality, codec.range)
    axes[0].set_title(f"{modality}, {'x'.join(map(str, decoded.shape[-2::-1]))}")
    if original is not None:
        error = decoded.astype(np.float64) - original.astype(np.float64)
        rms = float(np.sqrt(np.mean(np.square(error))))
        limit = 4 * rms or 1.0
        _draw(axes[1], error, modality, (-limit, limit), "RdBu_r")
        axes[1].set_title(f"error, RMS {rms:.3g}")
    kept, symbols = survivors(codec, container, item)
    drawn = axes[-1].imshow(np.atleast_2d(kept), cmap="viridis", vmin=0, interpolation="nearest")
    figure.colorbar(drawn, ax=axes[-1], shrink=0.8)
    axes[-1].set_title(f"open gates: {int(kept.sum()):,} of {symbols:,}")
    return figure


def survivors(codec: Codec, container: Container, item: int) -> tuple[np.ndarray, int]:
    """How many elements of the code aren't zero, by place, and how many elements there are.

    By tile, where there are several (of three axes: summed over the first one); of a single tile by
    element, in rows of 32; of a pyramid by block of 8x8 coefficients of the finest level.
    """
    symbols = codec.decode_symbols(container, item)
    if isinstance(symbols[0], Pyramid):
        return _pyramid_survivors(symbols)
    open_gates = symbols != 0
    counts = grid(container.shapes[item], container.tile_edge, container.tile_overlap)
    if len(symbols) > 1:
        kept = open_gates.sum(1).reshape(counts)
        return (kept.sum(0) if kept.ndim == 3 else kept), symbols.size
    padded = np.pad(open_gates[0], (0, -len(open_gates[0]) % 32))
    return padded.reshape(-1, 32), symbols.size


def _pyramid_survivors(pyramids: list[Pyramid]) -> tuple[np.ndarray, int]:
    shape = np.array(pyramids[0].details[0].shape[2:])
    kept = np.zeros(-(-shape // 8), np.int64)
    total = 0
    for level, detail in enumerate(pyramids[0].details):
        at = np.nonzero(detail)
        total += detail.size
        places = [np.minimum(a * 2**level // 8, n - 1) for a, n in zip(at[2:], kept.shape)]
        np.add.at(kept, tuple(places), 1)
    return kept, total


def _draw(
    axes: Axes,
    values: np.ndarray,
    modality: str,
    limits: tuple[float, float],
    colours: str = "viridis",
) -> None:
    low, high = limits
    if modality == "sound":
        axes.plot(values, linewidth=0.5)
        axes.set_ylim(low, high)
        return
    axes.set_axis_off()
    if modality == "scene" and colours == "viridis":
        seen = render(values, next(orbit(1, 3.0)), 1.2 * _VIEW, _VIEW, _VIEW)
        axes.imshow(np.clip(seen[..., :3] + 1 - seen[..., 3:], 0, 1))
        return
    if values.ndim == 4:
        values = values[len(values) // 2]  # the middle slice
    if modality == "image" and values.shape[-1] >= 3 and colours == "viridis":
        axes.imshow(values)
    else:
        axes.imshow(values.mean(-1), cmap=colours, vmin=low, vmax=high)
