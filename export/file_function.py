"""From a file's bytes to pixels in TensorFlow's own operations: `decode_file` of SavedModels.

===========  ===========================================  ========================================
function     inputs                                       output
===========  ===========================================  ========================================
decode_file  ``files`` string [B], of the codec; all      ``picture`` uint8 [N, H, W, C], all items
             items have one size and number of channels,  one after the other, C as the originals
             and no plane stored without loss
===========  ===========================================  ========================================

Range decoding takes a loop's turn for each symbol, and many operations each turn: it is slow.
Blocks and files are decoded at the same time where there are cores for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from mscn_tf.export.checksums import crc32
from mscn_tf.export.float_functions import Function, traced
from mscn_tf.export.quantiser import Quantiser
from mscn_tf.export.range_decoding import Coder, LetterTables, begin, words_of
from mscn_tf.runtime.bundle import Bundle
from mscn_tf.runtime.file_decoder import FileDecoder
from mscn_tf.runtime.header import (
    MAGIC,
    METADATA,
    NAMES,
    SAME_CHANNELS,
    SAME_QUALITY,
    SAME_SHAPE,
)
from mscn_tf.runtime.layout import MAX_PIXELS
from mscn_tf.runtime.manifest import Manifest
from mscn_tf.runtime.modality import Modality
from mscn_tf.runtime.quality import MIDDLE
from mscn_tf.runtime.view import LUMA

# Values [T, .., C] of symbols [T, M] and qualities [T], each a whole tile.
Values = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
# Of red, green, blue, and the luma of the first and of the last plane: those of 1 to 4 channels.
_SHOWN = np.array([[3, 0, 0, 0], [3, 4, 0, 0], [0, 1, 2, 0], [0, 1, 2, 4]])


def _ensured(value: tf.Tensor, condition: tf.Tensor, words: str) -> tf.Tensor:
    """The value; the graph fails with these words where the condition isn't so."""
    with tf.control_dependencies([tf.debugging.Assert(condition, [words])]):
        return tf.identity(value)


class _Header(NamedTuple):
    """What a file says.

    Attributes:
      shape: int64 ``[2]``, height and width of each item.
      grid: int64 ``[2]``, tiles along them.
      planes: int64 ``[]``, of each item.
      q16: int64 ``[items]``.
      channels: int64 ``[]``.
      tiles_per_block: int64 ``[]``.
      block_bytes: int64 ``[blocks]``.
      blocks: int64 ``[n]``, the bytes after the header.
    """

    shape: tf.Tensor
    grid: tf.Tensor
    planes: tf.Tensor
    q16: tf.Tensor
    channels: tf.Tensor
    tiles_per_block: tf.Tensor
    block_bytes: tf.Tensor
    blocks: tf.Tensor


class _Bytes:
    """Reads bytes, int64 ``[n]``, from the first to the last."""

    def __init__(self, data: tf.Tensor):
        self._data, self._at = data, tf.constant(0, tf.int64)

    def take(self, count: tf.Tensor | int) -> tf.Tensor:
        """int64 ``[count]``."""
        first, self._at = self._at, self._at + count
        return self._data[first : self._at]

    def varints(self, count: tf.Tensor | int) -> tf.Tensor:
        """int64 ``[count]``, at least one."""
        rest = self._data[self._at :]
        ends = tf.where(rest < 128)[:count, 0]
        body = self.take(ends[-1] + 1)
        owner = tf.cumsum(tf.cast(body < 128, tf.int64), exclusive=True)
        starts = tf.concat([[0], ends[:-1] + 1], 0)
        place = tf.range(tf.size(body, tf.int64)) - tf.gather(starts, owner)
        return tf.math.segment_sum(tf.bitwise.left_shift(body % 128, 7 * place), owner)

    def skip_text(self, there: tf.Tensor) -> None:
        """Leaves out a varint and so many bytes, if they are there."""
        before = self._at
        count = self.varints(1)[0]
        self._at = tf.where(there, self._at + count, before)

    def before(self) -> tf.Tensor:
        """All that were read."""
        return self._data[: self._at]

    def rest(self) -> tf.Tensor:
        """All that weren't."""
        return self._data[self._at :]


