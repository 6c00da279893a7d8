"""A figure of one item of a file: the signal, its error, and where its code is not zero."""

from __future__ import annotations

from typing import Optional, Union

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mscn_tf.evaluation.drawing import drawing_of
from mscn_tf.runtime.container import Container, size_text
from mscn_tf.runtime.file_decoder import FileDecoder
from mscn_tf.runtime.modality import Modality
from mscn_tf.runtime.scheme import Survivors
from mscn_tf.signals.views import Views


def item_figure(
    codec: FileDecoder,
    container: Container,
    item: int = 0,
    original: Optional[Union[np.ndarray, Views]] = None,
) -> Figure:
    """Panels side by side: the decoded signal, its error, and the survivors of its code.

    A signal that is stored without loss has no code, and no panel of it.

    Args:
      codec: that of the file.
      container: the file.
      item: which of its signals.
      original: the same signal before coding, of a scene views of it, the first of which is drawn;
        or None: then there is no panel of errors.

    Raises:
      MscnError: there is no such item, or it can't be decoded.
      ValueError: the original has another shape.
    """
    modality = Modality.numbered(container.modality)
    drawing = drawing_of(modality)
    decoded = codec.decode(container, item)
    size = size_text(decoded.shape[:-1])
    decoded, expected = drawing.seen(decoded, original)
    if expected is not None and expected.shape != decoded.shape:
        raise ValueError(f"the original is {list(expected.shape)}, not {list(decoded.shape)}")
    coded = bool(container.coded(item))
    panels = 1 + (expected is not None) + coded
    figure = Figure(figsize=(4.8 * panels, 4.2), layout="constrained")
    signal, *beside = figure.subplots(1, panels, squeeze=False)[0]
    code = beside.pop() if coded else None
    name = f" {container.names[item]}" if container.names else ""
    exact = "" if coded else ", without loss"
    what = f"\n{drawing.what}" if drawing.what else ""
    signal.set_title(f"{modality.name}{name}, {size}{exact}{what}")
    drawing.draw(signal, decoded, codec.range, container)
    if expected is not None:
        drawing.draw_error(beside[0], decoded, expected, container)
        drawing.draw_contour(signal, expected, "dashed")
    if code is not None:
        _draw_survivors(code, codec.scheme.survivors(container, item))
    return figure


def _draw_survivors(axes: Axes, survivors: Survivors) -> None:
    axes.set_title(f"not zero: {survivors.count:,} of {survivors.total:,}\n{survivors.by}")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    if survivors.places.ndim == 1:
        axes.bar(np.arange(len(survivors.places)), survivors.places, 1.0)
        return
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    drawn = axes.imshow(survivors.places, "viridis", vmin=0, interpolation="nearest")
    if survivors.places.max() > 1:
        axes.figure.colorbar(drawn, ax=axes, shrink=0.7)
