"""What L0 gates in the inner loop bring over rounding and the choice by cost, in bytes.

Codes thumbnails with a shipped tile codec. All rows start from the same fitted codes, share the
codec's entropy model, and are files that the unchanged decoder reads. `objective` is what all of
them trade: bits a picture plus squared error / lambda, lambda = rate_weight * step^2, over that
of the choice by cost. Prints Markdown tables.

    python benchmarks/gates.py [--pictures=FILE.png] [--first=N] [--qualities=...]

Gates (docs/method.md) are adapted to each picture together with its code, by MetaSGD on

    squared error(z * delta) + lambda * strength * sum_i bits_i P(z_i > 0)

bits_i being what the entropy model asks for a non-zero symbol over a zero. What the deterministic
gates leave of z * delta is rounded to the nearest, or chosen by cost.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import bjontegaard
import numpy as np
import tensorflow as tf
from absl import app, flags
from tqdm import tqdm

from mscn_tf.codec import Codec
from mscn_tf.fitting.basis_codec import BasisCodec
from mscn_tf.fitting.meta_sgd import inner_loop
from mscn_tf.runtime.quantiser import round_dead_zone
from mscn_tf.signals import images
from mscn_tf.sparsity import hard_concrete

CODEC = flags.DEFINE_string("codec", "thumb32", "name or file of a tile codec")
PICTURES = flags.DEFINE_string(
    "pictures", "../shared/data/cifar10/test_first500.png", "sheet of square pictures, one a row"
)
FIRST = flags.DEFINE_integer("first", 500, "so many pictures of it")
QUALITIES = flags.DEFINE_list("qualities", ["2", "3", "4", "5", "6", "7"], "at least four")
STEPS = flags.DEFINE_list("steps", ["5", "10"], "inner steps of the gates, some rows each")
STRENGTHS = flags.DEFINE_list("strengths", ["1", "2.5"], "factors of their penalty, likewise")
STEP_SIZE = flags.DEFINE_float("step_size", 10.0, "MetaSGD's for log alpha, in quantiser steps")
OPEN = flags.DEFINE_float("open", 0.9, "least probability with which a gate starts open")
EFFORTS = flags.DEFINE_list("efforts", ["2", "4", "5", "6", "9"], "of the encoder")

ROUNDING = 0.2  # dead zone of the symbols whose scales the gates' prices are read at
MOST_OPEN = 0.98
BATCH = 100


def step_sizes(fitting: BasisCodec, code: tf.Tensor) -> tf.Tensor:
    """Those of a later step, ``[1, B, M]``; elements that the encoder left out stay at zero."""
    return tf.where(code == 0.0, 0.0, fitting.step_sizes[-1])[None]


@cache
def plain_loop(fitting: BasisCodec, steps: int) -> tf.types.experimental.GenericFunction:
    """Further steps of the codec's own inner loop, from pictures, qualities and codes."""

    def run(tiles, quality, code):
        adapted = inner_loop(
            lambda adapted: fitting.squared_error(tiles, adapted["code"], quality),
            {"code": code},
            {"code": step_sizes(fitting, code)},
            steps,
            first_order=True,
        )
        return adapted["code"]

    return tf.function(run, autograph=False)


@cache
def gate_loop(fitting: BasisCodec, steps: int) -> tf.types.experimental.GenericFunction:
    """The inner loop of code and gates; also from log alpha, prices and step sizes of the gates."""

    def run(tiles, quality, code, log_alpha, price, sizes):
        def loss(adapted):
            gates = hard_concrete.deterministic(adapted["log_alpha"])
            error = fitting.squared_error(tiles, gates * adapted["code"], quality)
            return error + hard_concrete.expected_l0(adapted["log_alpha"], price)

        adapted = inner_loop(
            loss,
            {"code": code, "log_alpha": log_alpha},
            {"code": step_sizes(fitting, code), "log_alpha": sizes[None]},
            steps,
            first_order=True,
        )
        return hard_concrete.deterministic(adapted["log_alpha"]) * adapted["code"]

    return tf.function(run, autograph=False)


