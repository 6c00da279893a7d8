"""A modulated sine network and its inner loop, spelled out for NumPy and for TensorFlow's graphs.

The formulas are those of `mscn_tf.networks` and `mscn_tf.fitting.meta_learner`, with deterministic
gates on the code. ``xp`` is NumPy, or `tensorflow.experimental.numpy`, which makes operations that
every converter knows; the gradient is written out for the same reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

MODULATIONS = ("weights", "shift", "latent", "subspace")
OFFSET = 0.5  # added to outputs, which nominally lie in [0, 1]
_LEAST_GATE = 0.1  # what looking ahead divides by, at least
_LIMIT = 6.0  # largest absolute value of a gate's log alpha

Array = Any  # of NumPy or TensorFlow


class Network:
    """f(x; theta0 + code), and what its error says of codes.

    Args:
      xp: the array namespace.
      model: the manifest's: ``w0``, ``modulation``.
      weights: ``kernel_i`` ``[in, out]`` and ``bias_i`` ``[out]`` of each layer, of latents the
        ``map`` ``[K, hidden units]`` to shifts; ``places`` whole numbers ``[K]``, where in a code
        of a file each element stands, or M: nowhere, it is zero.
    """

    def __init__(self, xp: Any, model: Mapping[str, Any], weights: Mapping[str, Array]):
        self._xp, self._kind, self._w0 = xp, model["modulation"], float(model["w0"])
        if self._kind not in MODULATIONS:
            raise ValueError(f"modulation is {self._kind}")
        self._layers = sum(name.startswith("kernel_") for name in weights)
        self._kernels = [weights[f"kernel_{i}"] for i in range(self._layers)]
        self._biases = [weights[f"bias_{i}"] for i in range(self._layers)]
        self._map = weights["map"] if self._kind in ("latent", "subspace") else None
        self._all = self._kind in ("weights", "subspace")  # or shifts only
        self._places = weights["places"]

    @property
    def size(self) -> int:
        """K, elements of a code."""
        return int(self._places.shape[0])

    def placed(self, code: Array) -> Array:
        """A file's codes ``[B, M]`` as those of the network, ``[B, K]``."""
        xp = self._xp
        return xp.take(xp.concatenate([code, code[:, :1] * 0], axis=1), self._places, axis=1)

    def values(self, code: Array, points: Array) -> Array:
        """``[B, N, C]``, nominally in [0, 1]: of codes ``[B, K]`` at points ``[(B,) N, d]``."""
        return self._forward(code, points)[0]

    def gradient(self, code: Array, points: Array, errors_of: Any) -> Array:
        """``[B, K]``: what is passed back from outputs to codes.

        Args:
          code: ``[B, K]``, or ``[1, K]``: the same for all signals.
          points: ``[N, d]``.
          errors_of: maps values ``[.., N, C]`` to the gradient in them, ``[B, N, C]``.
        """
        xp = self._xp
        values, seen, slopes = self._forward(code, points)
        back = errors_of(values)
        found = []
        for i in reversed(range(self._layers)):
            if self._all:
                kernel = xp.matmul(xp.swapaxes(seen[i], -1, -2), back)
                sides = self._kernels[i].shape
                found += [xp.sum(back, axis=1), xp.reshape(kernel, [-1, sides[0] * sides[1]])]
            elif i < self._layers - 1:
                found.append(xp.sum(back, axis=1))
            if i:
                kernel = self._updated(code)[i][0]
                back = xp.matmul(back, xp.swapaxes(kernel, -1, -2)) * slopes[i - 1]
        gradient = xp.concatenate(found[::-1], axis=1)
        return gradient if self._map is None else xp.matmul(gradient, xp.swapaxes(self._map, 0, 1))

    def _forward(self, code: Array, points: Array) -> tuple[Array, list[Array], list[Array]]:
        """Values, each layer's inputs, and the slopes of hidden layers' sines."""
        xp, hidden = self._xp, points
        seen, slopes = [], []
        for i, (kernel, bias) in enumerate(self._updated(code)):
            seen.append(hidden)
            hidden = xp.matmul(hidden, kernel) + bias
            if i < self._layers - 1:
                hidden = hidden * self._w0
                slopes.append(xp.cos(hidden) * self._w0)
                hidden = xp.sin(hidden)
        return hidden + OFFSET, seen, slopes

    def _updated(self, code: Array) -> list[tuple[Array, Array]]:
        """Kernel and bias ``[B, 1, out]`` of each layer."""
        xp, at, layers = self._xp, 0, []
        if self._map is not None:
            code = xp.matmul(code, self._map)
        for i, (kernel, bias) in enumerate(zip(self._kernels, self._biases)):
            inputs, units = kernel.shape
            if self._all:
                part = code[:, at : at + inputs * units]
                kernel = kernel + xp.reshape(part, [-1, inputs, units])
                at += inputs * units
            bias = xp.reshape(bias, [1, 1, units])
            if self._all or i < self._layers - 1:
                bias = bias + xp.reshape(code[:, at : at + units], [-1, 1, units])
                at += units
            layers.append((kernel, bias))
        return layers


