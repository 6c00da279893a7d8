"""What is measured of a network, and stored of a signal."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from mscn_tf.experiments.data import SignalSet
from mscn_tf.experiments.measure import decoded_values, measure, psnr, stored_values
from mscn_tf.export.compaction import compacted
from mscn_tf.fitting.meta_learner import MetaLearner
from mscn_tf.runtime.grids import centres
from tests.modulated import get_config, model, runs, signals

KINDS = {
    "dense": dict(),
    "latent": dict(modulation="latent", latent_size=6),
    "delta": dict(sparsity="gates"),
    "delta, shared": dict(sparsity="gates", per_signal=False),
    "delta, shifts": dict(sparsity="gates", modulation="shift", granularity="modulation"),
    "delta, group": dict(sparsity="gates", granularity="group"),
    "all": dict(sparsity="gates", target="all"),
    "all, group": dict(sparsity="gates", target="all", granularity="group"),
    "all, activation": dict(sparsity="gates", target="all", granularity="activation"),
    "all, activation of shifts": dict(
        sparsity="gates", target="all", granularity="activation", modulation="shift"
    ),
    "all, shared": dict(sparsity="gates", target="all", per_signal=False),
    "all, modulation": dict(
        sparsity="gates", target="all", granularity="modulation", modulation="shift"
    ),
    "gradient": dict(sparsity="gradient"),
    "mask": dict(sparsity="mask"),
    "mask, all": dict(sparsity="mask", target="all"),
}
every_kind = pytest.mark.parametrize("kind", list(KINDS))
DATA = signals()
X = DATA.coordinates
B = len(DATA.test)


def half_closed(kind):
    """A fit whose gates start half closed, half open, a few in between; and what it adapts."""
    fit = MetaLearner(**model(**KINDS[kind]), seed=1)
    starts = np.random.default_rng(0).choice([-6.0, 0.4, 6.0], fit.gated_size, p=[0.5, 0.2, 0.3])
    if fit.sparsity == "gates":
        fit.modulation.gates.log_alpha.assign(starts[: fit.modulation.gate_count])
    elif fit.sparsity == "gradient":
        fit.step_sizes["code"].gates.log_alpha.assign(starts)
    elif fit.sparsity == "mask":
        fit.modulation.mask.assign(starts > 0)
    return fit, fit.adapt(tf.constant(DATA.test), tf.constant(X))


@every_kind
def test_what_is_stored_decodes_to_the_networks_values(kind):
    fit, adapted = half_closed(kind)
    stored = stored_values(fit, adapted)
    assert stored.shape[0] == B
    expected = fit.network(tf.constant(X), adapted).numpy()
    assert np.ptp(expected) > 0.05
    np.testing.assert_allclose(decoded_values(fit, stored, X), expected, rtol=0, atol=2e-5)
    # Signals differ, and so does what the code says of them.
    assert np.abs(expected[0] - expected[1]).max() > 1e-3


@every_kind
def test_what_is_stored_is_as_sparse_as_said(kind):
    """Where gates are on single elements, their number; never more than all that there are."""
    fit, adapted = half_closed(kind)
    stored, kept = stored_values(fit, adapted), fit.kept(adapted).numpy()
    nonzeros = np.count_nonzero(stored, axis=1)
    if kind in ("all, activation", "all, activation of shifts"):
        assert np.all(nonzeros < 0.6 * stored.shape[1])  # half of the units are closed
    elif kind != "all, modulation":
        np.testing.assert_array_equal(nonzeros, kept)
        assert kind in ("dense", "latent") or np.all(kept < 0.7 * fit.gated_size)


def test_stored_activations_are_those_of_a_compacted_network():
    """As many numbers as the network that is left has."""
    fit, adapted = half_closed("all, activation")
    stored = stored_values(fit, adapted)
    for b in range(B):
        narrow = compacted(fit.network, {k: v[b : b + 1] for k, v in adapted.items()})
        assert np.count_nonzero(stored[b]) == sum(layer.count_params() for layer in narrow.layers)


def test_psnr_is_the_mean_over_signals_of_clipped_values():
    values = np.stack([np.full([4, 3], 0.6), np.full([4, 3], 2.0)])
    wanted = np.stack([np.full([4, 3], 0.5), np.full([4, 3], 0.9)])
    np.testing.assert_allclose(psnr(values, wanted), 20.0)


@pytest.fixture(scope="module")
def row():
    """A row of an experiment with all that it may have."""
    config = get_config()
    config.update(other_steps=(0, 1, 2, 6), quantiser_steps=(0.02, 0.5))
    config.adam.update(steps=40, rate=3e-3)
    (one,) = runs(config, "MSCN, delta")
    fit, adapted = half_closed("delta")
    return measure(fit, DATA, one.config), fit, adapted


def test_a_row(row):
    measured, fit, adapted = row
    values = fit.network(tf.constant(X), adapted).numpy()
    kept = fit.kept(adapted).numpy()
    assert measured["elements"] == fit.gated_size
    np.testing.assert_allclose(measured["kept"], kept.mean())
    np.testing.assert_allclose(measured["kept_sd"], kept.std(), atol=1e-6)
    np.testing.assert_allclose(measured["psnr"], psnr(values, DATA.test), rtol=1e-5)
    np.testing.assert_allclose(measured["psnr_2"], measured["psnr"])
    assert measured["psnr_0"] < measured["psnr_1"] < measured["psnr_2"] < measured["psnr_6"]
    assert measured["psnr_adam"] > measured["psnr"] + 0.1


def test_frozen_gates_are_those_of_meta_training(row):
    """One set for all signals; the codes move, and the gates that could have moved do not."""
    measured, fit, _ = row
    start = fit.modulation.gates(fit.modulation.gates.initial(1))[0].numpy()
    frozen = fit.adapt(tf.constant(DATA.test), tf.constant(X), frozen_gates=True)
    adapted = fit.adapt(tf.constant(DATA.test), tf.constant(X))
    assert measured["kept_frozen"] == np.count_nonzero(start > 0.2)
    initial = fit.modulation.initial(B)["log_alpha"].numpy()
    np.testing.assert_array_equal(frozen["log_alpha"].numpy(), initial)
    assert np.abs(adapted["log_alpha"].numpy() - initial).max() > 1e-4
    values = fit.network(tf.constant(X), frozen).numpy()
    np.testing.assert_allclose(measured["psnr_frozen"], psnr(values, DATA.test), rtol=1e-5)
    assert measured["psnr_frozen"] != measured["psnr"]


def test_bytes_of_a_row(row):
    measured = row[0]
    fine, coarse = measured["stored"]
    assert fine["step"] == 0.02
    assert fine["bytes"] > coarse["bytes"] > 8
    np.testing.assert_allclose(fine["psnr"], measured["psnr"], atol=0.05)
    assert coarse["psnr"] < fine["psnr"]
    # Ten bits for each kept number, or less, at a fiftieth of their root mean square.
    assert fine["bytes"] < 10 / 8 * measured["kept"] + 20


def test_scenes_are_judged_by_views_also_where_they_are_stored():
    """A cube whose upper half is solid; fine steps give the views of what isn't rounded."""
    axes = np.stack(np.meshgrid(*[centres(6)] * 3, indexing="ij"), -1).reshape(-1, 3)
    density, colours = 0.5 + 0.4 * axes[:, 2:], 0.75 + 0.2 * axes[:, :1] * [1.0, 0.5, 0.0]
    scene = np.concatenate([density, colours], 1)[None].astype(np.float32)
    data = SignalSet(scene, scene, scene, axes.astype(np.float32), (6, 6, 6))
    config = get_config()
    config.update(modality="scene", quantiser_steps=(0.01, 1.0))
    config.adam.steps = 0
    config.model.update(axes=3, channels=4, w0=4.0, steps=12, step_size=1.0)
    (one,) = runs(config, "dense")
    measured = measure(MetaLearner(**one.config.model, seed=1), data, one.config)
    fine, coarse = measured["stored"]
    np.testing.assert_allclose(fine["view_psnr"], measured["view_psnr"], atol=0.1)
    assert coarse["view_psnr"] < fine["view_psnr"] - 1


def test_adam_moves_nothing_that_gates_hold():
    """Codes under closed gradient gates stay zero, so nothing more is to be stored."""
    fit, _ = half_closed("gradient")
    fit.step_sizes["code"].gates.log_alpha.assign(np.full(fit.gated_size, -9.0))
    config = get_config()
    (one,) = runs(config, "dense")
    measured = measure(fit, DATA, one.config)
    assert measured["kept"] == 0
    np.testing.assert_allclose(measured["psnr_adam"], measured["psnr"], rtol=1e-6)


def test_shapes_are_judged_by_what_is_inside():
    fit, adapted = half_closed("dense")
    config = get_config()
    config.modality = "silhouette"
    (one,) = runs(config, "dense")
    measured = measure(fit, DATA, one.config)
    inside = fit.network(tf.constant(X), adapted).numpy() >= 0.5
    wanted = DATA.test >= 0.5
    np.testing.assert_allclose(measured["accuracy"], np.mean(inside == wanted), atol=0.01)
    ious = [np.sum(a & b) / np.sum(a | b) for a, b in zip(inside, wanted)]
    np.testing.assert_allclose(measured["iou"], np.mean(ious), atol=0.01)
