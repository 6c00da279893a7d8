"""The outer loop of tile codecs: meta-learns network, step sizes and entropy model together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ml_collections
import numpy as np
import tensorflow as tf

from mscn_tf.entropy.occupancy import grow_tree
from mscn_tf.fitting.basis_codec import BasisCodec, tile_shape
from mscn_tf.runtime.prior import Prior
from mscn_tf.runtime.quality import LEVELS
from mscn_tf.signals.datasets import TileSampler
from mscn_tf.signals.sampler import SignalSampler
from mscn_tf.stack.keras_versions import plain
from mscn_tf.training.closed_form_start import start_from_principal_components
from mscn_tf.training.ema import ExponentialMovingAverage
from mscn_tf.training.evaluate import CodecMeasure, Frozen
from mscn_tf.training.loop import Row, Trainer
from mscn_tf.training.outer_step import Losses, OuterStep, warmed_up_adam
from mscn_tf.training.prefetch import Prefetch
from mscn_tf.training.tile_sets import START_STEP, samplers


class TileTrainer(Trainer):
    """State and step of one training run.

    The loss of a tile is its rate-distortion cost in bits, ``rate + squared error / lambda(q)``,
    over what the closed-form start costs at that quality, so that every quality counts alike;
    plus ``fitted_weight`` times the distortion of its code before quantisation. Quality is drawn
    uniformly for each tile; ``lambda(q)`` is the prior's ``rate_weight * step(q)^2``.

    Args:
      config: see ``mscn_tf/configs``.
      sampler: the training tiles.
      validation: held-out tiles ``[N, edge, edge, C]`` in [0, 1].
    """

    def __init__(
        self,
        config: ml_collections.ConfigDict,
        sampler: TileSampler | SignalSampler,
        validation: np.ndarray,
    ):
        super().__init__(config)
        self.sampler, self.validation = sampler, validation
        self.codec = BasisCodec(config.model)
        self.reference_cost = tf.Variable(tf.ones([LEVELS]), trainable=False, name="reference")
        network = self.codec.network
        transform = [plain(w) for w in (network.mean, network.basis, network.feature_basis)]
        step_sizes = [self.codec.step_sizes]
        known = {id(v) for v in transform + step_sizes}
        others = [v for v in self.codec.trainable_variables if id(v) not in known]
        rates = config.optimizer
        self.groups = [
            (transform, warmed_up_adam(config, rates.transform_rate)),
            (step_sizes, warmed_up_adam(config, rates.step_size_rate)),
            (others, warmed_up_adam(config, rates.rate)),
        ]
        for variables, optimizer in self.groups:
            optimizer.build(variables)
        self.average = ExponentialMovingAverage(
            self.codec.trainable_variables, config.optimizer.average
        )
        self._batches = Prefetch(self.batch)
        self._outer_step = OuterStep(
            self.losses,
            self.groups,
            config.optimizer.clip,
            self._finish,
            config.xla,
            config.precision,
        )
        self.measure = CodecMeasure(self.codec)

    def start(self) -> None:
        """The closed-form start, and what it costs at every quality."""
        tiles = self.sampler.draw(self.config.start_tiles, START_STEP)
        start_from_principal_components(self.codec, tiles, self.config.seed)
        tiles = tf.constant(tiles[: self.config.get("reference_tiles", 256)])
        costs = []
        for level in range(LEVELS):
            quality = tf.fill([len(tiles)], level + 1.0)
            fit = self.codec.fit(tiles, quality, [self.config.seed, 0])
            cost = fit.coded.bits + fit.squared_error / self._trade_off(quality)
            costs.append(tf.reduce_mean(cost))
        self.reference_cost.assign(costs)
        self.average.reset()

    def batch(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """Tiles ``[B, edge, edge, C]`` and qualities ``[B]`` of one outer step."""
        size = self.config.batch
        random = np.random.default_rng([self.config.seed, step, 1])
        # Stratified: each batch spans all qualities.
        quality = 1 + (LEVELS - 1) * (random.permutation(size) + random.random(size)) / size
        return self.sampler.draw(size, step), quality.astype(np.float32)

    def checkpointed(self) -> dict[str, Any]:
        return {
            "codec": self.codec,
            "reference_cost": self.reference_cost,
            "optimizers": [optimizer for _, optimizer in self.groups],
            "average": self.average,
        }

    def update(self, step: int) -> dict[str, tf.Tensor]:
        return self._outer_step(self._batches(step))

    def evaluate(self) -> list[Row]:
        rows = evaluate(self, self.validation, self.config.evaluate_qualities)
        return [(f"quality {row.pop('quality'):g}", row) for row in rows]

    def freeze(self) -> Frozen:
        """The finished entropy model."""
        drawn = self.sampler.draw(self.config.freeze_tiles, START_STEP + 1)
        with self.average.swapped_in():
            frozen = self.measure.freeze(drawn, self.config.seed)
        values = self.config.get("values")
        if values is not None and values.dtype == "bool":  # can also be coded without loss
            frozen.arrays.update(grow_tree(drawn >= 0.5))
        return frozen

    def _seed(self) -> tf.Tensor:
        """That of the noise, where ``rounding`` is noise: another one in each replica."""
        context = tf.distribute.get_replica_context()
        seed = self.step * context.num_replicas_in_sync
        seed += tf.cast(context.replica_id_in_sync_group, tf.int64)
        return tf.stack([self.config.seed, tf.cast(seed, tf.int32)])

    def _trade_off(self, quality: tf.Tensor) -> tf.Tensor:
        """lambda ``[B]``: squared error that one bit must save."""
        prior = self.codec.prior
        share = (quality - 1) / (LEVELS - 1)
        ratio = np.log(prior.finest_step / prior.coarsest_step)
        step = prior.coarsest_step * tf.exp(share * ratio)
        return prior.rate_weight * tf.square(step)

    def losses(self, tiles: tf.Tensor, quality: tf.Tensor) -> Losses:
        """What a step lowers, ``[B]``, and its parts: of float32 tiles ``[B, .., C]`` in [0, 1].

        ``quality`` is ``[B]``, 1 to 10.
        """
        fit = self.codec.fit(tiles, quality, self._seed())
        reference = self.codec.prior.at_quality(self.reference_cost[:, None], quality)[:, 0]
        trade_off = self._trade_off(quality)
        cost = (fit.coded.bits + fit.squared_error / trade_off) / reference
        fitted = fit.fitted_error / trade_off / reference
        metrics = {"loss": cost, "bits": fit.coded.bits, "squared_error": fit.squared_error}
        return cost + self.config.fitted_weight * fitted, metrics

    def _finish(self) -> None:
        self.codec.network.normalise()
        self.average.update()
        self.step.assign_add(1)


def evaluate(
    trainer: TileTrainer, tiles: np.ndarray, qualities: Sequence[float]
) -> list[dict[str, float]]:
    """Real bytes and PSNR of held-out tiles, with averaged weights where there are any."""
    with trainer.average.swapped_in():
        drawn = trainer.sampler.draw(trainer.config.freeze_tiles // 4, START_STEP + 1)
        prior = Prior(trainer.measure.freeze(drawn, trainer.config.seed).arrays)
        rows = [(q, *trainer.measure.rate_and_psnr(prior, tiles, q)) for q in qualities]
    return [dict(zip(("quality", "bpp", "psnr"), row)) for row in rows]


def tile_trainer(config: ml_collections.ConfigDict) -> TileTrainer:
    """A trainer of tiles, of what the config names."""
    sampler, others = samplers(config, tile_shape(config.model))
    return TileTrainer(config, sampler, others.draw(config.validation_tiles, START_STEP))
