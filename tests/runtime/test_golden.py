"""Bytes frozen when the format was fixed: every later version and library must read them."""

import dataclasses
import zlib

import numpy as np

from mscn_tf.runtime.container import Container
from mscn_tf.runtime.prior import Prior

FILE = bytes.fromhex(
    "4d53434e0108c0e9bcea3d28906c0008030204140d0808286303011078da4b4e2ce14a39bc2d1d000e5d0387"
    "6949886a2a8be94dfffdb8f352e595e6742c227f9bf124fc698bc6dac2904485dbe33c19e01ba2b739a27f06"
    "b8fbc7815db11b71eefd666d560352ede60d204a3bd95fd1e0ea5bdf8b5351a1d7ea0282bef33ea8123e0dfb"
    "44abce47e7fbcbdf6ce2ab8e5012d7ec9f0917b81e9ba343c08b0c899f779aca337dd6479d34c7dda5cf7fe3"
    "dfc1e84a0f150316d068ea0e457d0ec51a47e1f6155fec9421a3059060353704a0c9648b2857547ae39bf957"
    "eb1c278420863609ae255359861aeaf5"
)
PICTURE = 0x837561D3  # CRC-32 of the first item's pixels


def symbols():
    n, i = np.arange(7)[:, None], np.arange(48)
    values = ((n * 131 + i * i * 17) % 41 - 20) // (1 + i // 3)
    values = np.where(values == -1, 0, values)
    values[2, 5], values[6, 47] = 2**31 - 1, -70_000
    return values.astype(np.int32)


def test_frozen_file(synthetic, prior_arrays):
    container = Container.from_bytes(FILE)
    assert (container.shapes, container.q16) == ([(20, 13), (8, 8)], [40, 99])
    assert (container.channels, container.names) == ([3, 1], ["cat", "dög"])
    prior = Prior(prior_arrays)
    tiles = [container.tiles_in(block) for block in range(2)]
    decoded = [
        prior.decode(payload, container.q16_of(part))
        for payload, part in zip(container.blocks, tiles)
    ]
    np.testing.assert_array_equal(np.concatenate(decoded), symbols())
    for payload, part in zip(container.blocks, tiles):
        again = prior.encode(symbols()[part.start : part.stop], container.q16_of(part))
        assert again == payload

    container = dataclasses.replace(container, bundle_id=synthetic.codec.bundle.id[:8])
    assert zlib.crc32(synthetic.codec.decode(container).tobytes()) == PICTURE
