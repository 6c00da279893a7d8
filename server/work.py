"""What worker processes do: requests to answers.

Each function gets the settings first and returns an `Answer`, whose status says if it is an error,
or several of them. A worker that takes too long is killed from outside; how much memory it may
take, it is told here.
"""

from __future__ import annotations

import functools
import io
import json
import os
import signal
import sys
from dataclasses import replace
from typing import Any, Callable, Optional, TypeVar, Union

import numpy as np
from cachetools import LRUCache, cached
from cachetools.keys import hashkey

from mscn_tf.codec import Codec, checked
from mscn_tf.codec.checked import Wanted as WantedFile
from mscn_tf.runtime.bundle import Bundle
from mscn_tf.runtime.container import Container
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.files import read_bytes
from mscn_tf.runtime.modality import Modality
from mscn_tf.server import formats, rendering, zoom
from mscn_tf.server.answers import JSON, MSCN, Answer, RefusedError, failure
from mscn_tf.server.files import Place
from mscn_tf.server.forms import Body
from mscn_tf.server.rendering import Wanted
from mscn_tf.server.settings import Settings
from mscn_tf.signals import picture_files
from mscn_tf.signals.modalities import LibraryMissingError
from mscn_tf.signals.signal import Signals

_BYTES_A_PIXEL = 256  # decoding and encoding of pyramids take up to 170
_MAX_ITEMS = 2**16  # of a file in a request's body
_OPEN_FILES = 4  # stored files that a worker keeps in memory


Made = TypeVar("Made")


def _answered(work: Callable[..., Made]) -> Callable[..., Union[Made, Answer]]:
    """Turns errors that the client can mend into answers."""

    @functools.wraps(work)
    def answer(settings: Settings, *arguments: Any) -> Union[Made, Answer]:
        _prepare(settings)
        try:
            return work(settings, *arguments)
        except RefusedError as error:
            return failure(error.status, _without_folders(settings, error))
        except LibraryMissingError as error:
            return failure(501, _without_folders(settings, error))
        except MscnError as error:
            return failure(422, _without_folders(settings, error))
        except MemoryError:
            _open.cache_clear()
            _blocks(settings).clear()
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
        # Two codecs make different things of the same bytes.
        key = functools.partial(hashkey, codec.bundle.id)
        codec.scheme.keep_blocks(cached(_blocks(settings), key))
    if sys.platform == "linux":
        import resource

        with open("/proc/self/statm") as file:
            now = int(file.read().split()[0]) * resource.getpagesize()
        room = _BYTES_A_PIXEL * settings.max_pixels + 8 * settings.max_body + 2**28
        room += settings.cache
        resource.setrlimit(resource.RLIMIT_AS, (now + room, now + room))


@functools.lru_cache(maxsize=1)
def _blocks(settings: Settings) -> LRUCache[Any, Any]:
    """What blocks were decoded to."""
    return LRUCache(settings.cache, getsizeof=memory_of)


def memory_of(result: Any) -> int:
    """Bytes that the arrays in tuples and lists take; those of one value and None take none."""
    if result is None:
        return 0
    if isinstance(result, np.ndarray):
        return result.nbytes if any(result.strides) else result.itemsize
    return sum(map(memory_of, result))


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
    settings: Settings, body: Body, wanted: Wanted, format: Optional[str], accept: str
) -> Answer:
    """A signal, or a part of it, of a file in the request's body.

    Args:
      settings: of the server.
      body: the file.
      wanted: of it, in any kind.
      format: the kind that was asked for, or None.
      accept: the header; counts where none was.
    """
    container = Container.from_bytes(body.file(), "body", lazy=True, max_items=_MAX_ITEMS)
    offered = formats.kinds(Modality.numbered(container.modality))
    kind = format or formats.accepted(accept, offered)
    codec = _codec_of(settings, container)
    return rendering.rendered(codec, container, replace(wanted, kind=kind), settings.max_pixels)


@_answered
def render(settings: Settings, file: Place, wanted: Wanted) -> Answer:
    """A signal, or a part of it, of a stored file."""
    container = _open(file)
    _item(container, wanted.item)
    codec = _codec_of(settings, container)
    return rendering.rendered(codec, container, wanted, settings.max_pixels)


@_answered
def tiles(
    settings: Settings,
    file: Place,
    item: int,
    kind: str,
    square: rendering.Square,
    filled: bool,
) -> dict[tuple[int, int], Answer]:
    """Tiles of a picture of a stored file, by column and row."""
    container = _open(file)
    codec = _codec_of(settings, container)
    return rendering.tiles(codec, container, item, kind, square, filled, settings.max_pixels)


@_answered
def describe(settings: Settings, file: Place, item: int) -> Answer:
    """What a stored file says about itself and one of its items, as JSON."""
    container = _open(file)
    shape = container.shapes[_item(container, item)]
    modality = Modality.numbered(container.modality)
    codec = _codec_of(settings, container)
    last = zoom.original(shape) if modality.pixels else None
    description = {
        "id": file.name,
        "codec": codec.bundle.name,
        "modality": modality.name,
        "items": container.items,
        "name": container.names[item] if container.names else None,
        "size": list(shape[::-1]),
        "channels": container.channels[item],
        "quality": container.q16[item] / 16,
        "block": container.tile_edge,
        "largest": rendering.largest(codec, container, item, settings.max_pixels),
        "original_zoom": last,
        "last_zoom": None if last is None else last + zoom.BEYOND,
    }
    return Answer(200, JSON, json.dumps(description).encode())


@_answered
def encode(
    settings: Settings,
    body: Body,
    name: Optional[str],
    goal: dict[str, float],
    effort: Optional[int],
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
    picture = picture_files.load_picture(io.BytesIO(body.file()), "body", settings.max_pixels)
    signals = Signals([picture.pixels])
    made = checked.encode(codec, signals, WantedFile(goal, effort=effort))
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


@functools.lru_cache(maxsize=_OPEN_FILES)
def _open(file: Place) -> Container:
    """A stored file, which is read anew when it has changed.

    Raises:
      MscnError: it is damaged, or gone.
    """
    return Container.from_bytes(read_bytes(file.path), file.name, lazy=True)


def _item(container: Container, item: int) -> int:
    try:
        return container.check_item(item)
    except MscnError as error:
        raise RefusedError(404, str(error)) from error
