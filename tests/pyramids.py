"""A pyramid codec with random weights: three levels, tiles of 16x16."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mscn_tf.export.bundle import write_bundle
from mscn_tf.export.post_filter_graph import post_filter_graph
from mscn_tf.runtime import post_filter
from mscn_tf.runtime.pyramid_scales import PASSES, input_places
from mscn_tf.runtime.pyramid_signs import input_count

LEVELS, CHANNELS, HIDDEN, LAST, TABLES = 3, 3, 6, 4, 20
BANDS = 3 * CHANNELS


def causal(first: np.ndarray) -> np.ndarray:
    """Sets the weights of places that a decoder doesn't know yet to zero."""
    for band in range(BANDS):
        for number, start in enumerate(PASSES):
            for i, (source, other, y, x) in enumerate(input_places(BANDS, band)):
                if source == "parent":
                    continue
                coset = (start[0] + y) % 2, (start[1] + x) % 2
                known = other < band or (other == band and PASSES.index(coset) < number)
                if not known:
                    first[band, number, i] = 0
    return first


def arrays(seed: int = 0) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    support = np.arange(TABLES)
    frequencies = []
    for s in support:
        weight = np.append(np.exp(-np.abs(np.arange(-s, s + 1)) / (0.3 + s / 4)), 0.01)
        whole = 1 + np.floor(weight / weight.sum() * (65536 - len(weight))).astype(int)
        whole[s] += 65536 - whole.sum()
        frequencies.append(whole)

    def whole_numbers(scale: int, *shape: int) -> np.ndarray:
        return random.integers(-scale, scale + 1, shape)

    inputs = 24 + 9 * (BANDS - 1) + 18
    return {
        "support": support,
        "frequencies": np.concatenate(frequencies),
        "centroid": random.uniform(0, 0.1, (TABLES, 2)),
        "first": causal(whole_numbers(60, BANDS, 4, inputs, HIDDEN)),
        "bias": whole_numbers(500, BANDS, 4, LEVELS, HIDDEN),
        "quality": whole_numbers(5, BANDS, 4, HIDDEN),
        "second": whole_numbers(60, BANDS, 4, HIDDEN, LAST),
        "second_bias": whole_numbers(500, BANDS, 4, LAST),
        "last": whole_numbers(30, BANDS, 4, LAST),
        "base": whole_numbers(300, LEVELS, BANDS) + 1500,
        "slope": whole_numbers(3, LEVELS, BANDS),
        "shift": np.array([4, 6, 8]),
        "coarse": np.full((10, CHANNELS), 9 << 14),
        "log_step": np.linspace(0, -4, 10),
    }


def sign_arrays(seed: int = 1) -> dict[str, np.ndarray]:
    """What a prior with a model of signs has besides `arrays`.

    Weights of places that aren't known yet needn't be zero: a decoder sees zeros there.
    """
    random = np.random.default_rng(seed)
    inputs = input_count(CHANNELS)
    return {
        "sign_first": random.integers(-60, 61, (BANDS, 4, inputs, HIDDEN)),
        "sign_last": random.integers(-60, 61, (BANDS, 4, LEVELS, 3, HIDDEN)),
        "sign_shift": np.array([3, 13]),
        "sign_frequencies": np.array([32768, 40000, 50000, 60000, 65000]),
    }


def update_arrays() -> dict[str, np.ndarray]:
    """What a prior with updates has besides `arrays`."""
    return {
        "update_level": np.array([40000, 25536]),
        "update_shift": np.array([500, 2500, 12000, 30000, 14000, 5536, 1000]),
        "update_gain": np.array([2000, 8000, 44000, 9000, 2536]),
    }


def share_arrays() -> dict[str, np.ndarray]:
    """What a prior with shares has besides `arrays`: changes of -9 to 9."""
    frequencies = np.array([3000] * 9 + [65536 - 18 * 3000] + [3000] * 9)
    return {"share_change": frequencies}


def step_arrays() -> dict[str, np.ndarray]:
    """What a prior with updates of the filter has besides `arrays`: up to 3 steps, 2 directions."""
    rows = [[2000, 6000, 16000, 20000, 14000, 6000, 1536], [9000, 1, 1, 47532, 1, 1, 9000]]
    return {"update_filter": np.array(rows)}


def tap_arrays() -> dict[str, np.ndarray]:
    """What a prior with taps has besides `arrays`: from -15 to 15."""
    near = [3000 - 180 * tap for tap in range(1, 16)]
    return {"filter_tap": np.array([*near[::-1], 65536 - 2 * sum(near), *near])}


def direction_arrays(seed: int = 4, width: int = 5) -> dict[str, np.ndarray]:
    """What a filter has besides `filter_arrays` where pictures change it.

    Three steps along the first direction leave a quarter of the filter, which mends nothing.
    """
    random, mending = np.random.default_rng(seed), filter_arrays()
    ends = 4 * CHANNELS
    kernel, bias = (-4 * mending[name] for name in ("kernel_3", "bias_3"))
    return {
        "update_kernel": np.stack([kernel, random.integers(-999, 1000, (ends, width, 3, 3))]),
        "update_bias": np.stack([bias, random.integers(-50000, 50001, ends)]),
    }


def colour() -> np.ndarray:
    """[3, 3], orthonormal."""
    axes, _ = np.linalg.qr([[1.0, 1.0, -1.0], [1.0, 0.0, 2.0], [1.0, -1.0, -1.0]])
    return axes.T


def filter_arrays(seed: int = 2, width: int = 5) -> dict[str, np.ndarray]:
    """Of a filter that changes pixels by a few parts in a hundred."""
    random = np.random.default_rng(seed)
    sizes = [4 * CHANNELS, *[width] * (post_filter.LAYERS - 1), 4 * CHANNELS]
    arrays = {"log_error": np.linspace(0.0, -2.0, 10)}
    for number, (inputs, outputs) in enumerate(zip(sizes, sizes[1:])):
        kernel, bias = (outputs, inputs, 3, 3), (outputs,)
        arrays[f"kernel_{number}"] = random.integers(-120, 121, kernel)
        arrays[f"kernel_slope_{number}"] = random.integers(-20, 21, kernel)
        arrays[f"bias_{number}"] = random.integers(-9000, 9001, bias)
        arrays[f"bias_slope_{number}"] = random.integers(-999, 1000, bias)
    return arrays


def write_codec(
    path: Path,
    edge: int = 16,
    signs: bool = False,
    mends: bool = False,
    updates: bool = False,
    shares: bool = False,
    filter_updates: bool = False,
    taps: bool = False,
) -> Path:
    """A bundle, with or without a model of signs, a filter, and what pictures say."""
    manifest = {
        "name": "random",
        "codec": "pyramid",
        "modality": "image",
        "tile_edge": edge,
        "channels": CHANNELS,
        "rate_weight": 0.1,
    }
    prior = arrays()
    prior.update(sign_arrays() if signs else {}, **(update_arrays() if updates else {}))
    prior.update(share_arrays() if shares else {}, **(step_arrays() if filter_updates else {}))
    prior.update(tap_arrays() if taps else {})
    members: dict[str, Any] = {f"prior/{name}": array for name, array in prior.items()}
    if mends:
        mending = {**filter_arrays(), **(direction_arrays() if filter_updates else {})}
        members.update({f"filter/{name}": array for name, array in mending.items()})
        members[post_filter.GRAPH] = post_filter_graph()
    write_bundle(path, manifest, {"weights/colour": colour(), **members})
    return path