def _number(data: tf.Tensor) -> tf.Tensor:
    """int64 ``[]`` of four bytes, the lowest first."""
    return tf.reduce_sum(tf.bitwise.left_shift(data, tf.constant([0, 8, 16, 24], tf.int64)))


def _header(data: tf.Tensor, manifest: Manifest, identity: bytes) -> _Header:
    """Of a file, int64 ``[n]``, that was made with a codec."""
    known = len(MAGIC) + 2
    codec = [*identity, Modality.named(manifest.modality).number]
    found = tf.concat([data[:4], data[known : known + len(codec)]], 0)
    mine = tf.reduce_all(tf.equal(found, tf.constant([*MAGIC, *codec], tf.int64)))
    data = _ensured(data, mine, f"no .mscn file of codec {identity.hex()}")
    flags = data[known - 1]

    def given(flag: int) -> tf.Tensor:
        return tf.not_equal(tf.bitwise.bitwise_and(flags, flag), 0)

    plain = SAME_SHAPE | SAME_CHANNELS | SAME_QUALITY | NAMES | METADATA
    wanted = SAME_SHAPE | SAME_CHANNELS
    fits = tf.equal(tf.bitwise.bitwise_and(flags, wanted | 0xFF & ~plain), wanted)
    fits &= tf.equal(data[len(MAGIC)], 1)  # later versions have what isn't read here
    data = _ensured(
        data,
        fits,
        "items of several sizes or numbers of channels, planes without loss, an error bound, or a "
        "later version: decode this file with mscn_tf",
    )
    reader = _Bytes(data)
    reader.take(known + len(codec))
    edge = reader.varints(1)[0]
    code_channels = reader.take(1)[0]
    items, tiles_per_block = tf.unstack(reader.varints(2), 2)
    shape = reader.varints(2)
    q16 = reader.take(tf.where(given(SAME_QUALITY), tf.ones_like(items), items))
    channels = reader.take(1)[0]
    reader.skip_text(given(NAMES))
    reader.skip_text(given(METADATA))
    planes = 1 + tf.cast(channels % 2 == 0, tf.int64)
    grid = (shape + edge - 1) // edge
    tiles = items * planes * tf.reduce_prod(grid)
    block_bytes = reader.varints((tiles + tiles_per_block - 1) // tiles_per_block)
    whole = reader.before()
    checked = crc32(whole) == _number(reader.take(4))
    blocks = reader.rest()
    checked &= tf.equal(tf.reduce_sum(block_bytes + 4), tf.size(blocks, tf.int64))
    checked &= (edge == manifest.tile_edge) & (code_channels == manifest.channels)
    checked &= (channels <= 4) & (items * tf.reduce_prod(shape) <= MAX_PIXELS)
    shape = _ensured(shape, checked, "a damaged file, or one of too many pixels")
    q16 = tf.tile(q16, [items // tf.size(q16, tf.int64)])
    return _Header(shape, grid, planes, q16, channels, tiles_per_block, block_bytes, blocks)


class FileFunction:
    """Makes the function of the table above.

    Args:
      bundle: of a tile codec of pictures.
      quantiser: its.
      values: makes whole tiles of symbols.
    """

    def __init__(self, bundle: Bundle, quantiser: Quantiser, values: Values):
        self._manifest, self._id = bundle.manifest, bundle.id[:8]
        arrays = bundle.arrays("prior")
        self._tables, self._size = LetterTables(arrays), len(arrays["band"])
        edges = np.flatnonzero(np.diff(arrays["band"])) + 1
        self._bands = np.array([0, *edges, self._size], np.int32)
        self._quantiser, self._values = quantiser, values

    def function(self) -> Function:
        """As a graph."""

        def decode_file(files: tf.Tensor) -> dict[str, tf.Tensor]:
            spec = tf.TensorSpec([None] * 4, tf.uint8)
            pictures = tf.map_fn(self._pictures, files, fn_output_signature=spec)
            shape = tf.shape(pictures)
            return {"picture": tf.reshape(pictures, tf.concat([[-1], shape[2:]], 0))}

        return traced(decode_file, tf.TensorSpec([None], tf.string, "files"))

    def _pictures(self, file: tf.Tensor) -> tf.Tensor:
        """uint8 ``[N, H, W, C]``, the items of a file."""
        data = tf.cast(tf.io.decode_raw(file, tf.uint8), tf.int64)
        header = _header(data, self._manifest, self._id)
        quality = tf.cast(header.q16, tf.float32) / 16.0
        tiles = header.planes * tf.reduce_prod(header.grid)
        quality = tf.repeat(quality, tiles)
        values = self._values(self._symbols(header, quality), quality)
        edge, channels = self._manifest.tile_edge, self._manifest.channels
        each = [edge, edge, channels]
        values = tf.reshape(values, [-1, header.planes, *tf.unstack(header.grid, 2), *each])
        values = tf.transpose(values, [0, 1, 2, 4, 3, 5, 6])
        sides = tf.unstack(header.grid * edge, 2)
        values = tf.reshape(values, [-1, header.planes, *sides, channels])
        values = values[:, :, : header.shape[0], : header.shape[1]]
        values = tf.clip_by_value(values, 0.0, 1.0)
        luma = tf.tensordot(values, LUMA.astype(np.float32), 1)[..., None]
        every = tf.concat([values[:, 0], luma[:, 0], luma[:, -1]], -1)
        shown = tf.gather(_SHOWN, header.channels - 1)[: header.channels]
        return tf.cast(tf.round(255.0 * tf.gather(every, shown, axis=-1)), tf.uint8)

    def _symbols(self, header: _Header, quality: tf.Tensor) -> tf.Tensor:
        """int32 ``[tiles, M]`` at qualities ``[tiles]``."""
        ends, most = tf.cumsum(header.block_bytes + 4), header.tiles_per_block

        def block(number: tf.Tensor) -> tf.Tensor:
            end, size = ends[number], header.block_bytes[number]
            payload = header.blocks[end - 4 - size : end - 4]
            checked = crc32(payload) == _number(header.blocks[end - 4 : end])
            payload = _ensured(payload, checked, "a damaged file: a block's checksum")
            symbols = self._of_block(payload, quality[number * most : (number + 1) * most])
            return tf.pad(symbols, [[0, most - tf.shape(symbols, tf.int64)[0]], [0, 0]])

        numbers = tf.range(tf.size(ends, tf.int64))
        spec = tf.TensorSpec([None, self._size], tf.int32)
        blocks = tf.map_fn(block, numbers, fn_output_signature=spec)
        return tf.reshape(blocks, [-1, self._size])[: tf.size(quality)]

    def _of_block(self, payload: tf.Tensor, quality: tf.Tensor) -> tf.Tensor:
        """int32 ``[N, M]``, as `runtime.prior.Prior.decode`."""
        words, rows = words_of(payload), tf.size(quality)

        def band(i: tf.Tensor, coder: Coder, symbols: tf.Tensor) -> tuple[Any, ...]:
            first, last = tf.gather(self._bands, i), tf.gather(self._bands, i + 1)
            sizes = tf.cast(tf.abs(symbols), tf.float32)
            index = self._quantiser.scale_index(sizes, quality, slice(first, last))
            coder, found = self._tables.decode(words, coder, tf.reshape(index, [-1]))
            found = tf.reshape(found, tf.shape(index))
            return i + 1, coder, symbols + tf.pad(found, [[0, 0], [first, self._size - last]])

        nothing = tf.zeros([rows, self._size], tf.int32)
        loop = (tf.constant(0), begin(words), nothing)
        return tf.while_loop(lambda i, *_: i < len(self._bands) - 1, band, loop)[-1]


def smallest_file(bundle: Bundle) -> bytes:
    """A file of one pixel."""
    symbols = np.zeros((1, len(bundle.arrays("prior")["band"])), np.int32)
    return FileDecoder(bundle).pack(symbols, [(1, 1)], [MIDDLE], [3])
