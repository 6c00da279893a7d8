"""A second decoder, written from docs/format.md in plain Python, agrees with the first."""

import math
import zlib

import numpy as np
import pytest

from mscn_tf.runtime.errors import MscnError

WRAP = 2**64


class Input:
    def __init__(self, data):
        self.data, self.at = data, 0

    def bytes(self, count):
        self.at += count
        return self.data[self.at - count : self.at]

    def u8(self):
        return self.bytes(1)[0]

    def u32(self):
        return int.from_bytes(self.bytes(4), "little")

    def varint(self):
        value = shift = 0
        while True:
            byte = self.u8()
            value += (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value


def read_file(data):
    """(tile_edge, shapes, q16, channels, names, tiles_per_block, payloads)."""
    file = Input(data)
    assert file.bytes(4) == b"MSCN"
    assert file.u8() == 1
    flags = file.u8()
    file.bytes(8)
    assert file.u8() == 0
    edge, _, items, per_block = file.u8(), file.u8(), file.varint(), file.varint()

    def column(flag, read):
        return [read()] * items if flags & flag else [read() for _ in range(items)]

    shapes = column(1, lambda: (file.varint(), file.varint()))
    q16, channels = column(2, file.u8), column(4, file.u8)
    names = None
    if flags & 8:
        names = zlib.decompress(file.bytes(file.varint())).decode().split("\n")
    tiles = sum(math.ceil(h / edge) * math.ceil(w / edge) for h, w in shapes)
    lengths = [file.varint() for _ in range(math.ceil(tiles / per_block))]
    assert zlib.crc32(data[: file.at]) == file.u32()
    payloads = []
    for length in lengths:
        payloads.append(file.bytes(length))
        assert zlib.crc32(payloads[-1]) == file.u32()
    assert file.at == len(data)
    return edge, shapes, q16, channels, names, per_block, payloads


class RangeDecoder:
    def __init__(self, payload):
        self.words = Input(payload + bytes(2**12))
        self.low, self.range = 0, WRAP - 1
        self.point = (self.word() << 32) + self.word()

    def word(self):
        return int.from_bytes(self.words.bytes(4), "big")

    def letter(self, frequencies):
        scale = self.range >> 24
        x = (self.point - self.low) % WRAP // scale
        assert x < 2**24
        start = 0
        letter = 0
        while x >= (start + frequencies[letter]) * 256:
            start += frequencies[letter]
            letter += 1
        c, p = start * 256, frequencies[letter] * 256
        self.low = (self.low + scale * c) % WRAP
        self.range = scale * p
        if self.range < 2**32:
            self.low = (self.low << 32) % WRAP
            self.range <<= 32
            self.point = (self.point << 32) % WRAP + self.word()
        return letter


def decode_block(payload, q16, arrays):
    band, base = arrays["band"].tolist(), arrays["base"].tolist()
    context, magnitude = arrays["context"].tolist(), arrays["magnitude"].tolist()
    support = arrays["support"].tolist()
    ends = np.cumsum([2 * s + 2 for s in support]).tolist()
    tables = [arrays["frequencies"].tolist()[e - 2 * s - 2 : e] for s, e in zip(support, ends)]
    symbols = [[0] * len(band) for _ in q16]
    decoder = RangeDecoder(payload)
    for now in range(max(band) + 1):
        members = [i for i, b in enumerate(band) if b == now]
        groups = {}
        for n, q in enumerate(q16):
            v, f = q // 16 - 1, q % 16
            w = min(v + 1, 9)
            for i in members:
                t = (base[v][i] * (16 - f) + base[w][i] * f) // 16
                for j, s in enumerate(symbols[n]):
                    if band[j] < now:
                        t += context[i][j] * magnitude[min(abs(s), len(magnitude) - 1)]
                t = min(max((t + 2**13) // 2**14, 0), len(support) - 1)
                groups.setdefault(t, []).append((n, i))
        for t in sorted(groups):
            escaped = []
            for n, i in groups[t]:
                letter = decoder.letter(tables[t])
                symbols[n][i] = letter - support[t]
                if letter == 2 * support[t] + 1:
                    escaped.append((n, i))
            for n, i in escaped:
                number = shift = 0
                while True:
                    byte = decoder.letter([256] * 256)
                    number += (byte & 127) << shift
                    shift += 7
                    if byte < 128:
                        break
                size = number // 2 + support[t] + 1
                symbols[n][i] = -size if number % 2 else size
    return symbols


@pytest.mark.parametrize("seed", range(4))
def test_a_decoder_written_from_the_documentation_agrees(synthetic, prior_arrays, seed):
    shapes = [(20, 13), (8, 8), (9, 30), (1, 1)]
    q16 = None if seed else [80] * 4
    names = ["a", "b", "ü", ""] if seed % 2 else None
    size = [4, 1, 6, 64][seed]
    data = synthetic.pack(shapes, seed, tiles_per_block=size, q16=q16, names=names)
    edge, read_shapes, q16, _, read_names, per_block, payloads = read_file(data)
    assert (edge, read_shapes, read_names) == (8, shapes, names)
    tiles = [math.ceil(h / edge) * math.ceil(w / edge) for h, w in shapes]
    per_tile = [q for q, count in zip(q16, tiles) for _ in range(count)]
    symbols = []
    for block, payload in enumerate(payloads):
        part = per_tile[block * per_block : (block + 1) * per_block]
        symbols += decode_block(payload, part, prior_arrays)
    ours = [synthetic.codec.decode_symbols(data, item) for item in range(len(shapes))]
    np.testing.assert_array_equal(np.concatenate(ours), symbols)


def test_carries_and_endings(prior_arrays, synthetic):
    """Many short payloads: every way in which the last words can end and carry."""
    prior, rng = synthetic.codec.scheme.prior, np.random.default_rng(5)
    saved = 0
    for _ in range(40):
        symbols = np.rint(rng.laplace(0, rng.uniform(0.1, 9), (1, 48))).astype(np.int32)
        q16 = rng.integers(16, 161, 1)
        payload = prior.encode(symbols, q16)
        assert not payload.endswith(b"\0")
        assert decode_block(payload, q16.tolist(), prior_arrays) == symbols.tolist()
        saved += -len(payload) % 4
    assert saved > 20
    for _ in range(2000):
        symbols = rng.integers(-3, 4, (1, 48)).astype(np.int32)
        np.testing.assert_array_equal(prior.decode(prior.encode(symbols, [16]), [16]), symbols)


def test_a_wrong_item_is_an_error(synthetic):
    with pytest.raises(MscnError, match="no item 9"):
        synthetic.codec.decode_symbols(synthetic.pack([(8, 8)]), 9)
