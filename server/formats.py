"""What decoded signals are sent as, and which of that a client accepts."""

from __future__ import annotations

from collections.abc import Sequence
from email.message import Message

from mscn_tf.runtime.modality import Modality
from mscn_tf.server.answers import RefusedError

MEDIA_TYPES = {
    "png": "image/png",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "npy": "application/octet-stream",
    "nc": "application/x-netcdf",
    "wav": "audio/wav",
    "nii": "application/x-nifti",
}
PICTURES = ("png", "jpeg", "webp")  # the others need no pixels


def kinds(modality: Modality) -> tuple[str, ...]:
    """What signals of a modality can be sent as; the first is the default."""
    if modality.pixels:
        return (*PICTURES, "npy")
    own = modality.ending[1:]
    return ("npy", own) if own in MEDIA_TYPES and own not in PICTURES else ("npy",)


def accepted(accept: str, offered: Sequence[str]) -> str:
    """That of the kinds which an ``Accept`` header likes best; the earlier of two that it likes.

    Args:
      accept: the header; empty takes anything.
      offered: kinds, the default first.

    Raises:
      RefusedError: 406, it takes none of them.
    """
    if not accept.strip():
        return offered[0]
    ranges = [_range(part) for part in accept.split(",")]
    liked = {kind: _liking(MEDIA_TYPES[kind], ranges) for kind in offered}
    best = max(offered, key=lambda kind: liked[kind])
    if not liked[best]:
        types = ", ".join(MEDIA_TYPES[kind] for kind in offered)
        raise RefusedError(406, f"there is {types}; accept one of them")
    return best


def _range(text: str) -> tuple[str, float]:
    """Media type, which may end in ``*``, and how much it is liked, 0 to 1."""
    header = Message()
    header["content-type"] = text.strip()
    name = text.split(";")[0].strip().lower()
    try:
        return name, min(max(float(str(header.get_param("q", "1"))), 0.0), 1.0)
    except ValueError:
        return name, 0.0


def _liking(media_type: str, ranges: Sequence[tuple[str, float]]) -> float:
    """Of the range that names a type most closely."""
    found = dict(ranges)
    group = media_type.partition("/")[0]
    return next((found[name] for name in (media_type, f"{group}/*", "*/*") if name in found), 0.0)
