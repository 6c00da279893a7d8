"""The outer loop of modulated codecs: the network, then its entropy model."""

from __future__ import annotations

import math
from typing import Any

import ml_collections
import numpy as np
import tensorflow as tf

from mscn_tf.codec.modulated_network import InnerLoop, Network, points_of
from mscn_tf.entropy.freeze import freeze, frozen_arrays
from mscn_tf.entropy.occupancy import grow_tree
from mscn_tf.entropy.scale_prior import ScalePrior
from mscn_tf.fitting.meta_learner import MetaLearner
from mscn_tf.networks.modulations import LatentModulation, Modulation
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.grids import centres, global_grid
from mscn_tf.runtime.modality import Modality
from mscn_tf.runtime.prior import Prior
from mscn_tf.runtime.quality import HIGHEST, LEVELS, LOWEST
from mscn_tf.sparsity.gated import GatedModulation
from mscn_tf.stack.keras_versions import build_once, trainable_variables_of, variables_of
from mscn_tf.training.closed_form_start import start_prior
from mscn_tf.training.loop import Row
from mscn_tf.training.modulated import ModulatedTrainer
from mscn_tf.training.outer_step import Losses, OuterStep
from mscn_tf.training.principal_axes import principal_axes
from mscn_tf.training.tile_sets import START_STEP, samplers

BATCH_POINTS = 2**16  # of all signals that the inner loop fits at once
_PROBES = 64  # signals, with random errors each, that show how far elements move values
_TURNING = 1024  # signals whose codes show the principal axes
_OF_FILES = ("shape", "code_size", "prior")  # fields of the model that the network has no use for
_CONTEXT_STEP = 0.25  # of what the bundle holds: rounding it moves a symbol's scale by 5 %