class InnerLoop:
    """MetaSGD on codes and gates, from zero and from phi0.

    Args:
      network: of the codec.
      model: the manifest's: ``steps``, and ``stretch`` and ``temperature`` of gates.
      arrays: ``step_sizes`` ``[S, K]``; and where each signal has gates of its own, of which there
        are G, ``log_alpha`` ``[G]`` phi0, ``gate_step_sizes`` ``[S, G]``, ``groups`` ``[K]`` which
        gate each element has, and ``price`` ``[1]``.
    """

    def __init__(self, xp: Any, network: Network, model: Mapping[str, Any], arrays: Any):
        self._xp, self._network, self._steps = xp, network, int(model["steps"])
        self._sizes = arrays["step_sizes"]
        self._gates = None
        if "log_alpha" in arrays:
            self._gates = _Gates(xp, model, arrays)

    def __call__(self, signals: Array, points: Array) -> Array:
        """Codes ``[B, K]``, gated, of signals ``[B, N, C]`` at points ``[N, d]``."""
        xp, gates = self._xp, self._gates
        code = self._sizes[:1] * 0
        log_alpha = None if gates is None else gates.start
        scale = 2.0 / (signals.shape[1] * signals.shape[2])  # of a mean of squares
        for step in range(self._steps):
            size = self._sizes[min(step, self._sizes.shape[0] - 1)]
            gated = code if gates is None else code * gates(log_alpha)[0]
            gradient = self._network.gradient(gated, points, lambda v: (v - signals) * scale)
            if gates is None:
                code = code - size * gradient
                continue
            value, slope = gates(log_alpha)
            slid = gradient * code
            if step == 0:
                least = xp.maximum(value, value * 0 + _LEAST_GATE)
                slid = -size * (value * gradient) ** 2 / least
            log_alpha = gates.moved(log_alpha, slid * slope, step)
            code = code - size * value * gradient
        return code if gates is None else code * gates(log_alpha)[0]


class _Gates:
    """Hard-concrete gates of each signal, deterministic."""

    def __init__(self, xp: Any, model: Mapping[str, Any], arrays: Mapping[str, Array]):
        self._xp = xp
        self._low, self._high = (float(end) for end in model["stretch"])
        self.start = arrays["log_alpha"][None]
        self._sizes = arrays["gate_step_sizes"]
        groups = np.asarray(arrays["groups"])
        count = self.start.shape[1]
        plain = len(groups) == count
        # [K, G]: which gate is whose; None: each element has its own.
        self._owner = None if plain else np.eye(count, dtype=np.float32)[groups]
        share = np.bincount(groups, minlength=count).astype(np.float32) / len(groups)
        self._price = np.float32(arrays["price"][0]) * share
        self._shift = np.float32(float(model["temperature"]) * np.log(-self._low / self._high))

    def __call__(self, log_alpha: Array) -> tuple[Array, Array]:
        """Of each element ``[B, K]`` the gate, and its slope in its log alpha."""
        xp = self._xp
        concrete = _sigmoid(xp, self._spread(log_alpha))
        stretched = concrete * (self._high - self._low) + self._low
        value = xp.minimum(xp.maximum(stretched, stretched * 0), stretched * 0 + 1)
        slope = (self._high - self._low) * concrete * (1 - concrete)
        return value, xp.where(value == stretched, slope, slope * 0)

    def moved(self, log_alpha: Array, gradient: Array, step: int) -> Array:
        """After a step: ``gradient`` ``[B, K]`` is the error's, to which the price's comes."""
        xp, owner = self._xp, self._owner
        gradient = gradient if owner is None else xp.matmul(gradient, owner)
        likely = _sigmoid(xp, log_alpha - self._shift)
        gradient = gradient + self._price * likely * (1 - likely)
        moved = log_alpha - self._sizes[min(step, self._sizes.shape[0] - 1)] * gradient
        return xp.minimum(xp.maximum(moved, moved * 0 - _LIMIT), moved * 0 + _LIMIT)

    def _spread(self, log_alpha: Array) -> Array:
        owner = self._owner
        return log_alpha if owner is None else self._xp.matmul(log_alpha, owner.T)


def _sigmoid(xp: Any, x: Array) -> Array:
    return 1.0 / (1.0 + xp.exp(-x))


def points_of(xp: Any, grid: Sequence[Array], sphere: bool) -> Array:
    """``[B, n.., d]``: points of grids, along each axis ``[B, n]``; on a sphere unit vectors."""
    axes = []
    for number, axis in enumerate(grid):
        for place in range(len(grid)):
            if place != number:
                axis = xp.expand_dims(axis, place + 1)
        axes.append(axis)
    nothing = sum(axis * 0 for axis in axes)
    if not sphere:
        return xp.stack([axis + nothing for axis in axes], axis=-1)
    latitude, longitude = axes
    # Cosines as sines: ONNX Runtime knows no others of float64.
    east, north = xp.sin(longitude + np.pi / 2), xp.sin(longitude)
    level = xp.sin(latitude + np.pi / 2)
    return xp.stack([level * east, level * north, xp.sin(latitude) + nothing], axis=-1)
