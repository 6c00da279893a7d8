"""What worker processes do: requests to answers.

Each function gets the settings first and returns an `Answer`, whose status says if it is an error.
A worker that takes too long is killed from outside; how much memory it may take, it is told here.
"""

from __future__ import annotations

import functools
import io
import json
import math
import os
import signal
import sys
from dataclasses import dataclass
from typing import Any, Callable, Optional

import numpy as np

from mscn_tf.codec import Codec, checked
from mscn_tf.codec.checked import Wanted
from mscn_tf.runtime.bundle import Bundle
from mscn_tf.runtime.container import Container, size_text
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.files import read_bytes
from mscn_tf.runtime.modality import Modality
from mscn_tf.runtime.view import View, view
from mscn_tf.server import zoom
from mscn_tf.server.files import path_of
from mscn_tf.server.settings import Settings
from mscn_tf.signals import picture_files
from mscn_tf.signals.signal import Signals

MEDIA_TYPES = {
    "png": "image/png",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "npy": "application/octet-stream",
}
JSON, MSCN = "application/json", "application/octet-stream"
_BYTES_A_PIXEL = 256  # decoding and encoding of pyramids take up to 170
_CHEAPER = 4  # times less memory a sample of exact planes takes
_MAX_ITEMS = 2**16  # of a file in a request's body
_OPEN_FILES = 4  # stored files that a worker keeps in memory


@dataclass(frozen=True)
class Answer:
    """Status, media type and body of an HTTP response, and notes on it, a line each."""

    status: int
    media_type: str
    content: bytes
    notes: tuple[str, ...] = ()


class RefusedError(MscnError):
    """A `MscnError` with the HTTP status that says it best."""

    def __init__(self, status: int, detail: str):
        super().__init__(detail)
        self.status = status


def failure(status: int, detail: str) -> Answer:
    """The answer to a request that can't be met: JSON with one line, `detail`."""
    return Answer(status, JSON, json.dumps({"detail": " ".join(detail.split())}).encode())


def _answered(work: Callable[..., Answer]) -> Callable[..., Answer]:
    """Turns errors that the client can mend into answers."""

    @functools.wraps(work)
    def answer(settings: Settings, *arguments: Any) -> Answer:
        _prepare(settings)
        try:
            return work(settings, *arguments)
        except RefusedError as error:
            return failure(error.status, _without_folders(settings, error))
        except MscnError as error:
            return failure(422, _without_folders(settings, error))
        except MemoryError:
            _stored.cache_clear()
            return failure(413, "takes too much memory; take a region, or a smaller size")

    return answer


def _without_folders(settings: Settings, error: MscnError) -> str:
    """What an error says, of paths the last part alone: where files lie is nobody's business."""
    text = str(error)
    for folder in {settings.files or "", *map(os.path.dirname, settings.codecs)} - {""}:
        text = text.replace(os.path.join(folder, ""), "")
    return text


@functools.lru_cache(maxsize=1)
def _prepare(settings: Settings) -> None:
    """Makes the process a worker: loads the codecs, then limits the memory."""
    # Whoever stops the server stops it alone: it lets its workers finish.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    with open(os.devnull, "w") as nowhere:  # standard error is a pipe that nobody reads
        os.dup2(nowhere.fileno(), 2)
    for codec in _codecs(settings).values():
        codec.scheme.warm_up()
    if sys.platform == "linux":
        import resource

        with open("/proc/self/statm") as file:
            now = int(file.read().split()[0]) * resource.getpagesize()
        room = _BYTES_A_PIXEL * settings.max_pixels + 8 * settings.max_body + 2**28
        resource.setrlimit(resource.RLIMIT_AS, (now + room, now + room))


@functools.lru_cache(maxsize=1)
def _codecs(settings: Settings) -> dict[bytes, Codec]:
    """By the ids that files name."""
    codecs = [Codec.load(name, threads=1) for name in settings.codecs]  # one worker a core
    return {codec.bundle.id[:8]: codec for codec in codecs}


def warm(settings: Settings) -> None:
    """Does what the first request would have to wait for."""
    _prepare(settings)


@_answered
def decode(
    settings: Settings,
    data: bytes,
    item: int,
    scale: Optional[float],
    size: Optional[tuple[int, ...]],
    region: Optional[tuple[int, ...]],
    kind: Optional[str],
) -> Answer:
    """A signal, or a part of it, of a file in the request's body."""
    container = Container.from_bytes(data, "body", lazy=True, max_items=_MAX_ITEMS)
    return _rendered(settings, container, item, scale, size, region, kind)


@_answered
def tile(settings: Settings, name: str, item: int, z: int, x: int, y: int, kind: str) -> Answer:
    """A tile of a picture of a stored file."""
    container = _open(settings, name)
    shape = container.shapes[_item(container, item)]
    modality = Modality.numbered(container.modality)
    if not modality.pixels:
        raise MscnError(f"{name}: tiles are of pictures, not of {modality.nouns}")
    part = zoom.part(shape, z, x, y)
    if part is None:
        raise RefusedError(
            404, f"{name}: a picture of {size_text(shape)} pixels has no tile {z}/{x}/{y}"
        )
    region, size = part
    return _rendered(settings, container, item, None, size, region, kind)


