"""Fits a radiance grid to posed pictures by gradient descent through volume rendering."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Optional

import numpy as np
import scipy.ndimage
import tensorflow as tf
from tqdm import tqdm

from mscn_tf.networks.rendering import (
    ImportanceSampling,
    RadianceGrid,
    StratifiedSampling,
    VolumeRendering,
)
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.rendering import DENSITY_SCALE, cube_span
from mscn_tf.signals.views import Views

RAYS = 2048  # a step
_MOST_RAYS = 2**22  # that are kept: 200 MB
_COARSE, _FINE = 48, 48  # samples a ray
_RATE = 0.03
_SMOOTHNESS = 2e-3  # weight of the total variation: settles what no ray sees


def fit_radiance(
    views: Views, resolution: int, steps: int, seed: int = 0, progress: bool = False
) -> np.ndarray:
    """A grid whose renderings are the views.

    Half of the steps are taken at half of the resolution; the others also clear its fog.

    Args:
      views: posed pictures; the scene lies in [-1, 1]^3.
      resolution: R, points along each axis, even.
      steps: of Adam, ``RAYS`` random rays each.
      seed: of the rays and samples.
      progress: shows a bar on standard error.

    Returns:
      float32 ``[R, R, R, 4]``: see ``runtime.rendering.render``. The first channel is clipped to
      [-1, 1], the others to [0, 1].

    Raises:
      MscnError: no camera sees any of the cube.
    """
    random = np.random.default_rng(seed)
    rays = _rays(views)
    grid = np.zeros(0, np.float32)  # nothing yet
    bar = tqdm(total=steps, unit="step", disable=not progress, file=sys.stderr, leave=False)
    with bar:
        for part, size in ((steps // 2, resolution // 2), (steps - steps // 2, resolution)):
            field = RadianceGrid(size, DENSITY_SCALE, refills=not grid.size)
            field.build(None)
            if grid.size:
                finer = scipy.ndimage.zoom(
                    grid, (2, 2, 2, 1), order=1, mode="nearest", grid_mode=True
                )
                field.grid.assign(finer)
            step = _compiled_step(field, part, views.ground)
            for _ in range(part):
                chosen = random.integers(0, len(rays[0]), RAYS)
                step(*(tf.constant(a[chosen]) for a in rays), random.integers(0, 2**31, 2))
                bar.update()
            low = np.array([-1.0, 0, 0, 0], np.float32)
            grid = np.clip(field.grid.numpy(), low, 1.0)
    return grid


def _rays(views: Views) -> list[np.ndarray]:
    """float32 origins, directions, depths of entry and exit, and colours of rays in the cube.

    Of many pictures they are a part, spread evenly over them: steps don't take more.
    """
    pixels = sum(len(picture) * picture.shape[1] for picture in views.pictures)
    every, parts = -(-pixels // _MOST_RAYS), []
    for view, picture in enumerate(views.pictures):
        origin, directions = views.rays(view)
        # Neighbouring pictures give other pixels.
        chosen = np.arange(view % every, len(directions), every)
        directions = directions[chosen]
        near, far = cube_span(origin, directions)
        origins = np.broadcast_to(origin, directions.shape)
        rays = (origins, directions, near, far, picture.reshape(-1, 4)[chosen])
        parts.append([a[far > near].astype(np.float32) for a in rays])
    joined = [np.concatenate(each) for each in zip(*parts)]
    if not len(joined[0]):
        raise MscnError("no camera sees any of the cube; give a larger --bound, or none")
    return joined


def _compiled_step(
    field: RadianceGrid, steps: int, ground: Optional[Sequence[float]]
) -> tf.types.experimental.GenericFunction:
    stratified, importance = StratifiedSampling(_COARSE), ImportanceSampling(_FINE)
    rendering = VolumeRendering()
    schedule = tf.keras.optimizers.schedules.CosineDecay(_RATE, max(steps, 1), alpha=0.1)
    optimizer = tf.keras.optimizers.Adam(schedule, epsilon=1e-8)
    optimizer.build([field.grid])

    def shown(pixels: tf.Tensor) -> tf.Tensor:
        if ground is None:
            return pixels
        # Of opaque pictures nobody knows where they show the ground.
        return pixels[:, :3] + (1 - pixels[:, 3:]) * tf.constant(ground, tf.float32)

    @tf.function(autograph=False)
    def step(
        origin: tf.Tensor,
        direction: tf.Tensor,
        near: tf.Tensor,
        far: tf.Tensor,
        colour: tf.Tensor,
        seed: tf.Tensor,
    ) -> None:
        def render(depths: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            points = origin[:, None] + depths[..., None] * direction[:, None]
            return rendering(*field(points), depths, far)

        seed = tf.cast(seed, tf.int32)
        coarse = stratified(near, far, seed)
        _, weights = render(coarse)
        fine = importance(coarse, weights, seed + 1)
        depths = tf.sort(tf.concat([coarse, fine], 1), axis=1)
        with tf.GradientTape() as tape:
            pixels, _ = render(depths)
            grid = field.grid
            rough = sum(
                tf.reduce_mean(tf.abs(a))
                for a in (
                    grid[1:] - grid[:-1],
                    grid[:, 1:] - grid[:, :-1],
                    grid[:, :, 1:] - grid[:, :, :-1],
                )
            )
            loss = tf.reduce_mean(tf.square(shown(pixels) - shown(colour))) + _SMOOTHNESS * rough
        optimizer.apply_gradients([(tape.gradient(loss, grid), grid)])

    return step
