"""The outer loop in Keras: `compile`, `fit`, `evaluate` and `predict` of what adapts to signals."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, Union

import keras
import tensorflow as tf

from mscn_tf.fitting.price import PriceRule
from mscn_tf.stack.keras_versions import plain

PRICE_FOLLOWS = ("stored", "expected")

Optimizer = Union[str, keras.optimizers.Optimizer]


class OuterLoop(keras.Model):
    """How `MetaLearner` is trained: each step adapts to a batch, then lowers the loss that is left.

    Data are signals on a grid ``[B, N1, .., Nd, C]``, arrays or a `tf.data` set of batches; or a
    set of pairs, signals ``[B, N, C]`` and coordinates ``[N, d]``. There are no targets. Logs have
    the ``loss``, error and price, ``psnr`` in dB, and ``kept``, the share of the elements under
    gates that is to be stored.
    """

    price: Any  # the weight
    first_price: float
    sampled: bool
    seed: int

    @property
    def gated_size(self) -> int:
        """Number of elements that gates, or a mask, may leave out."""
        raise NotImplementedError

    @property
    def learned_apart(self) -> dict[str, list[Any]]:
        """The weights that may have an optimizer of their own: "step_sizes" and "gates"."""
        raise NotImplementedError

    def adapt(
        self, signals: tf.Tensor, coordinates: tf.Tensor | None, noise: Mapping[str, tf.Tensor]
    ) -> dict[str, tf.Tensor]:
        """The inner loop."""
        raise NotImplementedError

    def errors(
        self,
        adapted: Mapping[str, tf.Tensor],
        signals: tf.Tensor,
        coordinates: tf.Tensor | None,
    ) -> tf.Tensor:
        """Mean squared error of each signal, ``[B]``."""
        raise NotImplementedError

    def density(self, adapted: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Expected share of non-zeros among the elements under gates, ``[B]``."""
        raise NotImplementedError

    def kept(self, adapted: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Number of elements that deterministic gates leave, ``[B]``."""
        raise NotImplementedError

    def noise(self, batch: int | tf.Tensor, seed: tf.Tensor) -> dict[str, tf.Tensor]:
        """One sample of everything that is random."""
        raise NotImplementedError

    def compile(
        self,
        optimizer: Optimizer = "adam",
        *,
        step_size_optimizer: Optimizer | None = None,
        gate_optimizer: Optimizer | None = None,
        density: float = 1.0,
        anneal: tuple[int, int] = (0, 0),
        price_rate: float = 0.015,
        price_follows: str = "stored",
        jit_compile: bool = False,
        **kwargs: Any,
    ) -> None:
        """Says how the model is trained.

        Args:
          optimizer: of all that is learned, but for what the next two change.
          step_size_optimizer: of step sizes; they are learned as logarithms, which bear a larger
            rate than weights do. None: the same.
          gate_optimizer: of where gates start, which do so too.
          density: share of the elements under gates that a signal is to keep, in (0, 1].
          anneal: outer steps between which what is wanted falls from 1 to ``density``.
          price_rate: how fast the price follows (`PriceRule`).
          price_follows: what is to reach the density: what is "stored", by deterministic gates, or
            the number "expected" of sampled ones.
          jit_compile: whether steps are compiled with XLA, which pays in long trainings.
          **kwargs: others of `keras.Model.compile`, but ``loss`` and ``metrics``: they're given.

        Raises:
          ValueError: an argument is out of its range; a density is wanted where there are no gates;
            or an optimizer averages its weights (``use_ema``), but isn't the only one.
        """
        if price_follows not in PRICE_FOLLOWS:
            raise ValueError(
                f"price_follows must be one of {', '.join(PRICE_FOLLOWS)}: {price_follows}"
            )
        if not 0 < density <= 1 or not 0 <= anneal[0] <= anneal[1]:
            raise ValueError(
                "training needs 0 < density <= 1, and steps 0 <= first <= last to anneal between, "
                f"not {density} and {tuple(anneal)}"
            )
        if density < 1 and not self.learned_apart["gates"]:
            raise ValueError(f"a density of {density} needs gates, which this model has none of")
        super().compile(optimizer=optimizer, jit_compile=jit_compile, **kwargs)
        self.step_size_optimizer = _optimizer(step_size_optimizer)
        self.gate_optimizer = _optimizer(gate_optimizer)
        self._compiled_with = {
            "density": density,
            "anneal": list(anneal),
            "price_rate": price_rate,
            "price_follows": price_follows,
        }
        # Hidden from Keras, which would count what is in here among the model's weights.
        self._outer = SimpleNamespace(
            groups=self._groups(),
            rule=PriceRule(self.first_price, density, *anneal, price_rate),
            means={name: keras.metrics.Mean(name) for name in ("loss", "psnr", "kept")},
        )

    def _groups(self) -> list[tuple[list[Any], keras.optimizers.Optimizer]]:
        """Weights, and the optimizer that changes them."""
        own = {"step_sizes": self.step_size_optimizer, "gates": self.gate_optimizer}
        apart = [(self.learned_apart[name], one) for name, one in own.items() if one is not None]
        known = {id(weight) for weights, _ in apart for weight in weights}
        rest = [weight for weight in self.trainable_variables if id(weight) not in known]
        groups = [(rest, self.optimizer), *((weights, one) for weights, one in apart if weights)]
        if len(groups) > 1 and any(optimizer.use_ema for _, optimizer in groups):
            raise ValueError("use_ema needs one optimizer for all: its averages are of all weights")
        for weights, optimizer in groups:
            optimizer.build(weights)
        return groups

    def get_compile_config(self) -> dict[str, Any] | None:
        config = super().get_compile_config()
        if not config:
            return config
        serialize = keras.saving.serialize_keras_object
        apart = {
            name: one and serialize(one)
            for name, one in (
                ("step_size_optimizer", self.step_size_optimizer),
                ("gate_optimizer", self.gate_optimizer),
            )
        }
        return {**config, **apart, **self._compiled_with}

    def compile_from_config(self, config: dict[str, Any]) -> None:
        given = keras.saving.deserialize_keras_object(config)
        of_model = ("loss", "metrics", "loss_weights", "weighted_metrics")
        self.compile(**{name: value for name, value in given.items() if name not in of_model})

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """Means over an epoch; none before the model is compiled."""
        return list(self._outer.means.values()) if hasattr(self, "_outer") else []

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        """One outer step, through the inner ones."""
        signals, coordinates = _unpacked(data)
        step = tf.cast(plain(self.optimizer.iterations), tf.int32)
        noise: dict[str, tf.Tensor] = {}
        if self.sampled:
            noise = self.noise(tf.shape(signals)[0], tf.stack([self.seed, 2 * step]))
        weights = [plain(weight) for group, _ in self._outer.groups for weight in group]
        with tf.GradientTape() as tape:
            losses, measured = self._measured(signals, coordinates, noise)
            loss = tf.reduce_mean(losses)
        gradients = tape.gradient(loss, weights, unconnected_gradients="zero")
        for group, optimizer in self._outer.groups:
            mine, gradients = gradients[: len(group)], gradients[len(group) :]
            optimizer.apply_gradients(zip(mine, group))
        follows = "kept" if self._compiled_with["price_follows"] == "stored" else "density"
        density = tf.reduce_mean(measured[follows])
        self.price.assign(self._outer.rule.moved(self.price, density, step + 1))
        return self._logs(measured)

    def test_step(self, data: Any) -> dict[str, tf.Tensor]:
        """Measures what the inner loop, with deterministic gates, leaves of a batch's error."""
        return self._logs(self._measured(*_unpacked(data), {})[1])

    def predict_step(self, data: Any) -> tf.Tensor:
        """What is reconstructed of a batch."""
        return self(*_unpacked(data), training=False)

    def _measured(
        self, signals: tf.Tensor, coordinates: tf.Tensor | None, noise: Mapping[str, tf.Tensor]
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """Of each signal, ``[B]``, and what is measured of it, by name."""
        adapted = self.adapt(signals, coordinates, noise)
        errors, density = self.errors(adapted, signals, coordinates), self.density(adapted)
        losses = errors + self.price * density
        return losses, {
            "loss": losses,
            "psnr": -10 / math.log(10) * tf.math.log(errors),
            "kept": self.kept(adapted) / self.gated_size,
            "density": density,
        }

    def _logs(self, measured: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        for name, mean in self._outer.means.items():
            mean.update_state(measured[name])
        return {name: mean.result() for name, mean in self._outer.means.items()}


def _optimizer(given: Optimizer | None) -> keras.optimizers.Optimizer | None:
    return None if given is None else keras.optimizers.get(given)


def _unpacked(data: Any) -> tuple[tf.Tensor, tf.Tensor | None]:
    """A batch's signals, and coordinates if there are any."""
    signals, coordinates, weights = keras.utils.unpack_x_y_sample_weight(data)
    if weights is not None:
        raise ValueError("a batch is signals, or signals and coordinates: weights have no use")
    return signals, coordinates
