from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from mscn_tf.fitting.meta_learner import MetaLearner
from mscn_tf.stack.keras_versions import plain, trainable_variables_of
from tests.modulated import model, signals

#: Every kind of modulation and sparsity, and every kind of gate.
KINDS = {
    "dense": dict(),
    "shifts": dict(modulation="shift"),
    "latent": dict(modulation="latent", latent_size=6),
    "gates": dict(sparsity="gates"),
    "gates on all": dict(sparsity="gates", target="all", gate_step_size=8e-3),
    "gates on units": dict(sparsity="gates", granularity="group"),
    "gates on activations": dict(
        sparsity="gates", granularity="activation", target="all", gate_step_size=8e-3
    ),
    "gates on shifts": dict(sparsity="gates", modulation="shift", granularity="modulation"),
    "shared gates": dict(sparsity="gates", per_signal=False),
    "gradient": dict(sparsity="gradient"),
    "mask": dict(sparsity="mask"),
    "mask on all": dict(sparsity="mask", target="all"),
}
every_kind = pytest.mark.parametrize("kind", list(KINDS))
DATA = signals()
X, SIGNALS = tf.constant(DATA.coordinates), tf.constant(DATA.train[:3])


def make(kind, **changes):
    return MetaLearner(**model(**{**KINDS[kind], **changes}), first_price=0.0, seed=1)


@every_kind
@pytest.mark.parametrize("sampled", [False, True])
def test_fitting_lowers_every_error(kind, sampled):
    fit = make(kind)
    noise = fit.noise(3, tf.constant([4, 5])) if sampled else {}
    adapted = fit.adapt(SIGNALS, X, noise, steps=4)
    start = fit.adapt(SIGNALS, X, noise, steps=0)
    assert adapted.keys() == start.keys()
    assert not np.any(start["code"])
    before, after = (fit.errors(one, SIGNALS, X) for one in (start, adapted))
    assert before.shape == (3,)
    assert np.all(after < before)
    assert ("log_alpha" in adapted) == (kind.startswith("gates"))
    values = fit.network(X, adapted)
    np.testing.assert_allclose(after, np.mean((values - SIGNALS) ** 2, axis=(1, 2)), rtol=1e-5)


@every_kind
def test_a_signal_does_not_depend_on_its_batch(kind):
    fit = make(kind)
    fit.price.assign(0.01)
    noise = fit.noise(3, tf.constant([4, 5]))
    own = {name: noise[name] for name in noise if name == "noise"}
    together = fit.adapt(SIGNALS, X, noise)
    for b in range(3):
        part = {name: value[b : b + 1] for name, value in own.items()}
        alone = fit.adapt(SIGNALS[b : b + 1], X, {**noise, **part})
        assert together.keys() == alone.keys()
        for name in together:
            np.testing.assert_allclose(together[name][b], alone[name][0], rtol=1e-4, atol=1e-6)


@every_kind
def test_the_first_step_of_all_signals_together(kind, monkeypatch):
    """As that of each signal's own loss, its price included."""
    fit = make(kind, look_ahead=False)
    fit.price.assign(0.01)
    noise = fit.noise(3, tf.constant([4, 5]))
    found = fit.adapt(SIGNALS, X, noise, steps=2)
    monkeypatch.setattr(MetaLearner, "_first_gradients", lambda *_: None)
    wanted = fit.adapt(SIGNALS, X, noise, steps=2)
    assert found.keys() == wanted.keys()
    for name in wanted:
        largest = np.abs(wanted[name]).max()
        np.testing.assert_allclose(found[name], wanted[name], rtol=1e-4, atol=1e-5 * largest)


@every_kind
def test_density_and_what_is_kept(kind):
    fit = make(kind)
    adapted = fit.adapt(SIGNALS, X)
    density, kept = fit.density(adapted), fit.kept(adapted)
    assert density.shape == kept.shape == (3,)
    assert np.all((kept > 0) & (kept <= fit.gated_size))
    gated = kind == "gradient" or "gates" in kind
    start = fit.density(fit.adapt(SIGNALS, X, steps=0))
    np.testing.assert_allclose(start, [0.9 if gated else 1.0] * 3, rtol=1e-5)
    if not gated:
        np.testing.assert_array_equal(kept, [fit.gated_size] * 3)