@_answered
def describe(settings: Settings, name: str, item: int) -> Answer:
    """What a stored file says about itself and one of its items, as JSON."""
    container = _open(settings, name)
    shape = container.shapes[_item(container, item)]
    modality = Modality.numbered(container.modality)
    last = zoom.original(shape) if modality.pixels else None
    description = {
        "id": name,
        "codec": _codec_of(settings, container).bundle.name,
        "modality": modality.name,
        "items": container.items,
        "name": container.names[item] if container.names else None,
        "size": list(shape[::-1]),
        "channels": container.channels[item],
        "quality": container.q16[item] / 16,
        "original_zoom": last,
        "last_zoom": None if last is None else last + zoom.BEYOND,
    }
    return Answer(200, JSON, json.dumps(description).encode())


@_answered
def encode(
    settings: Settings, data: bytes, name: Optional[str], goal: dict[str, float], effort: int
) -> Answer:
    """A `.mscn` file of a picture in the request's body, read back as `mscn encode` does it."""
    if len(goal) > 1:
        raise MscnError("give one of quality, bpp, bytes and psnr")
    goal = {"size" if key == "bytes" else key: value for key, value in goal.items()}
    codec = _coder(settings, name)
    try:
        codec.encoder  # noqa: B018
    except MscnError as error:
        raise RefusedError(501, str(error)) from error
    picture = picture_files.load_picture(io.BytesIO(data), "body", settings.max_pixels)
    signals = Signals([picture.pixels])
    made = checked.encode(codec, signals, Wanted(goal, effort=effort))
    problem = checked.loss(made.comparison, signals)
    if problem is not None:
        raise MscnError(f"body: {problem}; ask for more")
    return Answer(200, MSCN, made.data, (*picture.notes, *made.notes))


def _coder(settings: Settings, name: Optional[str]) -> Codec:
    codecs = [
        codec
        for codec in _codecs(settings).values()
        if Modality.named(codec.bundle.manifest.modality).pixels
    ]
    if not codecs:
        raise RefusedError(501, "this server has no codec of pictures")
    for codec in codecs:
        if name in (None, codec.bundle.name):
            return codec
    known = ", ".join(codec.bundle.name for codec in codecs)
    raise MscnError(f"no codec of pictures named {name} here; there is {known}")


def _codec_of(settings: Settings, container: Container) -> Codec:
    """The served codec that a file was made with.

    Raises:
      MscnError: it is another one.
    """
    codecs = _codecs(settings)
    codec = codecs.get(container.bundle_id)
    if codec is None:
        known = ", ".join(codec.bundle.name for codec in codecs.values())
        shipped = Bundle.find(container.bundle_id)
        made = container.bundle_id.hex() if shipped is None else shipped.name
        raise MscnError(f"{container.source}: made with codec {made}; this server has {known}")
    return codec


def _open(settings: Settings, name: str) -> Container:
    """A stored file.

    Raises:
      RefusedError: there is no such file.
      MscnError: it is damaged.
    """
    place = None
    if settings.files is not None:
        place = path_of(settings.files, name, settings.follow_links)
    if place is None:
        raise RefusedError(404, f"no stored file {name}; /files lists them")
    return _stored(name, *place)


@functools.lru_cache(maxsize=_OPEN_FILES)
def _stored(name: str, path: str, changed: int, size: int) -> Container:
    """A file that is read anew when it has changed."""
    return Container.from_bytes(read_bytes(path), name, lazy=True)


def _item(container: Container, item: int) -> int:
    try:
        return container.check_item(item)
    except MscnError as error:
        raise RefusedError(404, str(error)) from error


def _rendered(
    settings: Settings,
    container: Container,
    item: int,
    scale: Optional[float],
    size: Optional[tuple[int, ...]],
    region: Optional[tuple[int, ...]],
    kind: Optional[str],
) -> Answer:
    codec = _codec_of(settings, container)
    wanted = view(container, item, scale, size, region)
    picture = Modality.numbered(container.modality).pixels
    kind = kind or ("png" if picture else "npy")
    if kind != "npy":
        if not picture:
            raise MscnError(f"{container.source}: of {codec.bundle.name}, no picture; ask for npy")
        if container.channels[item] in (2, 4) and kind.upper() not in picture_files.WITH_ALPHA:
            raise MscnError(f"{container.source}: {kind} has no transparency; ask for png")
    samples = _samples(codec, container, wanted)
    if samples > settings.max_pixels:
        raise RefusedError(
            413,
            f"{container.source}: {samples} pixels to decode are over the limit of "
            f"{settings.max_pixels}; take a region, or a smaller size",
        )
    values = codec.decode(container, item, scale, size, region)
    return Answer(200, MEDIA_TYPES[kind], _encoded(values, kind, container.source))


def _samples(codec: Codec, container: Container, wanted: View) -> int:
    """Samples that are made on the way to a view: of the output, and of the source's tiles."""
    shape = container.shapes[wanted.item]
    if container.error_bound is not None and wanted.shape == wanted.extent:
        return math.prod(shape)  # residuals are of all of it
    stored = len(container.coded(wanted.item)) < len(container.planes(wanted.item))
    least = math.prod(shape) // _CHEAPER if stored else 0  # exact planes, too
    return max(codec.scheme.samples(container, wanted), least, math.prod(wanted.shape))


def _encoded(values: np.ndarray, kind: str, name: str) -> bytes:
    file = io.BytesIO()
    if kind == "npy":
        np.save(file, values)
    else:
        try:
            picture_files.save_picture(file, values, kind.upper(), name)
        except OSError as error:  # sides beyond what the format allows
            raise MscnError(f"{name}: {kind} can't hold this picture ({error})") from error
    return file.getvalue()
