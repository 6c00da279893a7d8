"""Latents along the principal axes of what they do to values."""

from __future__ import annotations

import numpy as np
import scipy.linalg

from mscn_tf.codec.modulated_network import Network

_RIDGE = 0.1  # of the mean curvature: what hardly moves values is not to become large


def principal_axes(
    network: Network, codes: np.ndarray, points: np.ndarray, channels: int, seed: int
) -> np.ndarray:
    """A basis of codes in which they are uncorrelated, and move values alike, to first order.

    With J what codes do to all values of a signal, E (J'J) = L L' is estimated by random signs r,
    as the mean of (J'r) (J'r)'. In c = U' L' y, with U the principal axes of L' y, the largest
    first, distances of codes are those of values, and few elements hold most of them.

    Args:
      network: of the codec.
      codes: fitted ones of some signals ``[S, K]``, at least K.
      points: of a signal ``[N, d]``.
      channels: C, values at a point.
      seed: of the signs.

    Returns:
      float64 ``[K, K]``: a row for each new element, the old code that it stands for.
    """
    random = np.random.default_rng(seed)
    probes = np.empty(codes.shape)
    for at, code in enumerate(codes):
        signs = random.choice(np.array([-1, 1], np.float32), [1, len(points), channels])
        probes[at] = network.gradient(code[None], points, lambda values, signs=signs: signs)[0]
    curvature = probes.T @ probes / len(probes)
    curvature += _RIDGE * np.trace(curvature) / len(curvature) * np.eye(len(curvature))
    root = np.linalg.cholesky(curvature)
    moved = codes.astype(np.float64) @ root
    _, axes = np.linalg.eigh(moved.T @ moved)
    return scipy.linalg.solve_triangular(root, axes[:, ::-1], lower=True, trans="T").T