def test_a_mask_is_what_is_kept():
    for kind in ("mask", "mask on all"):
        fit = make(kind)
        fit.modulation.mask.assign(np.arange(fit.gated_size) < 20)
        adapted = fit.adapt(SIGNALS, X)
        np.testing.assert_array_equal(fit.kept(adapted), [20] * 3)
        np.testing.assert_allclose(fit.density(adapted), [20 / fit.gated_size] * 3, rtol=1e-6)
        assert np.all(np.count_nonzero(adapted["code"], axis=1) <= 20)  # nothing pulls the others


def test_gradient_gates_keep_codes_at_zero():
    fit = make("gradient")
    closed = np.arange(fit.gated_size) % 3 > 0
    fit.step_sizes["code"].gates.log_alpha.assign(np.where(closed, -20.0, 20.0))
    for noise in (None, fit.noise(3, tf.constant([4, 5]))):
        adapted = fit.adapt(SIGNALS, X, noise)
        assert not np.any(adapted["code"].numpy()[:, closed])
        assert np.all(adapted["code"].numpy()[:, ~closed])
        np.testing.assert_array_equal(fit.kept(adapted), [np.sum(~closed)] * 3)
        np.testing.assert_allclose(fit.density(adapted), [np.mean(~closed)] * 3, rtol=1e-5)


def test_a_price_closes_gates_in_the_inner_loop():
    """Only those that a signal has to itself."""
    for kind, closes in (("gates", True), ("shared gates", False)):
        fit, densities = make(kind), []
        for price in (0.0, 0.3):
            fit.price.assign(price)
            densities.append(fit.density(fit.adapt(SIGNALS, X)).numpy())
        if closes:
            assert np.all(densities[1] < densities[0] - 0.01)
        else:
            np.testing.assert_array_equal(*densities)


def test_gates_differ_from_signal_to_signal():
    fit = make("gates", gate_step_size=250.0, steps=4)
    fit.price.assign(0.03)
    opened = fit.modulation.gate_values(fit.adapt(SIGNALS, X)).numpy() > 0
    assert np.all(opened.any(axis=1) & ~opened.all(axis=1))
    assert np.any(opened[0] != opened[1])
    assert np.any(opened[0] != opened[2])


@pytest.mark.parametrize("look_ahead", [False, True])
def test_only_looking_ahead_lets_the_first_step_tell_signals_apart(look_ahead):
    fit = make("gates", look_ahead=look_ahead)
    fit.price.assign(0.01)
    start, moved = (fit.adapt(SIGNALS, X, steps=steps)["log_alpha"].numpy() for steps in (0, 1))
    change = moved - start
    assert np.all(np.abs(change).max(axis=1) > 1e-6)
    assert np.any(change[0] != change[1]) == look_ahead
    # The price alone closes; the error opens what it has most to gain by.
    assert np.any(change > 0) == look_ahead


def test_steps_have_sizes_of_their_own():
    (one, many) = (make("gates", per_step=per_step).step_sizes for per_step in (False, True))
    for name in ("code", "log_alpha"):
        assert one[name].log_size.shape[0] == 1
        assert many[name].log_size.shape[0] == model().steps


def test_gates_of_one_price_move_as_far_whatever_their_number():
    """A price p moves a gate that is open with probability 1/2 by gate_step_size * p / 4."""
    for width in (4, 8):
        fit = make("gates", width=width, look_ahead=False, initial_open=0.5, gate_step_size=3.0)
        fit.price.assign(0.2)
        start, moved = (fit.adapt(SIGNALS, X, steps=steps)["log_alpha"] for steps in (0, 1))
        np.testing.assert_allclose(start - moved, np.full(start.shape, 0.15), rtol=1e-4)


