"""Exact planes of a file, some of which are decoded from those of the item before."""

from __future__ import annotations

import numpy as np

from mscn_tf.runtime import exact
from mscn_tf.runtime.container import Container
from mscn_tf.runtime.errors import MscnError


def decoded(
    container: Container,
    item: int,
    plane: int,
    shape: tuple[int, ...],
    dtype: str,
    threads: int = 1,
) -> np.ndarray:
    """An exact plane, whole: ``[.., C]``.

    Args:
      container: of the file.
      item: the plane's.
      plane: its number.
      shape: of it, with channels.
      dtype: of its samples.
      threads: that may share the work.

    Raises:
      MscnError: the payload is damaged, or what it needs is not there.
    """
    payload, before = container.exact_block(item, plane), None
    if exact.needs_before(payload):
        # One step back and no further: damaged files can't ask for a long way.
        alike = item and container.shapes[item - 1] == container.shapes[item]
        if not alike or not container.is_exact(item - 1, plane):
            raise MscnError(f"{container.source}: damaged (channels); get a fresh copy")
        earlier = container.exact_block(item - 1, plane)
        before = _decoded(container, earlier, shape, dtype, threads)
    return _decoded(container, payload, shape, dtype, threads, before)


def wide_type(container: Container) -> str | None:
    """The type of a file's wide numbers; None where it has none."""
    for item in range(container.items):
        if container.is_exact(item, 0):
            found = exact.wide_type(container.exact_block(item, 0))
            if found is not None:
                return found
    return None


def _decoded(
    container: Container,
    payload: bytes,
    shape: tuple[int, ...],
    dtype: str,
    threads: int,
    before: np.ndarray | None = None,
) -> np.ndarray:
    try:
        return exact.decode(payload, shape, dtype, threads, before)
    except MscnError as error:
        raise MscnError(f"{container.source}: {error}") from error