class ModulatedCodecTrainer(ModulatedTrainer):
    """State and step of one training run, of two stages.

    The first ``meta_steps`` steps meta-learn the network, as experiments do; before those that
    ``principal_axes`` names latents are turned to them. Then ``places``, the
    ``model.code_size`` elements of the code whose updates change values most, are what files hold,
    in units in which each moves values alike, and the other steps learn their entropy model.

    Args:
      config: see ``mscn_tf/configs/gated_faces32.py``.
      signals: training signals ``[S, .., C]`` in [0, 1].
      held_out: signals ``[S', .., C]``.

    Raises:
      MscnError: its gates aren't on updates, its code is longer than the network has elements, or
        latents are to be turned where there are none.
    """

    def __init__(
        self, config: ml_collections.ConfigDict, signals: np.ndarray, held_out: np.ndarray
    ):
        model, self.shape = config.model, signals.shape[1:-1]
        if model.sparsity in ("gates", "mask") and model.target != "delta":
            raise MscnError(f"config.model.target={model.target}: must be delta, which files hold")
        config.optimizer.schedule_steps = config.meta_steps
        sphere = Modality.named(config.get("modality", "image")).sphere
        points = self._points(sphere)
        flat = [set_.reshape(len(set_), -1, set_.shape[-1]) for set_ in (signals, held_out)]
        super().__init__(config, flat[0], points, flat[1])
        if config.principal_axes and not isinstance(plain_of(self.fit), LatentModulation):
            raise MscnError(
                f"config.principal_axes={config.principal_axes}: model.modulation="
                f"{model.modulation} has no latents to turn; give () for none"
            )
        elements = self.fit.modulation.code_size
        if model.code_size > elements:
            raise MscnError(
                f"config.model.code_size={model.code_size}: the network has {elements} elements"
            )
        self.prior = ScalePrior(model.code_size, **model.prior)
        build_once(self.prior, None)
        self.places = tf.Variable(tf.range(model.code_size), trainable=False, name="places")
        self._codes: np.ndarray | None = None
        entropy, modelled = config.entropy, trainable_variables_of([self.prior])
        self._entropy_optimizer = tf.keras.optimizers.Adam(entropy.rate)
        self._entropy_optimizer.build(modelled)
        self._entropy_step = OuterStep(
            self._coding_costs,
            [(modelled, self._entropy_optimizer)],
            entropy.clip,
            lambda: self.step.assign_add(1),
            config.xla,
        )

    def _points(self, sphere: bool) -> np.ndarray:
        grid = global_grid(self.shape) if sphere else [centres(side) for side in self.shape]
        points = points_of(np, [axis[None] for axis in grid], sphere)
        return points.reshape(-1, points.shape[-1]).astype(np.float32)

    def options(self) -> dict[str, Any]:
        model = self.config.model
        return {name: value for name, value in model.items() if name not in _OF_FILES}

    def checkpointed(self) -> dict[str, Any]:
        own = {
            "prior": self.prior,
            "places": self.places,
            "entropy_optimizer": self._entropy_optimizer,
        }
        return {**super().checkpointed(), **own}

    def update(self, step: int) -> dict[str, tf.Tensor]:
        if step in self.config.principal_axes:
            self._turn_latents()
        if step < self.config.meta_steps:
            return super().update(step)
        if step == self.config.meta_steps:
            self.take_best()
            self._choose_places()
        random = np.random.default_rng([self.config.seed, step, 1])
        codes, size = self._known_codes(), self.config.entropy.batch
        chosen = random.choice(len(codes), size, replace=len(codes) < size)
        # Stratified: each batch spans all qualities.
        quality = 1 + (LEVELS - 1) * (random.permutation(size) + random.random(size)) / size
        return self._entropy_step([codes[chosen], quality.astype(np.float32)])

    def _turn_latents(self) -> None:
        """Gives latents the principal axes, where step sizes start anew, at half Newton's step."""
        fit, model = self.fit, self.config.model
        signals = self.signals[: max(_TURNING, fit.modulation.code_size)]
        signals, points = self.subset(signals, np.random.default_rng(self.config.seed))
        network = Network(np, model, weights_of(fit))
        codes = self._fitted(signals, np.arange(network.size), points[0])
        axes = principal_axes(network, codes, points[0], signals.shape[-1], self.config.seed)
        sizes = fit.step_sizes["code"]
        # Of a mean of squares, in whose Hessian the axes are orthonormal times the root of n / 2.
        axes /= np.sqrt(4 * sizes.initial / signals[0].size)
        kernel = plain_of(fit).kernel
        kernel.assign(axes @ kernel.numpy())
        sizes.log_size.assign(tf.fill(sizes.log_size.shape, math.log(sizes.initial)))
        back = np.linalg.inv(axes).T
        # Adam's two moments of the map are of its shape, and nothing else is.
        moments = [v for v in variables_of(self.optimizers) if v.shape == kernel.shape]
        for moment, turn in zip(moments, (back, back**2)):
            moment.assign(turn @ moment.numpy())
        self.average.reset()

    # The second stage.

    def _choose_places(self) -> None:
        """Sets what files hold, in which units, and where the entropy model starts."""
        model = self.config.model
        probed = self.signals[: min(_PROBES, len(self.signals))]
        codes = self._fitted(probed, np.arange(self.fit.modulation.code_size))
        random = np.random.default_rng(self.config.seed)
        network = Network(np, model, weights_of(self.fit))
        points, moved = self.coordinates, np.zeros(codes.shape[1])
        for one, signal in zip(codes, probed):
            # The mean square of this, over random signs, is that of how far the element moves all.
            signs = random.choice(np.array([-1, 1], np.float32), [1, *signal.shape])
            moved += network.gradient(one[None], points, lambda values, signs=signs: signs)[0] ** 2
        unit = 1 / np.sqrt(moved / len(codes) + 1e-12)
        places = np.argsort(-np.mean((codes / unit) ** 2, axis=0), kind="stable")
        places = places[: model.code_size].astype(np.int32)
        self.places.assign(places)
        steps = np.log(self.prior.nominal_steps)[:, None] + np.log(unit[places])
        self.prior.log_step.assign(steps)
        start_prior(self.prior, self._known_codes() / unit[places])

    def _known_codes(self) -> np.ndarray:
        """`codes` of the training signals that the entropy model learns from."""
        if self._codes is None:
            self._codes = self.codes(self.signals[: self.config.coded])
        return self._codes

    def codes(self, signals: np.ndarray) -> np.ndarray:
        """``[S, M]``: as files hold them, but not quantised."""
        places = self.places.numpy()
        return self._fitted(signals, places)[:, places]

    def _fitted(
        self, signals: np.ndarray, places: np.ndarray, points: np.ndarray | None = None
    ) -> np.ndarray:
        """``[S, K]``: by the inner loop that encodes, at all points unless they are given."""
        points = self.coordinates if points is None else points
        model, fit = self.config.model, self.fit
        loop = InnerLoop(np, Network(np, model, weights_of(fit)), model, inner_arrays(fit, places))
        size = max(1, BATCH_POINTS // signals.shape[1])
        parts = [loop(signals[at : at + size], points) for at in range(0, len(signals), size)]
        return np.concatenate(parts)

    def _coding_costs(self, codes: tf.Tensor, quality: tf.Tensor) -> Losses:
        """Bits, and the error of quantised codes over lambda(q), by first order."""
        coded = self.prior(codes, quality)
        error = tf.reduce_sum(((coded.code - codes) / self.prior.step(quality)) ** 2, axis=1)
        cost = coded.bits + error / self.prior.rate_weight
        return cost, {"loss": cost, "bits": coded.bits}

    # What comes of it.

    def evaluate(self) -> list[Row]:
        if int(self.step) <= self.config.meta_steps:
            return super().evaluate()
        prior = Prior(frozen_arrays(self.prior))
        return [
            (f"quality {quality:g}", self.rate_and_psnr(prior, quality))
            for quality in self.config.evaluate_qualities
        ]

    def rate_and_psnr(self, prior: Prior, quality: float) -> dict[str, float]:
        """Bytes of a held-out signal in a block of them, without headers, and mean PSNR."""
        network = Network(np, self.config.model, weights_of(self.fit, self.places.numpy()))
        q16 = np.full(len(self.held_out), round(16 * quality))
        symbols = prior.quantise(self.codes(self.held_out), q16, self.prior.rate_weight)
        codes = prior.dequantise(symbols, q16).astype(np.float32)
        psnr = []
        for code, signal in zip(codes, self.held_out):
            values = network.values(network.placed(code[None]), self.coordinates)
            psnr.append(-10 * np.log10(np.mean((np.clip(values[0], 0, 1) - signal) ** 2)))
        size = len(prior.encode(symbols, q16)) / len(symbols)
        kept = float(np.count_nonzero(symbols)) / len(symbols)
        return {"bytes": size, "psnr": float(np.mean(psnr)), "kept": kept}

    def freeze(self) -> dict[str, np.ndarray]:
        """The arrays of the finished entropy model."""
        if int(self.step) <= self.config.meta_steps:
            self.take_best()
            self._choose_places()
        self.prior.context.assign(tf.round(self.prior.context / _CONTEXT_STEP) * _CONTEXT_STEP)
        codes = self._known_codes()
        q16 = np.random.default_rng(self.config.seed).integers(LOWEST, HIGHEST + 1, len(codes))
        rate_weight = self.prior.rate_weight
        symbols = Prior(frozen_arrays(self.prior)).quantise(codes, q16, rate_weight)
        arrays = freeze(self.prior, symbols, q16)
        values = self.config.get("values")
        if values is not None and values.dtype == "bool":  # can also be coded without loss
            grids = self.signals.reshape(-1, *self.shape, self.signals.shape[-1])
            arrays.update(grow_tree(grids >= 0.5))
        return arrays


def weights_of(fit: MetaLearner, places: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """What `codec.modulated_network.Network` takes; without places files hold all elements."""
    weights = {}
    for number, layer in enumerate(fit.network.siren_layers):
        weights[f"kernel_{number}"] = layer.kernel.numpy()
        weights[f"bias_{number}"] = layer.bias.numpy()
    plain = plain_of(fit)
    if isinstance(plain, LatentModulation):
        weights["map"] = plain.map().numpy()
    elements = plain.code_size
    places = np.arange(elements) if places is None else places
    where = np.full(elements, len(places), np.int32)
    where[places] = np.arange(len(places))
    return {**weights, "places": where}


def plain_of(fit: MetaLearner) -> Modulation:
    """The modulation without gates."""
    of_gates = isinstance(fit.modulation, GatedModulation)
    return fit.modulation.modulation if of_gates else fit.modulation


def inner_arrays(fit: MetaLearner, places: np.ndarray) -> dict[str, np.ndarray]:
    """What `codec.modulated_network.InnerLoop` takes; elements that files don't hold stay zero.

    What all signals share, a mask or gates at phi0, is in the step sizes: z * delta moves
    by z^2 times what delta would without gates.
    """
    elements = fit.modulation.code_size
    sizes = fit.step_sizes["code"](None).numpy()
    held = np.zeros(elements, np.float32)
    held[places] = 1
    own = "log_alpha" in fit.step_sizes
    if fit.sparsity in ("gates", "mask") and not own:
        held *= fit.modulation.gated_code(tf.ones([1, elements])).numpy()[0] ** 2
    arrays = {"step_sizes": sizes * held}
    if own:
        modulation = fit.modulation
        gate_sizes = fit.gated_size * fit.step_sizes["log_alpha"](None).numpy()
        arrays.update(
            log_alpha=modulation.gates.log_alpha.numpy(),
            gate_step_sizes=np.broadcast_to(gate_sizes, [len(gate_sizes), modulation.gate_count]),
            groups=modulation.groups.astype(np.int32),
            price=np.array([float(fit.price)], np.float32),
        )
    return arrays


def codec_trainer(config: ml_collections.ConfigDict) -> ModulatedCodecTrainer:
    """A trainer of a modulated codec, of what the config names."""
    sampler, others = samplers(config, tuple(config.model.shape))
    signals = sampler.draw(config.signals, START_STEP)
    return ModulatedCodecTrainer(config, signals, others.draw(config.validation_tiles, START_STEP))