def test_temperature_and_stretch_reach_the_gates():
    options = dict(temperature=0.5, stretch=(-0.2, 1.3), floor=0.1)
    fit = make("gates", **options)
    gates = [fit.modulation.gates, make("gradient", **options).step_sizes["code"].gates]
    assert [(g.beta, g.gamma, g.zeta) for g in gates] == [(0.5, -0.2, 1.3)] * 2
    assert (gates[0].floor, gates[1].floor) == (0.1, 0)
    assert make("shared gates", **options).modulation.gates.floor == 0  # none would ever close


def test_slices_of_a_batch_have_noise_of_their_own():
    for kind in ("gates", "gradient"):
        fit = make(kind)
        one, two = (fit.noise(2, tf.constant([4, 5]), first) for first in (0, 2))
        if kind == "gates":
            assert np.all(one["noise"] != two["noise"])
        else:  # what all signals share, they share
            np.testing.assert_array_equal(one["step_noise"], two["step_noise"])


@every_kind
def test_noise_is_a_function_of_its_seed(kind):
    fit = make(kind)
    seeds = [tf.constant(seed) for seed in ([4, 5], [4, 5], [4, 6])]
    noise = [fit.noise(3, seed) for seed in seeds]
    assert bool(noise[0]) == ("gates" in kind or kind == "gradient")
    for name in noise[0]:
        np.testing.assert_array_equal(noise[0][name], noise[1][name])
        assert np.any(noise[0][name] != noise[2][name])
    codes = [fit.adapt(SIGNALS, X, one)["code"].numpy() for one in noise]
    np.testing.assert_array_equal(codes[0], codes[1])
    assert np.any(codes[0] != codes[2]) == bool(noise[0])


@every_kind
def test_everything_that_is_shared_learns(kind):
    """The outer gradient reaches theta0, the step sizes and the gates' start, through the steps."""
    fit = make(kind)
    fit.price.assign(0.01)
    noise = fit.noise(3, tf.constant([4, 5]))
    with tf.GradientTape() as tape:
        adapted = fit.adapt(SIGNALS, X, noise)
        total = tf.reduce_mean(fit.errors(adapted, SIGNALS, X) + fit.price * fit.density(adapted))
    learned = trainable_variables_of([fit])
    gradients = tape.gradient(total, learned)
    for variable, gradient in zip(learned, gradients):
        assert gradient is not None, variable.name
        assert np.any(gradient), variable.name
    assert all(plain(fit.price) is not variable for variable in learned)


def test_options_of_the_inner_loop():
    assert make("dense", meta_sgd=False, per_step=False).step_sizes["code"].log_size.shape == (1, 1)
    few, many = (make("dense", steps=steps) for steps in (1, 4))
    errors = [np.mean(fit.errors(fit.adapt(SIGNALS, X), SIGNALS, X)) for fit in (few, many)]
    assert errors[1] < errors[0]
    np.testing.assert_allclose(  # sizes past the end are the mean, and so far all are alike
        few.adapt(SIGNALS, X, steps=4)["code"], many.adapt(SIGNALS, X)["code"], rtol=1e-5, atol=1e-7
    )
    kernels = []
    for first_order in (False, True):
        fit = make("dense", first_order=first_order)
        with tf.GradientTape() as tape:
            total = tf.reduce_mean(fit.errors(fit.adapt(SIGNALS, X), SIGNALS, X))
        kernels.append(tape.gradient(total, fit.network.siren_layers[0].kernel).numpy())
    assert np.abs(kernels[0] - kernels[1]).max() > 0.01 * np.abs(kernels[0]).max()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(sparsity="some"), "sparsity must be one of none, gates, gradient, mask: some"),
        (
            dict(modulation="film"),
            "modulation must be one of weights, shift, latent, subspace: film",
        ),
        (dict(sparsity="gates", granularity="rows"), "granularity must be one of"),
        (dict(sparsity="mask", target="all", modulation="shift"), "wants a WeightModulation"),
    ],
)
def test_choices_that_there_are_not(change, message):
    with pytest.raises(ValueError, match=message):
        MetaLearner(**model(**change), seed=1)


