"""The outer loop of pyramid codecs: learns what wavelet coefficients of pictures cost."""

from __future__ import annotations

from collections.abc import Sequence

import ml_collections
import numpy as np
import tensorflow as tf
from PIL import Image

from mscn_tf.entropy.pyramid_context import (
    PyramidContext,
    coarse_indices,
    freeze_context,
    learned_tables,
    measured_tables,
    see_magnitudes,
)
from mscn_tf.entropy.sign_context import SignContext, freeze_signs, sign_frequencies
from mscn_tf.fitting.pyramid import quantise, to_channels
from mscn_tf.runtime.bundle import Bundle
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.pyramid_prior import Coded, PyramidPrior
from mscn_tf.runtime.quality import HIGHEST, LEVELS, LOWEST
from mscn_tf.runtime.quantiser import round_dead_zone
from mscn_tf.runtime.wavelet import analyse, synthesise
from mscn_tf.signals.datasets import load_pictures
from mscn_tf.stack.keras_versions import trainable_variables_of
from mscn_tf.training.loop import Trainer
from mscn_tf.training.outer_step import Losses, OuterStep
from mscn_tf.training.post_filter import PostFilterTrainer
from mscn_tf.training.prefetch import Prefetch
from mscn_tf.training.pyramid_updates import evenly, learn_updates

_MEASURED_QUALITIES = 3  # at which tables are counted, for each picture


def pyramid_trainer(config: ml_collections.ConfigDict) -> Trainer:
    """What trains the entropy model, or the filter of a codec that has one already."""
    return (PostFilterTrainer if config.get("coded_by") else PyramidTrainer)(config)