class Thumbnails:
    """Pictures of one tile each, with a codec that packs and measures symbols for them."""

    def __init__(self, codec: Codec, pictures: np.ndarray):
        self.codec, self.pictures = codec, pictures
        self.prior = codec.scheme.prior
        self.fitting = BasisCodec.restored(codec.bundle)
        self.rate_weight = codec.bundle.manifest.rate_weight

    def qualities(self, q16: int) -> np.ndarray:
        """int64 ``[N]``."""
        return np.full(len(self.pictures), q16)

    def step(self, q16: int) -> np.ndarray:
        """Quantiser steps ``[M]``."""
        return self.prior.steps(np.array([q16]))[0]

    def batches(self, *arrays: np.ndarray) -> list[list[tf.Tensor]]:
        """The pictures in [0, 1], and arrays ``[N, ...]``, in parts."""
        whole = (self.pictures / np.float32(255), *arrays)
        return [
            [tf.constant(array[at : at + BATCH], tf.float32) for array in whole]
            for at in range(0, len(self.pictures), BATCH)
        ]

    def refit(self, codes: np.ndarray, q16: int, steps: int) -> np.ndarray:
        """Codes ``[N, M]`` after more steps of the codec's own inner loop."""
        fitting = self.fitting
        parts = self.batches(self.qualities(q16) / 16, codes)
        return np.concatenate([plain_loop(fitting, steps)(*part) for part in parts])

    def gated(self, codes: np.ndarray, q16: int, steps: int, strength: float) -> np.ndarray:
        """z * delta ``[N, M]``: codes with gates, both adapted from there for some inner steps."""
        fitting, prior, step = self.fitting, self.prior, self.step(q16)
        index = prior.indices(rounded(codes / step, ROUNDING), self.qualities(q16))
        scaled = np.abs(codes / step)
        kept = np.maximum(np.rint(scaled), 1).astype(np.int32)
        bits = prior.tables.bits(kept, index) - prior.tables.bits(np.zeros_like(kept), index)
        price = strength * self.rate_weight * step**2 * np.maximum(bits, 0)
        chance = np.clip(prior.activity(q16), OPEN.value, MOST_OPEN)
        start = np.log(chance / (1 - chance)) + hard_concrete.location(0.5)
        # The error's curvature in a gate grows with its element's square.
        sizes = STEP_SIZE.value / (step**2 * (1 + scaled**2))
        starts = np.broadcast_to(start, codes.shape)
        parts = self.batches(self.qualities(q16) / 16, codes, starts, price, sizes)
        return np.concatenate([gate_loop(fitting, steps)(*part) for part in parts])

    def chosen(self, codes: np.ndarray, q16: int, passes: int = 1) -> np.ndarray:
        """Symbols ``[N, M]`` chosen by cost, as the codec does."""
        return self.codec.encoder.choose(self.pictures, codes, self.qualities(q16), passes=passes)

    def measure(self, symbols: np.ndarray, q16: int) -> tuple[int, float, float]:
        """Bytes of the file, mean PSNR of what is decoded from it, objective in bits a picture."""
        count, height, width, channels = self.pictures.shape
        data = self.codec.pack(
            symbols, [(height, width)] * count, [q16] * count, [channels] * count
        )
        decoded = self.codec.decode_all(data)
        psnr = np.mean([images.psnr(*pair) for pair in zip(self.pictures, decoded)])
        code = self.prior.dequantise(symbols, self.qualities(q16))
        error = sum(
            self.fitting.squared_error(tiles, part, quality).numpy().sum()
            for tiles, quality, part in self.batches(self.qualities(q16) / 16, code)
        )
        bits = self.prior.bits(symbols, self.qualities(q16)).sum()
        weight = self.rate_weight * self.step(q16).mean() ** 2
        return len(data), float(psnr), (bits + error / weight) / count


def rounded(scaled: np.ndarray, dead_zone: float = 0.0) -> np.ndarray:
    """int32, of values in steps."""
    return round_dead_zone(np, scaled, dead_zone).astype(np.int32)


def rows(thumbnails: Thumbnails, q16: int) -> Iterator[tuple[str, np.ndarray]]:
    """Names and symbols at a quality; the second row is the reference."""
    step, chosen = thumbnails.step(q16), thumbnails.chosen
    codes = thumbnails.codec.encoder.codes(thumbnails.pictures, thumbnails.qualities(q16))
    yield "plain rounding", rounded(codes / step)
    yield "choice by cost (`--effort=1`)", chosen(codes, q16)
    for zone in (0.1, 0.15, 0.2, 0.25):
        yield f"dead zone {zone}", rounded(codes / step, zone)
    for steps in map(int, STEPS.value):
        for strength in map(float, STRENGTHS.value):
            gated = thumbnails.gated(codes, q16, steps, strength)
            name = f"gates, {steps} steps, strength {strength:g}"
            yield name, rounded(gated / step)
            yield name + ", choice by cost", chosen(gated, q16)
            yield name + ", corrected 3 times", chosen(gated, q16, 4)
        refitted = thumbnails.refit(codes, q16, steps)
        yield f"{steps} steps without gates, choice by cost", chosen(refitted, q16)
    for effort in map(int, EFFORTS.value):
        yield f"choice by cost, corrected (`--effort={effort}`)", chosen(codes, q16, effort)


def main(argv: list[str]) -> None:
    """Measures and prints."""
    sheet = images.read_picture(Path(PICTURES.value))
    codec = Codec.load(CODEC.value)
    edge = codec.bundle.manifest.tile_edge
    pictures = sheet.reshape(-1, edge, edge, sheet.shape[2])[: FIRST.value]
    thumbnails = Thumbnails(codec, pictures)
    points = defaultdict(list)
    qualities = [round(16 * float(quality)) for quality in QUALITIES.value]
    for q16 in tqdm(qualities, unit="quality"):
        for name, symbols in rows(thumbnails, q16):
            points[name].append(thumbnails.measure(symbols, q16))

    def bd_rate(name: str, reference: str) -> float:
        (rate0, psnr0, _), (rate, psnr, _) = np.array(points[reference]).T, np.array(points[name]).T
        return bjontegaard.bd_rate(rate0, psnr0, rate, psnr, method="pchip")

    plain, reference = list(points)[:2]
    print(f"| BD-rate against | {plain} | {reference} | objective |\n|---|---|---|---|")
    for name, measured in points.items():
        ratio = np.mean(np.array(measured)[:, 2] / np.array(points[reference])[:, 2])
        changes = " | ".join(f"{bd_rate(name, other):+.2f} %" for other in (plain, reference))
        print(f"| {name} | {changes} | {100 * (ratio - 1):+.2f} % |")
    print("\n| bytes, dB at quality | " + " | ".join(QUALITIES.value) + " |")
    print("|---" * (1 + len(qualities)) + "|")
    for name, measured in points.items():
        cells = " | ".join(f"{size:,}, {psnr:.2f}" for size, psnr, _ in measured)
        print(f"| {name} | {cells} |")


if __name__ == "__main__":
    app.run(main)