@pytest.mark.parametrize("kind", ["gates", "gates on units", "gates on shifts"])
@pytest.mark.parametrize("sampled", [False, True])
def test_second_order_gradient_of_the_whole_model(kind, sampled):
    """Through phi0, theta0, both step sizes, price and look-ahead, against finite differences."""
    fit = make(kind, step_size=0.3, gate_step_size=100.0, dtype="float64")
    random = np.random.default_rng(0)
    phi = plain(fit.modulation.gates.log_alpha)
    phi.assign(random.choice([-9.0, -1.0, 0.5], fit.modulation.gate_count))
    points, values = tf.cast(X, tf.float64), tf.cast(SIGNALS, tf.float64)
    noise = fit.noise(3, tf.constant([4, 5])) if sampled else {}

    def outer() -> tf.Tensor:
        adapted = fit.adapt(values, points, noise)
        return tf.reduce_mean(fit.errors(adapted, values, points) + 0.01 * fit.density(adapted))

    fit.price.assign(0.01)
    learned = [phi, plain(fit.network.siren_layers[1].kernel)]
    learned += [plain(sizes.log_size) for sizes in fit.step_sizes.values()]
    with tf.GradientTape() as tape:
        total = outer()
    for variable, gradient in zip(learned, tape.gradient(total, learned)):
        value = variable.numpy()
        direction = random.normal(size=value.shape)
        ends = []
        for sign in (1, -1):
            variable.assign(value + sign * 1e-6 * direction)
            ends.append(float(outer()))
        variable.assign(value)
        difference = (ends[0] - ends[1]) / 2e-6
        assert abs(difference) > 1e-7
        np.testing.assert_allclose(np.sum(gradient * direction), difference, rtol=1e-3)


def test_what_is_adapted_has_names_and_shapes():
    fit = make("gates")
    code, log_alpha = tf.zeros([2, 123]), tf.zeros([2, 123])
    for adapted, message in (
        (
            dict(codes=code),
            r"is named 'code', with gates also 'log_alpha' and 'noise', not 'codes'",
        ),
        (dict(code=code, logalpha=log_alpha), r"not 'code', 'logalpha'"),
        (dict(code=code[:, 1:]), r"codes of GatedModulation are \[B, 123\], not \(2, 122\)"),
        (dict(code=code[0]), r"codes of GatedModulation are \[B, 123\], not \(123,\)"),
        (dict(code=code, log_alpha=log_alpha[:, 1:]), r"log_alpha of gates is \[B, 123\], not"),
        (dict(code=code, noise=log_alpha[:, 1:]), r"noise of gates is \[B, 123\], not \(2, 122\)"),
    ):
        with pytest.raises(ValueError, match=message):
            fit.network(X, adapted)
    with pytest.raises(ValueError, match=r"coordinates are \[N, 2\] or \[B, N, 2\], not \(64, 3\)"):
        fit.decode(code, tf.zeros([64, 3]))


def test_numpy_signals_of_double_precision_are_fitted_as_floats():
    fit = make("gates")
    signals, points = np.asarray(SIGNALS, np.float64), np.asarray(X, np.float64)
    codes = fit.codes(signals, points)
    np.testing.assert_array_equal(codes, fit.codes(SIGNALS, X))
    np.testing.assert_array_equal(
        fit.decode(codes.numpy().astype(np.float64), points), fit.decode(codes, X)
    )


def test_whole_numbers_are_refused():
    fit = make("gates")
    pictures = np.zeros([2, 4, 4, 3], np.uint8)
    for take in (fit.codes, fit.adapt, fit):
        with pytest.raises(ValueError, match=r"floats in \[0, 1\], not uint8; divide 8-bit ones"):
            take(pictures)
