"""A whole tile codec while it is trained: network, entropy model and inner loop together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import ml_collections
import numpy as np
import tensorflow as tf

from mscn_tf.entropy.scale_prior import Coded, ScalePrior
from mscn_tf.fitting.meta_sgd import inner_loop
from mscn_tf.networks.basis import BasisNetwork
from mscn_tf.networks.sphere import SphereNetwork
from mscn_tf.runtime.bundle import Bundle
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.quantiser import CORRECTION, TEMPERATURE
from mscn_tf.runtime.tiles import Tiles
from mscn_tf.stack.keras_versions import trainable_variables_of, variables_of

NETWORKS = {"box": BasisNetwork, "sphere": SphereNetwork}
ROUNDINGS = ("fixed", "straight_through", "noise")


class Fit(NamedTuple):
    """What the codec makes of a batch of tiles."""

    fitted_error: tf.Tensor  # [B], of the codes before quantisation; with what open gates cost
    coded: Coded
    values: tf.Tensor  # [B, .., C]: what a decoder gives, unclipped
    squared_error: tf.Tensor  # [B], summed over a tile


def _network(config: ml_collections.ConfigDict) -> BasisNetwork:
    domain = config.get("domain", "box")
    if domain not in NETWORKS:
        raise MscnError(f"model.domain={domain}: must be one of {', '.join(NETWORKS)}")
    return NETWORKS[domain](**config.network, name="network")


def tile_shape(config: ml_collections.ConfigDict) -> tuple[int, ...]:
    """Samples along each axis of the tiles that the ``model`` part of a config is trained on."""
    return _network(config).tile_shape


class BasisCodec:
    """Fits codes to tiles by MetaSGD, quantises them and estimates their bits.

    Args:
      config: the ``model`` part of a config: ``network`` and ``prior`` hold the arguments of
        ``BasisNetwork`` (or, where ``domain`` is ``"sphere"``, ``SphereNetwork``) and
        ``ScalePrior``; ``steps`` is the number of inner steps,
        ``first_order`` cuts their gradients from the outer graph; ``rounding`` is how outer
        gradients see quantisation: ``"fixed"`` (quantised codes are given), ``"straight_through"``
        or ``"noise"`` (uniform noise in place of rounding); ``gated``, False where it isn't given,
        takes the inner loop's second and last step from gated codes.
      grid: that of the tiles, for each axis ``[1, N]``; None is the network's nominal one. Only on
        the sphere does another make sense.

    Raises:
      MscnError: there is no such ``rounding`` or ``domain``.
    """

    def __init__(self, config: ml_collections.ConfigDict, grid: Sequence[np.ndarray] | None = None):
        self.network = _network(config)
        self.prior = ScalePrior(config.network.code_size, **config.prior, name="prior")
        self.network.build(None)
        self.prior.build(None)
        self.steps = config.steps
        self.first_order = config.first_order
        self.gated = config.get("gated", False)
        if config.rounding not in ROUNDINGS:
            raise MscnError(
                f"model.rounding={config.rounding}: must be one of {', '.join(ROUNDINGS)}"
            )
        self.rounding = config.rounding
        # On the training grid the cosines are orthonormal: 1/2 makes the first step the exact
        # least-squares analysis of the linear part. Later ones must mind the network's curvature.
        sizes = np.full([config.steps, config.network.code_size], 0.3, np.float32)
        sizes[0] = 0.5
        self.step_sizes = tf.Variable(sizes, name="step_sizes")
        self.grid = [axis.astype(np.float32) for axis in grid or self.network.nominal_grid]
        self.areas = self.network.weights_of(self.grid)

    @classmethod
    def restored(cls, bundle: Bundle, grid: Sequence[np.ndarray] | None = None) -> BasisCodec:
        """The trained codec of a bundle, but for its entropy model: that one is frozen.

        Raises:
          MscnError: the bundle isn't one of a trained tile codec.
        """
        if bundle.scheme is not Tiles or bundle.manifest.model is None:
            raise MscnError(f"bundle {bundle.name}: it has no network that could be fitted")
        codec = cls(ml_collections.ConfigDict(bundle.manifest.model), grid)
        weights = bundle.weights()
        variables = {"step_sizes": codec.step_sizes, **codec.network.named_weights()}
        try:
            for name, variable in variables.items():
                variable.assign(weights[name].reshape(variable.shape))
        except (KeyError, ValueError) as error:
            raise MscnError(
                f"bundle {bundle.name}: its weights do not fit its model ({error})"
            ) from error
        return codec

    @property
    def trainable_variables(self) -> list[tf.Variable]:
        """What training changes: of network, entropy model and inner loop."""
        return [*trainable_variables_of([self.network, self.prior]), self.step_sizes]

    @property
    def variables(self) -> list[tf.Variable]:
        """All that a checkpoint holds."""
        return variables_of([self.network, self.prior, self.step_sizes])

    def synthesise(self, code: tf.Tensor, quality: tf.Tensor) -> tf.Tensor:
        """Codes ``[B, M]`` to tiles ``[B, .., C]``."""
        # The grid is made here, so that a graph folds what depends on it alone.
        return self.network(code, *map(tf.constant, self.grid), quality)

    def error(self, tiles: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
        """``[B]``: squared differences, summed over each tile."""
        squares = tf.square(values - tiles)
        if self.areas is not None:
            squares *= self.areas
        return tf.reduce_sum(squares, list(range(1, squares.shape.rank)))

    def squared_error(self, tiles: tf.Tensor, code: tf.Tensor, quality: tf.Tensor) -> tf.Tensor:
        """``[B]``, summed over each tile."""
        return self.error(tiles, self.synthesise(code, quality))

    def fit_code(self, tiles: tf.Tensor, quality: tf.Tensor, steps: int | None = None) -> tf.Tensor:
        """The inner loop: ``[B, M]``, not quantised.

        At a code of zero the gradient of the linear part is minus twice the inner products with
        its basis, so the first step is taken in closed form; the others see the whole network.
        """
        linear = 2.0 * self.step_sizes[0] * self.network.analyse(tiles, self.grid)
        fitted = inner_loop(
            lambda adapted: self.squared_error(tiles, adapted["code"], quality),
            {"code": linear},
            {"code": self.step_sizes[1:]},
            (self.steps if steps is None else steps) - 1,
            self.first_order,
        )
        return fitted["code"]

    def fit(self, tiles: tf.Tensor, quality: tf.Tensor, seed: tf.Tensor) -> Fit:
        """Tiles ``[B, .., C]`` in [0, 1] at qualities ``[B]`` to codes and back.

        ``seed``, ``[2]`` int32, is that of the noise, where ``rounding`` is noise.
        """
        if self.gated:
            code, fitted_error = self._fit_gated(tiles, quality)
        else:
            code = self.fit_code(tiles, quality)
            fitted_error = self.squared_error(tiles, code, quality)
        if self.rounding == "fixed":
            code = tf.stop_gradient(code)
        coded = self.prior(code, quality, noise_seed=seed if self.rounding == "noise" else None)
        values = self.synthesise(coded.code, quality)
        return Fit(fitted_error, coded, values, self.error(tiles, values))

    def _fit_gated(self, tiles: tf.Tensor, quality: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Codes ``[B, M]`` after a step from gated ones, and their loss with gates ``[B]``.

        The step is an encoder's correction (docs/method.md), but that bits of later symbols
        aren't counted. Outer gradients go through gates and step.
        """
        prior = self.prior
        code = 2.0 * self.step_sizes[0] * self.network.analyse(tiles, self.grid)
        step = prior.step(quality)
        sizes = tf.maximum(tf.round(tf.abs(code / step)), 1.0)  # of what is open
        bits = prior.bits_over_zero(sizes, code / step, quality)
        price = prior.rate_weight * tf.maximum(bits, 0.0)

        def gates(code: tf.Tensor) -> tf.Tensor:
            return tf.sigmoid((tf.square(code / step) - price) / TEMPERATURE)

        known = gates(code) * code
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(known)
            error = tf.reduce_sum(self.squared_error(tiles, known, quality))
        moved = known - self.step_sizes[0] * tape.gradient(error, known)
        code += CORRECTION * (moved - code)
        opened = gates(code)
        error = self.squared_error(tiles, opened * code, quality)
        return code, error + tf.reduce_sum(opened * price * tf.square(step), 1)