def colour_transform(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Principal axes of the pixels' colours: ``[3, 3]``, rows orthonormal, brightest first."""
    pixels = np.concatenate([picture[::5, ::5].reshape(-1, 3) for picture in pictures]) / 255.0
    _, axes = np.linalg.eigh(np.cov(pixels.T))
    axes = axes[:, ::-1].T
    return axes * np.sign(axes.sum(1))[:, None]


def _cut(details: np.ndarray, corner: Sequence[int], edge: int, margin: int) -> np.ndarray:
    """float32 ``[edge + 2 margin, edge + 2 margin, B]``, zero where the level ends."""
    out = np.zeros((edge + 2 * margin, edge + 2 * margin, details.shape[2]), np.float32)
    low = [max(at - margin, 0) for at in corner]
    part = details[low[0] : corner[0] + edge + margin, low[1] : corner[1] + edge + margin]
    y, x = (first - at + margin for first, at in zip(low, corner))
    out[y : y + part.shape[0], x : x + part.shape[1]] = part
    return out


class PyramidTrainer(Trainer):
    """Learns the entropy model of a pyramid codec; the transform needs no learning.

    A step draws patches of coefficients of single levels, quantises them at random qualities and
    dead zones, and lowers the bits that the model takes for them. A patch counts as much as its
    level's share of a picture, and each quality alike, bits growing about as 1 / step.

    Args:
      config: see ``mscn_tf/configs/photo.py``.
    """

    def __init__(self, config: ml_collections.ConfigDict):
        super().__init__(config)
        model, data = config.model, config.data
        self.levels = model.levels
        self.context = PyramidContext(model.levels, 3, **model.context)
        self.context.build()
        self.signs = SignContext(model.levels, 3, **model.signs)
        self.signs.build()
        self.log_step = np.linspace(np.log(model.coarsest_step), np.log(model.finest_step), LEVELS)
        self.pictures = load_pictures(data.train, 2)
        self.held_out = load_pictures(data.validation, 2)[: config.validation_pictures]
        self._signs_only = bool(config.magnitudes)
        field = "magnitudes" if self._signs_only else "going_on_from"
        self.before = self._same_pyramids(field) if config[field] else None
        self.colour = (
            self.before.weights()["colour"] if self.before else colour_transform(self.pictures)
        )
        self.examples = self._examples()
        schedule = tf.keras.optimizers.schedules.CosineDecay(config.optimizer.rate, config.steps)
        self.optimizer = tf.keras.optimizers.Adam(schedule, beta_2=config.optimizer.beta_2)
        self.optimizer.build(self._variables)
        share = 2.0 ** -np.arange(self.levels)  # coarse levels more often than their size
        self._level_share = share / share.sum()
        self._weight = (4.0 ** -np.arange(self.levels) / self._level_share).astype(np.float32)
        self._batches = Prefetch(self.batch)
        self._outer_step = OuterStep(
            self._losses,
            [(self._variables, self.optimizer)],
            config.optimizer.clip,
            lambda: self.step.assign_add(1),
            config.xla,
        )

    def checkpointed(self) -> dict[str, tf.Module]:
        return {"context": self.context, "signs": self.signs, "optimizer": self.optimizer}

    @property
    def _variables(self) -> list[tf.Variable]:
        return trainable_variables_of(
            [self.signs] if self._signs_only else [self.context, self.signs]
        )

    def _same_pyramids(self, field: str) -> Bundle:
        """The bundle that a field of the configuration names, if its pyramids are this model's."""
        name = self.config[field]
        bundle = Bundle.load(name)
        arrays, colour = bundle.arrays("prior"), bundle.weights().get("colour")
        steps = arrays.get("log_step", np.empty(0))
        if colour is None or steps.shape != self.log_step.shape:
            raise MscnError(f"config.{field}={name}: not a codec of pyramids")
        if len(arrays["base"]) != self.levels or not np.allclose(steps, self.log_step):
            raise MscnError(f"config.{field}={name}: has other levels or steps than this model")
        return bundle

    def start(self) -> None:
        """Takes the networks of the codec that the training goes on from."""
        if self.before is None or self._signs_only:
            return
        arrays = self.before.arrays("prior")
        try:
            self.context.thaw(arrays)
            self.signs.thaw(arrays)
        except ValueError as error:
            raise MscnError(
                f"config.going_on_from={self.config.going_on_from}: its networks have other sizes "
                "than config.model says"
            ) from error

    def _examples(self) -> list[list[np.ndarray]]:
        """Details of every picture at every training scale, float16 ``[h, w, 9]``, finest first."""
        examples = []
        for picture in self.pictures:
            for scale in self.config.data.scales:
                size = [max(2, round(side * scale)) for side in picture.shape[1::-1]]
                image = Image.fromarray(picture)
                image = image if scale == 1 else image.resize(size, Image.Resampling.LANCZOS)
                pyramid = analyse(to_channels(np.asarray(image), self.colour), self.levels)
                examples.append(
                    [
                        np.moveaxis(d.reshape(-1, *d.shape[2:]), 0, -1).astype(np.float16)
                        for d in pyramid.details
                    ]
                )
        return examples

    def step_of(self, quality: float) -> float:
        """Quantiser step at a quality."""
        return float(np.exp(np.interp(quality, np.arange(1, LEVELS + 1), self.log_step)))

    def batch(self, step: int) -> tuple[np.ndarray, ...]:
        """What one outer step sees: levels' symbols as networks see them, parents, symbols, levels,
        qualities.
        """
        random = np.random.default_rng([self.config.seed, step])
        size, edge = self.config.batch, self.config.patch
        bands = self.context.bands
        own = np.zeros((size, edge + 4, edge + 4, bands), np.float32)
        parents = np.zeros((size, edge // 2 + 4, edge // 2 + 4, bands), np.float32)
        symbols = np.zeros((size, edge, edge, bands), np.float32)
        levels = random.choice(self.levels, size, p=self._level_share).astype(np.int32)
        quality = 1 + (LEVELS - 1) * (random.permutation(size) + random.random(size)) / size
        for i, level in enumerate(levels):
            details = self.examples[random.integers(len(self.examples))]
            corner = [
                2 * random.integers(max(0, side - edge) // 2 + 1)
                for side in details[level].shape[:2]
            ]
            width, dead_zone = self.step_of(quality[i]), random.uniform(0.1, 0.35)
            known = round_dead_zone(np, _cut(details[level], corner, edge, 2) / width, dead_zone)
            own[i] = np.copysign(see_magnitudes(known), known)
            symbols[i] = known[2:-2, 2:-2]
            if level + 1 < self.levels:
                half = [at // 2 for at in corner]
                above = _cut(details[level + 1], half, edge // 2, 2) / width
                above = round_dead_zone(np, above, dead_zone)
                parents[i] = np.copysign(see_magnitudes(above), above)
        return own, parents, symbols, levels, quality.astype(np.float32)

    def _losses(
        self,
        own: tf.Tensor,
        parents: tf.Tensor,
        symbols: tf.Tensor,
        level: tf.Tensor,
        quality: tf.Tensor,
    ) -> Losses:
        ratio = (self.log_step[-1] - self.log_step[0]) / (LEVELS - 1)
        weight = tf.gather(self._weight, level) * tf.exp(ratio * (quality - 5.5))
        bits = self.signs.bits(symbols, self.signs(own, parents, level))
        saved = -weight * tf.reduce_mean(bits, [1, 2, 3])
        if not self._signs_only:
            scales = self.context(tf.abs(own), tf.abs(parents[:, 1:-1, 1:-1]), level, quality)
            bits += self.context.bits(symbols, scales)
        loss = weight * tf.reduce_mean(bits, [1, 2, 3])
        return loss, {"loss": loss, "saved_by_signs": saved}

    def update(self, step: int) -> dict[str, tf.Tensor]:
        return self._outer_step(self._batches(step))

    def freeze(self) -> dict[str, np.ndarray]:
        """The arrays of the runtime's prior."""
        arrays, config = self._measured(self.config.freeze_pictures), self.config
        pictures = evenly(self.pictures, config.freeze_pictures)
        updates = learn_updates(
            arrays, pictures, self.colour, config.model.rate_weight, config.seed
        )
        return {**arrays, **updates}

    def _measured(self, count: int) -> dict[str, np.ndarray]:
        """The arrays of the runtime's prior, tables and centroids counted on so many pictures."""
        pictures = evenly(self.pictures, count)
        if self.before and self._signs_only:
            arrays = {**self.before.arrays("prior"), **freeze_signs(self.signs)}
            self._count(arrays, pictures)
            return arrays
        arrays = {**freeze_context(self.context), **freeze_signs(self.signs)}
        arrays["log_step"] = self.log_step
        coarse = [
            analyse(to_channels(picture, self.colour), self.levels).coarse for picture in pictures
        ]
        spread = np.mean([np.abs(np.diff(c, axis=2)).mean((1, 2)) for c in coarse], axis=0)
        arrays["coarse"] = coarse_indices(np.log(spread) - self.log_step[:, None])
        arrays.update(learned_tables(self.context))
        for _ in range(2):  # which symbols are chosen depends on the tables
            symbols, indices, offsets = self._count(arrays, pictures)
            arrays.update(measured_tables(self.context, symbols, indices))
            size = np.minimum(np.abs(symbols), 2)
            for column in (1, 2):
                chosen = size == column
                counts = np.bincount(indices[chosen], minlength=len(arrays["centroid"]))
                total = np.bincount(
                    indices[chosen], offsets[chosen], minlength=len(arrays["centroid"])
                )
                arrays["centroid"][:, column - 1] = np.clip(total / (counts + 50), -0.2, 0.4)
        return arrays

    def _count(
        self, arrays: dict[str, np.ndarray], pictures: Sequence[np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Symbols that an encoder chooses, their tables, and how much larger than the coefficients
        they are, all ``[n]``; counts the signs' frequencies in `arrays`.
        """
        prior = PyramidPrior(arrays)
        random = np.random.default_rng(self.config.seed)
        symbols, indices, offsets, tables, right = [], [], [], [], []
        for picture in pictures:
            pyramid = analyse(to_channels(picture, self.colour), self.levels)
            for q16 in random.integers(LOWEST, HIGHEST + 1, _MEASURED_QUALITIES):
                (height, width), step = picture.shape[:2], prior.step(q16)
                rate_weight = self.config.model.rate_weight
                quantised = quantise(prior, pyramid, height, width, q16, rate_weight).symbols
                coded, table, agrees = prior.measure(quantised, height, width, q16)
                tables.append(table)
                right.append(agrees)
                for real, chosen, index in zip(pyramid.details, quantised.details, coded):
                    symbols.append(chosen.ravel())
                    indices.append(index.ravel())
                    offsets.append((np.abs(chosen) - np.abs(real) / step).ravel())
        arrays["sign_frequencies"] = sign_frequencies(np.concatenate(tables), np.concatenate(right))
        return np.concatenate(symbols), np.concatenate(indices), np.concatenate(offsets)

    def evaluate(self) -> list[tuple[str, dict[str, float]]]:
        prior = PyramidPrior(self._measured(max(1, self.config.freeze_pictures // 8)))
        rows = []
        for quality in self.config.evaluate_qualities:
            q16, results = round(16 * quality), []
            for picture in self.held_out:
                height, width = picture.shape[:2]
                pyramid = analyse(to_channels(picture, self.colour), self.levels)
                rate_weight = self.config.model.rate_weight
                fitted = quantise(prior, pyramid, height, width, q16, rate_weight)
                bits = 8 * len(prior.encode(fitted, height, width, q16))
                coded = prior.coded(fitted, height, width, q16)
                results.append((bits / (height * width), self._psnr(prior, coded, picture, q16)))
            bpp, psnr = np.mean(results, axis=0)
            rows.append((f"quality {quality:g}", {"bpp": float(bpp), "psnr": float(psnr)}))
        return rows

    def _psnr(self, prior: PyramidPrior, coded: Coded, picture: np.ndarray, q16: int) -> float:
        channels = synthesise(prior.dequantise(coded, q16), *picture.shape[:2])
        values = np.tensordot(channels, self.colour, (0, 0)) + 0.5
        error = np.rint(np.clip(values, 0, 1) * 255) - picture
        return 10 * np.log10(255.0**2 / max(np.mean(error**2), 1e-3))
