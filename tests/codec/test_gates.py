from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mscn_tf.codec import Codec
from mscn_tf.codec.gates import cheapest, gated
from mscn_tf.runtime.tables import LARGEST_SYMBOL
from mscn_tf.signals import images

PICTURE = Path(__file__).resolve().parents[2] / "demo" / "kodim.png"
Q16 = np.full(4, 80)


@pytest.fixture(scope="module")
def fitted():
    """A prior, the weight of its bits, codes of four tiles, and their symbols."""
    tiles = images.read_picture(PICTURE)[128:160, 64:192].reshape(32, 4, 32, 3).swapaxes(0, 1)
    codec = Codec.load("thumb32")
    codes = codec.encoder.codes(tiles, Q16).astype(np.float64)
    weight = codec.bundle.manifest.rate_weight
    return codec.scheme.prior, weight, codes, codec.encoder.quantise(codes, Q16)


def test_gates_open_for_what_is_worth_its_bits(fitted):
    prior, weight, codes, symbols = fitted
    size = np.abs(codes / prior.steps(Q16))

    def gates(rate_weight, step=0):
        return gated(prior, codes, symbols, Q16, rate_weight, step) / np.where(codes, codes, 1)

    first, last = gates(weight), gates(weight, 5)
    assert first[size > 2].min() > 0.95
    assert first[(size < 0.2) & (size > 0)].mean() < 0.2
    # Cooled, they are nearer to closed or open, on the same side.
    assert np.all(np.abs(last - 0.5)[size > 0] >= np.abs(first - 0.5)[size > 0])
    assert np.all((last - 0.5) * (first - 0.5) >= 0)
    assert gates(0).max() <= 1
    assert gates(0)[size > 0].min() >= 0.5  # bits that cost nothing close none
    assert gates(2 * weight).sum() < 0.95 * first.sum()


def test_the_cheapest_symbols_cost_less_than_those_of_dead_zones(fitted):
    prior, weight, codes, symbols = fitted

    def cost(chosen):
        errors = np.square((codes - prior.dequantise(chosen, Q16)) / prior.steps(Q16))
        return errors.sum() + weight * prior.bits(chosen, Q16).sum()

    chosen = cheapest(prior, codes, symbols, Q16, weight)
    assert chosen.dtype == np.int32
    assert cost(chosen) < 0.999 * cost(symbols)
    # Only the nearest, the one before, and zero are looked at.
    nearest = np.rint(codes / prior.steps(Q16))
    assert np.all((chosen == nearest) | (chosen == nearest - np.sign(nearest)) | (chosen == 0))
    free = cheapest(prior, codes, symbols, Q16, 0.0)
    assert cost(free) > cost(chosen)
    assert np.count_nonzero(free) > np.count_nonzero(chosen)


def test_bits_over_zero_foretell_later_symbols(fitted):
    """Nearer to what a changed symbol does to all bits of its tile than its own bits are."""
    prior, _, _, symbols = fitted
    random = np.random.default_rng(0)
    index = prior.indices(symbols, Q16)
    whole = prior.bits(symbols, Q16).sum(1)
    sizes = np.full_like(symbols, 1)
    foretold = prior.bits_over_zero(sizes[None], symbols, index)[0]
    own = prior.tables.bits(sizes, index) - prior.tables.bits(np.zeros_like(symbols), index)
    found = []
    for place in random.choice(np.flatnonzero(symbols[0] == 0)[:200], 60, replace=False):
        changed = symbols.copy()
        changed[0, place] = 1
        exact = (prior.bits(changed, Q16).sum(1) - whole)[0]
        found.append((exact, foretold[0, place], own[0, place]))
    exact, predicted, alone = np.array(found).T
    assert np.abs(predicted - exact).mean() < 0.5 * np.abs(alone - exact).mean()


def test_codes_beyond_all_symbols(fitted):
    prior, weight, codes, symbols = fitted
    huge = np.where(codes < 0, -1.0, 1.0) * 1e12
    chosen = cheapest(prior, huge, symbols, Q16, weight)
    assert np.all(np.abs(chosen.astype(np.int64)) >= LARGEST_SYMBOL - 1)
    assert np.all(np.sign(chosen) == np.sign(huge))
    np.testing.assert_array_equal(gated(prior, huge, symbols, Q16, weight, 0), huge)
