"""The model of signs: a formula of its own, what it saves, arrays that do not fit."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest

from mscn_tf.runtime import wavelet
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.pyramid_prior import Fitted, PyramidPrior
from mscn_tf.runtime.pyramid_scales import PASSES
from mscn_tf.runtime.pyramid_signs import Signs
from tests.pyramids import BANDS, CHANNELS, LEVELS, arrays, sign_arrays
from tests.runtime.test_pyramid_prior import random_symbols

HEIGHT, WIDTH, Q16 = 21, 30, 100


@pytest.fixture(scope="module")
def prior() -> PyramidPrior:
    return PyramidPrior({**arrays(), **sign_arrays()})


def test_costs_agree_with_a_formula_of_their_own():
    """One coefficient after the other, in Python's whole numbers, as docs/format.md has it."""
    fine = sign_arrays()  # small differences of the evidence are told apart
    fine["sign_shift"] = np.array([3, 9])
    fine["sign_frequencies"] = np.linspace(32768, 65500, 3000).astype(np.int64)
    prior = PyramidPrior({**arrays(), **fine})
    given = {name: array.astype(object) for name, array in fine.items()}
    symbols = random_symbols(HEIGHT, WIDTH, 5)
    _, costs = prior.prospects(symbols, symbols, HEIGHT, WIDTH, Q16)
    flat = [d.reshape(BANDS, *d.shape[2:]) for d in symbols.details]
    costs = [c.reshape(BANDS, *c.shape[2:]) for c in costs]
    shift = given["sign_shift"].tolist()
    checked = 0
    random = np.random.default_rng(1)
    while checked < 60:
        level, band = int(random.integers(LEVELS)), int(random.integers(BANDS))
        size = wavelet.detail_sizes(*wavelet.sizes(HEIGHT, WIDTH, LEVELS)[level])[band % 3]
        y, x = (int(random.integers(n)) for n in size)
        number = PASSES.index((y % 2, x % 2))
        symbol = int(flat[level][band, y, x])
        if not symbol:
            continue
        checked += 1

        def seen(lev: int, b: int, row: int, column: int) -> int:
            if lev >= LEVELS or row < 0 or column < 0:
                return 0
            _, rows, columns = flat[lev].shape
            if row >= rows or column >= columns:
                return 0
            if lev == level:  # noqa: B023
                earlier = b == band and PASSES.index((row % 2, column % 2)) < number  # noqa: B023
                if not (b < band or earlier):  # noqa: B023
                    return 0
            value = int(flat[lev][b, row, column])
            magnitude = int(np.rint(8 * np.log2(1 + min(abs(value), 255))))
            return magnitude if value > 0 else -magnitude

        def inputs(channel: int) -> list[int]:
            first, direction = 3 * channel, band % 3  # noqa: B023
            found = [
                seen(level, first + direction, y + dy, x + dx)  # noqa: B023
                for dy in range(-2, 3)
                for dx in range(-2, 3)
                if (dy, dx) != (0, 0)
            ]
            for other in range(3):
                for dy in range(-1, 2):
                    for dx in range(-1, 2):
                        found.append(seen(level, first + other, y + dy, x + dx))  # noqa: B023
            for other in range(3):
                for dy in range(-2, 3):
                    for dx in range(-2, 3):
                        place = y // 2 + dy, x // 2 + dx  # noqa: B023
                        found.append(seen(level + 1, first + other, *place))  # noqa: B023
            return found

        channel = band // 3
        own = inputs(channel)
        ratios = [0] * (CHANNELS - 1)
        for other in range(channel):
            products = [a * b for a, b in zip(own, inputs(other))]
            total = 64 + sum(map(abs, products))
            here = seen(level, 3 * other + band % 3, y, x)
            ratios[other] = (2 * sum(products) * here + total) // (2 * total)
        sums = np.array(own + ratios, object) @ given["sign_first"][band, number]
        half = 2 ** (shift[0] - 1)
        hidden = [min(max((int(s) + half) >> shift[0], -4095), 4095) for s in sums]
        for column in range(3):
            weights = given["sign_last"][band, number, level, column]
            evidence = int(np.array(hidden, object) @ weights)
            table = min((abs(evidence) + 2 ** (shift[1] - 1)) >> shift[1], 2999)
            right = given["sign_frequencies"][table] / 65536
            share = right if (evidence < 0) == (symbol < 0) else 1 - right
            assert costs[level][band, y, x, column] == pytest.approx(-np.log2(share) - 1, abs=1e-5)


def test_signs_that_follow_from_others_cost_next_to_nothing():
    """All coefficients have their parent's sign, and the network looks at it alone."""
    symbols = random_symbols(64, 64, 3, 4.0)
    predicted = 0
    for level in range(LEVELS - 2, -1, -1):
        below = symbols.details[level]
        above = symbols.details[level + 1].repeat(2, axis=2).repeat(2, axis=3)
        below[:] = np.where(above < 0, -np.abs(below), np.abs(below))
        predicted += np.count_nonzero(above * below)
    signs = {name: np.zeros_like(array) for name, array in sign_arrays().items()}
    for band in range(BANDS):
        signs["sign_first"][band, :, 24 + 27 + 25 * (band % 3) + 12, 0] = 100
    signs["sign_last"][..., 0] = 100
    signs["sign_shift"][:] = 1, 3
    payloads = [
        PyramidPrior({**arrays(), **signs, "sign_frequencies": np.array([32768, sure])}).encode(
            Fitted(symbols), 64, 64, Q16
        )
        for sure in (32768, 65500)
    ]
    assert len(payloads[0]) - len(payloads[1]) == pytest.approx(predicted / 8, rel=0.05)


def test_damaged_payloads_end(prior):
    symbols = random_symbols(33, 20, 3)
    payload = prior.encode(Fitted(symbols), 33, 20, 64)
    for seed in range(50):
        random = np.random.default_rng(seed)
        damaged = bytearray(payload[: random.integers(len(payload))])
        if damaged:
            damaged[random.integers(len(damaged))] ^= 1 << random.integers(8)
        with contextlib.suppress(MscnError):
            prior.decode(bytes(damaged), 33, 20, 64)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("sign_first", lambda a: a[:, :, 1:]),
        ("sign_first", lambda a: a * 100),
        ("sign_last", lambda a: a[:, :, :2]),
        ("sign_last", lambda a: a * 1000),
        ("sign_shift", lambda a: a * 9),
        ("sign_frequencies", lambda a: a * 2),
        ("sign_frequencies", lambda a: a.astype(float)),
    ],
)
def test_arrays_that_do_not_fit(name, change):
    given = sign_arrays()
    given[name] = change(given[name])
    with pytest.raises(MscnError, match="prior: "):
        Signs(given, LEVELS, CHANNELS)
