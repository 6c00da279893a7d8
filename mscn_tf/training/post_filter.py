"""The outer loop of the network that mends the pictures of a pyramid codec."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import ml_collections
import numpy as np
import tensorflow as tf
from PIL import Image
from tqdm import tqdm

from mscn_tf.entropy.frequencies import whole_frequencies
from mscn_tf.fitting.pyramid import added_by_filter, quantise, to_channels
from mscn_tf.networks.post_filter import PostFilter
from mscn_tf.runtime import adaptive_filter
from mscn_tf.runtime.bundle import Bundle
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.post_filter import INPUT_SCALE, MARGIN, whole_pixels
from mscn_tf.runtime.pyramids import Pyramids
from mscn_tf.runtime.quality import LEVELS
from mscn_tf.runtime.wavelet import analyse, synthesise
from mscn_tf.signals.datasets import load_pictures
from mscn_tf.stack.keras_versions import trainable_variables_of
from mscn_tf.training.filter_updates import Quadratic, frozen_directions, learn_directions
from mscn_tf.training.loop import Row, Trainer
from mscn_tf.training.outer_step import Losses, OuterStep, warmed_up_adam
from mscn_tf.training.prefetch import Prefetch
from mscn_tf.training.pyramid_updates import evenly, learn_updates

_LEAST = 1e-7  # squared error that is more than none
_TAPS = 4.0  # mean size of those that pictures choose, about
_BLOCKS = 2**15  # of 2x2 pixels, at most, that a picture's errors are taken from


class _Example(NamedTuple):
    """A picture and what a codec makes of it.

    Attributes:
      decoded: int16 ``[H, W, 3]``, values less 1/2 times `INPUT_SCALE`.
      original: uint8 ``[H, W, 3]``.
      error: mean squared error of values before it is mended.
    """

    decoded: np.ndarray
    original: np.ndarray
    error: float


class PostFilterTrainer(Trainer):
    """Learns what to add to decoded pictures, of a codec that is there already.

    A codec that has a filter codes as it does with that one, and the training goes on from it.

    A step draws patches of pictures that were coded at one quality. The loss of a patch is what
    is left of its picture's squared error, so that all pictures and qualities count alike.

    Args:
      config: see ``mscn_tf/configs/photo_filter.py``.

    Raises:
      MscnError: ``config.coded_by`` is no codec of pyramids, or its filter has another width.
    """

    def __init__(self, config: ml_collections.ConfigDict):
        super().__init__(config)
        self.bundle = Bundle.load(config.coded_by)
        if self.bundle.scheme is not Pyramids:
            raise MscnError(f"config.coded_by={config.coded_by}: not a codec of pyramids")
        self._scheme = Pyramids(self.bundle)
        self.network = PostFilter(self.bundle.manifest.channels, **config.post_filter)
        self.network.build()
        self._variables = trainable_variables_of([self.network])
        self.optimizer = warmed_up_adam(config, config.optimizer.rate)
        self.optimizer.build(self._variables)
        self.held_out = load_pictures(config.data.validation, 2)[: config.validation_pictures]
        pictures = load_pictures(config.data.train, 2)
        self._some = evenly(pictures, config.freeze_pictures)
        self.examples = self._examples(pictures)
        self._start()
        self._batches = Prefetch(self.batch)
        self._outer_step = OuterStep(
            self._losses,
            [(self._variables, self.optimizer)],
            config.optimizer.clip,
            self._finish,
            config.xla,
        )

    def _start(self) -> None:
        """From the filter that the codec has, if it has one."""
        arrays = self.bundle.arrays("filter")
        if not arrays:
            self.network.log_error.assign(self._log_errors())
            return
        try:
            self.network.thaw(arrays)
        except ValueError as error:
            raise MscnError(
                f"config.coded_by={self.config.coded_by}: its filter isn't of "
                f"config.post_filter.width={self.network.width}"
            ) from error

    def checkpointed(self) -> dict[str, Any]:
        return {"network": self.network, "optimizer": self.optimizer}

    def _finish(self) -> None:
        self.network.constrain()
        self.step.assign_add(1)

    def _examples(self, pictures: Sequence[np.ndarray]) -> dict[int, list[_Example]]:
        """By quality: pictures at all training scales, each at a few of the qualities."""
        config = self.config
        random = np.random.default_rng(config.seed)
        grid = np.array([round(16 * quality) for quality in config.data.qualities])
        scaled = [_resized(picture, scale) for picture in pictures for scale in config.data.scales]
        examples: dict[int, list[_Example]] = {q16: [] for q16 in grid.tolist()}
        for picture in tqdm(scaled, "coding", unit="picture", disable=None):
            if min(picture.shape[:2]) < config.patch + 2 * MARGIN:
                continue
            chosen = random.choice(grid, config.data.qualities_of_picture, replace=False)
            for q16 in chosen.tolist():
                examples[q16].append(self._coded(picture, q16))
        return {q16: found for q16, found in examples.items() if found}

    def _log_errors(self) -> np.ndarray:
        """[10]: logarithms of root-mean-square errors, at qualities 1 to 10."""
        grid = sorted(self.examples)
        errors = [
            np.mean([0.5 * np.log(max(e.error, _LEAST)) for e in self.examples[q]]) for q in grid
        ]
        return np.interp(16 * np.arange(1, LEVELS + 1), grid, errors).astype(np.float32)

    def _coded(self, picture: np.ndarray, q16: int) -> _Example:
        scheme, (height, width) = self._scheme, picture.shape[:2]
        prior, rate_weight = scheme.prior, self.bundle.manifest.rate_weight or 0.0
        pyramid = analyse(to_channels(picture, scheme.colour), prior.levels)
        added = added_by_filter(scheme, q16)
        passes = scheme.default_effort
        fitted = quantise(prior, pyramid, height, width, q16, rate_weight, passes, added)
        coded = prior.coded(fitted, height, width, q16)
        values = scheme.values(synthesise(prior.dequantise(coded, q16), height, width))
        error = float(np.mean((values - picture / 255) ** 2))
        return _Example(whole_pixels(values).astype(np.int16), picture, error)

    def batch(self, step: int) -> tuple[np.ndarray, ...]:
        """What one outer step sees: decoded ``[B, n + 2 m, n + 2 m, 3]``, m being the margin.

        And original ``[B, n, n, 3]``, how much a squared error counts ``[B]``, and the quality in
        sixteenths ``[B]``.
        """
        random = np.random.default_rng([self.config.seed, step])
        q16 = int(random.choice(list(self.examples)))
        examples, edge = self.examples[q16], self.config.patch + 2 * MARGIN
        sizes = np.array([example.original.size for example in examples], float)
        decoded, original, weight = [], [], []
        for number in random.choice(len(examples), self.config.batch, p=sizes / sizes.sum()):
            example = examples[number]
            y, x = (2 * random.integers((n - edge) // 2 + 1) for n in example.decoded.shape[:2])
            part = (slice(y, y + edge), slice(x, x + edge))
            patches = [example.decoded[part], example.original[part]]
            if random.random() < 0.5:
                patches = [patch[:, ::-1] for patch in patches]
            if random.random() < 0.5:
                patches = [patch.swapaxes(0, 1) for patch in patches]
            decoded.append(patches[0] / np.float32(INPUT_SCALE) + np.float32(0.5))
            within = slice(MARGIN, -MARGIN)
            original.append(patches[1][within, within] / np.float32(255))
            weight.append(1 / max(example.error, _LEAST))
        size = len(weight)
        return (
            np.stack(decoded),
            np.stack(original),
            np.array(weight, np.float32),
            np.full(size, q16, np.float32),
        )

    def _losses(
        self, decoded: tf.Tensor, original: tf.Tensor, weight: tf.Tensor, q16: tf.Tensor
    ) -> Losses:
        within = decoded[:, MARGIN:-MARGIN, MARGIN:-MARGIN]
        mended = within + self.network(decoded, q16[0])

        def left(values: tf.Tensor) -> tf.Tensor:
            return weight * tf.reduce_mean(tf.square(values - original), [1, 2, 3])

        loss = left(mended)
        return loss, {"left": loss, "unmended": left(within)}

    def update(self, step: int) -> dict[str, tf.Tensor]:
        return self._outer_step(self._batches(step))

    def freeze(self) -> dict[str, np.ndarray]:
        """The arrays of the runtime's filter, and what its prior has of what pictures say."""
        prior, scheme = self.bundle.arrays("prior"), self._scheme
        rate_weight = self.bundle.manifest.rate_weight or 0.0
        updates = learn_updates(prior, self._some, scheme.colour, rate_weight, self.config.seed)
        return {**self.network.frozen(), **self._directions(), **updates, **_tap_frequencies()}

    def _directions(self) -> dict[str, np.ndarray]:
        """The arrays of the runtime's updates of a filter."""
        if not self.config.directions:
            return {}
        coded = [(q16, example) for q16, some in self.examples.items() for example in some]
        quadratics = [self._quadratic(*one) for one in tqdm(coded, "errors", disable=None)]
        return frozen_directions(quadratics, learn_directions(quadratics, self.config.directions))

    def _quadratic(self, q16: int, example: _Example) -> Quadratic:
        """Of a picture's blocks of 2x2, the middle rows of them if they are many."""
        height, width = example.original.shape[:2]
        rows = min(height, 2 * _BLOCKS // width * 2)
        top = (height - rows) // 4 * 2
        decoded = example.decoded[top : top + rows].astype(np.float32)
        values = tf.constant(decoded[None] / np.float32(INPUT_SCALE) + np.float32(0.5))
        quality = tf.constant(float(q16))
        hidden = self.network.hidden(values, quality)
        features = tf.image.extract_patches(
            hidden, [1, 3, 3, 1], [1, 1, 1, 1], [1, 1, 1, 1], "VALID"
        )
        correction = self.network.correction(hidden, quality)
        mended = values[:, MARGIN:-MARGIN, MARGIN:-MARGIN] + correction
        original = example.original[top : top + rows] / np.float32(255)
        left = original[None, MARGIN:-MARGIN, MARGIN:-MARGIN] - mended
        left = tf.nn.space_to_depth(left, 2) / self.network.unit(quality)
        seen = features.numpy().reshape(-1, features.shape[-1])
        seen = np.concatenate([seen, np.ones((len(seen), 1))], 1)  # float64, exactly
        return Quadratic.of(seen, left.numpy().reshape(len(seen), -1).astype(np.float64))

    def evaluate(self) -> list[Row]:
        """PSNR of held-out pictures at each quality, before and after."""
        rows = []
        for quality in self.config.evaluate_qualities:
            q16, results = round(16 * quality), []
            for picture in self.held_out:
                height, width = (side // 2 * 2 for side in picture.shape[:2])
                decoded, original, _ = self._coded(picture[:height, :width], q16)
                values = decoded[None] / np.float32(INPUT_SCALE) + np.float32(0.5)
                within = slice(MARGIN, -MARGIN)
                mended = values[:, within, within] + self.network(values, tf.constant(float(q16)))
                rest = np.mean((mended[0] - original[within, within] / 255.0) ** 2)
                before = np.mean((values[0] - original / 255.0)[within, within] ** 2)
                results.append((_decibels(before), _decibels(rest)))
            before, after = np.mean(results, axis=0)
            rows.append((f"quality {quality:g}", {"unmended": float(before), "psnr": float(after)}))
        return rows


def _decibels(error: float) -> float:
    return -10 * np.log10(max(float(error), 1e-9))


def _resized(picture: np.ndarray, scale: float) -> np.ndarray:
    """Of even sides."""
    size = [max(2, round(side * scale / 2) * 2) for side in picture.shape[1::-1]]
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS))


def _tap_frequencies() -> dict[str, np.ndarray]:
    """The array of the runtime's taps, of a Laplace distribution: others cost hardly less."""
    taps = np.arange(-adaptive_filter.LARGEST, adaptive_filter.LARGEST + 1)
    chances = np.exp(-np.abs(taps) / _TAPS)
    return {adaptive_filter.NAME: whole_frequencies(chances / chances.sum())}
