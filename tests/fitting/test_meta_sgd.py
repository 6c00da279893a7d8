from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from mscn_tf.entropy.quantisation import add_uniform_noise, round_dead_zone
from mscn_tf.fitting.meta_sgd import inner_loop
from mscn_tf.networks.modulations import LatentModulation, ShiftModulation, WeightModulation
from mscn_tf.networks.network import ModulatedSiren
from mscn_tf.sparsity.gated import GatedModulation

B, M, N = 4, 6, 25
SIZES = (2, 8, 8, 3)


def normal(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).normal(size=shape)


def quadratic(seed=0):
    """Losses ``[B]`` of codes u and v, and the NumPy gradients of each."""
    a, c, target = normal(M, M, seed=seed), normal(2, M, seed=seed), normal(B, M, seed=seed)

    def loss(adapted):
        error = adapted["u"] @ a + adapted["v"] @ c - target
        return 0.5 * tf.reduce_sum(error**2, 1)

    def gradients(u, v):
        error = u @ a + v @ c - target
        return error @ a.T, error @ c.T

    return loss, gradients


@settings(max_examples=20)
@given(
    steps=st.integers(0, 5),
    rows=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    shared=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_meta_sgd_formula(steps, rows, shared, seed):
    """Against NumPy; steps past the last row of step sizes take the last row again."""
    loss, gradients = quadratic(seed)
    u, v = normal(B, M, seed=seed), normal(B, 2, seed=seed)
    sizes = 0.05 * normal(rows[0], 1 if shared else M, seed=seed), 0.05 * normal(rows[1], 2)
    adapted = inner_loop(
        loss,
        {"u": tf.constant(u), "v": tf.constant(v)},
        {"u": tf.constant(sizes[0]), "v": tf.constant(sizes[1])},
        steps,
    )
    for step in range(steps):
        du, dv = gradients(u, v)
        u = u - sizes[0][min(step, rows[0] - 1)] * du
        v = v - sizes[1][min(step, rows[1] - 1)] * dv
    np.testing.assert_allclose(adapted["u"], u, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(adapted["v"], v, rtol=1e-10, atol=1e-12)


def test_steps_stop_at_limits():
    """Of one tensor alone, after every step."""
    loss, gradients = quadratic()
    u, v, size = normal(B, M), normal(B, 2), 0.3
    adapted = inner_loop(
        loss,
        {"u": tf.constant(u), "v": tf.constant(v)},
        {name: tf.constant([[size]], tf.float64) for name in "uv"},
        3,
        limits={"u": 0.8},
    )
    for _ in range(3):
        du, dv = gradients(u, v)
        u, v = np.clip(u - size * du, -0.8, 0.8), v - size * dv
    np.testing.assert_allclose(adapted["u"], u, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(adapted["v"], v, rtol=1e-10, atol=1e-12)
    assert np.any(np.abs(u) == 0.8)
    assert np.any(np.abs(v) > 0.8)


def make_network(kind="latent", granularity="unstructured", target=None):
    modulation = {
        "latent": lambda: LatentModulation(SIZES, M, seed=1, dtype="float64"),
        "shift": lambda: ShiftModulation(SIZES, dtype="float64"),
        "weights": lambda: WeightModulation(SIZES, dtype="float64"),
    }[kind]()
    if target:
        modulation = GatedModulation(modulation, granularity, target, 0.7, dtype="float64")
    network = ModulatedSiren(8, 2, 3, modulation, w0=3.0, seed=0, dtype="float64")
    network.build(tf.TensorShape([None, 2]))
    return network


COORDINATES = np.stack(np.meshgrid(*[np.linspace(-1, 1, 5)] * 2), -1).reshape(N, 2)
PHASES = normal(B, 1, 3)
SIGNALS = 0.5 + 0.3 * np.sin(2 * COORDINATES[None, :, :1] + COORDINATES[None, :, 1:] + PHASES)


def fit(network, signals=SIGNALS, steps=3, size=0.5, noise=None, strength=0.0, **kwargs):
    """What fitting gives, and the loss of every signal as a function of what is adapted."""
    noise = noise or {}

    def loss(adapted):
        error = tf.reduce_mean((network(COORDINATES, {**adapted, **noise}) - signals) ** 2, [1, 2])
        return error + strength * network.modulation.expected_l0(adapted) if strength else error

    initial = network.modulation.initial(signals.shape[0])
    sizes = size if isinstance(size, dict) else {k: np.full([1, 1], size) for k in initial}
    return inner_loop(loss, initial, sizes, steps, **kwargs), loss, initial


@pytest.mark.parametrize("kind", ["latent", "shift", "weights"])
def test_a_signal_does_not_depend_on_its_batch(kind):
    network = make_network(kind)
    together, loss, initial = fit(network)
    assert np.all(loss(together) < 0.9 * loss(initial))
    for b in range(B):
        alone = fit(network, SIGNALS[b : b + 1])[0]
        np.testing.assert_allclose(together["code"][b], alone["code"][0], atol=1e-12)


def test_inside_a_graph_it_is_the_same():
    network = make_network()
    graph = tf.function(lambda signals: fit(network, signals)[0]["code"])
    np.testing.assert_allclose(graph(SIGNALS), fit(network)[0]["code"], atol=1e-12)


def outer_gradients(network, variables, sizes, first_order):
    """Of the loss after the inner loop, in shared weights and step sizes."""
    with tf.GradientTape() as tape:
        adapted, loss, _ = fit(network, size=sizes, first_order=first_order)
        total = tf.reduce_mean(loss(adapted))
    return tape.gradient(total, variables), total


def test_second_order_gradient_equals_finite_differences():
    network = make_network()
    sizes = {"code": tf.Variable(0.4 + 0.1 * normal(2, M))}  # fewer rows than steps
    variables = [sizes["code"], network.siren_layers[1].kernel, network.siren_layers[0].bias]
    gradients, _ = outer_gradients(network, variables, sizes, False)
    for variable, gradient in zip(variables, gradients):
        value, direction, h = variable.numpy(), normal(*variable.shape, seed=3), 1e-5
        ends = []
        for sign in (1, -1):
            variable.assign(value + sign * h * direction)
            ends.append(outer_gradients(network, variables, sizes, False)[1])
        variable.assign(value)
        difference = float(ends[0] - ends[1]) / (2 * h)
        assert abs(difference) > 1e-5
        np.testing.assert_allclose(np.sum(gradient * direction), difference, rtol=1e-5)


@pytest.mark.parametrize("first_order", [False, True])
def test_recomputed_gradients_are_the_same(first_order):
    network = make_network()
    sizes = {"code": tf.Variable(0.4 + 0.1 * normal(2, M))}
    variables = [sizes["code"], network.siren_layers[1].kernel, network.siren_layers[0].bias]

    @tf.function
    def gradients(recompute):
        with tf.GradientTape() as tape:
            options = {"first_order": first_order, "recompute": recompute}
            adapted, loss, _ = fit(network, steps=4, size=sizes, **options)
            total = tf.reduce_mean(loss(adapted))
        return tape.gradient(total, variables)

    for found, wanted in zip(gradients(True), gradients(False)):
        assert np.abs(wanted).max() > 1e-4
        np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-12)


def test_recompute_outside_of_a_graph():
    with pytest.raises(ValueError, match="within a"):
        fit(make_network(), recompute=True)


def test_first_order_takes_inner_gradients_as_constants():
    loss, gradients = quadratic()
    u, v = normal(B, M), normal(B, 2)
    sizes = {"u": tf.Variable(np.full([2, M], 0.05)), "v": tf.Variable(np.full([2, 2], 0.05))}
    start = {"u": tf.Variable(u), "v": tf.Variable(v)}
    found = {}
    for first_order in (True, False):
        with tf.GradientTape() as tape:
            initial = {name: tf.identity(value) for name, value in start.items()}
            adapted = inner_loop(loss, initial, sizes, 2, first_order)
            total = tf.reduce_sum(loss(adapted))
        found[first_order] = tape.gradient(total, [start["u"], start["v"], sizes["u"]])
    first = gradients(u, v)
    between = u - 0.05 * first[0], v - 0.05 * first[1]
    second = gradients(*between)
    last = gradients(between[0] - 0.05 * second[0], between[1] - 0.05 * second[1])
    expected = [last[0], last[1], -np.stack([(g[0] * last[0]).sum(0) for g in (first, second)])]
    for gradient, wanted, exact in zip(found[True], expected, found[False]):
        np.testing.assert_allclose(gradient, wanted, rtol=1e-9, atol=1e-12)
        assert np.abs(gradient - exact).max() > 1e-2 * np.abs(exact).max()


GATED = [
    ("weights", "unstructured", "delta"),
    ("weights", "group", "all"),
    ("shift", "modulation", "delta"),
    ("shift", "unstructured", "all"),
    ("latent", "modulation", "all"),
]


@pytest.mark.parametrize(("kind", "granularity", "target"), GATED)
@pytest.mark.parametrize("sampled", [False, True])
def test_gates_adapt_together_with_the_code(kind, granularity, target, sampled):
    network = make_network(kind, granularity, target)
    noise = network.modulation.noise(B, [3, 4]) if sampled else {}
    adapted, loss, initial = fit(network, steps=4, size=0.4, noise=noise, strength=1e-4)
    assert sorted(adapted) == ["code", "log_alpha"]
    for name in adapted:
        assert np.all(np.abs(adapted[name] - initial[name]).max(1) > 1e-4), name
    assert np.all(loss(adapted) < loss(initial))


def test_a_penalty_closes_gates():
    network = make_network("weights", "unstructured", "delta")
    size = {"code": np.full([1, 1], 0.3), "log_alpha": np.full([1, 1], 20.0)}
    counts = []
    for strength in (1e-4, 0.15):
        adapted, *_ = fit(network, steps=4, size=size, strength=strength)
        counts.append(network.modulation.actual_l0(adapted).numpy())
    assert np.all(counts[1] < counts[0])


@pytest.mark.parametrize("target", ["delta", "all"])
def test_gates_learn_where_to_start(target):
    """The outer gradient reaches phi0 and the step sizes of the gates."""
    network = make_network("weights", "group", target)
    sizes = {name: tf.Variable([[0.3]], dtype=tf.float64) for name in ("code", "log_alpha")}
    noise = network.modulation.noise(B, [5, 6])
    with tf.GradientTape() as tape:
        adapted, loss, _ = fit(network, size=sizes, noise=noise, strength=1e-3)
        total = tf.reduce_mean(loss(adapted))
    variables = [network.modulation.gates.log_alpha, sizes["code"], sizes["log_alpha"]]
    for gradient in tape.gradient(total, variables):
        assert np.any(gradient)


def test_rounding_may_be_stood_in_for_by_noise():
    """Codes fitted under noise of one step's width; what they say after real rounding."""
    network = make_network("shift")
    code_size, step = network.modulation.code_size, 0.02

    def loss(adapted, seed):
        noisy = step * add_uniform_noise(adapted["code"] / step, seed)
        return tf.reduce_mean((network(COORDINATES, noisy) - SIGNALS) ** 2, [1, 2])

    def fitted(seed):
        seeds = iter(range(10))
        initial = {"code": tf.zeros([B, code_size], tf.float64)}
        sizes = {"code": np.full([1, 1], 0.5)}
        return inner_loop(lambda a: loss(a, [seed, next(seeds)]), initial, sizes, 5)["code"]

    codes = fitted(0)
    np.testing.assert_array_equal(codes, fitted(0))
    assert np.abs(codes - fitted(1)).max() > 0
    rounded = step * round_dead_zone(codes / step, 0.0)
    error = tf.reduce_mean((network(COORDINATES, rounded) - SIGNALS) ** 2, [1, 2])
    start = network(COORDINATES, tf.zeros_like(codes))
    assert np.all(error < 0.8 * tf.reduce_mean((start - SIGNALS) ** 2, [1, 2]))


U, V = tf.ones([1, 6]), tf.ones([1, 2])


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        (dict(u=U), "step sizes must be of 'u', 'v', not of 'u'"),
        (dict(u=U, w=V), "step sizes must be of 'u', 'v', not of 'u', 'w'"),
        (dict(u=tf.ones([3, 5]), v=V), r"of 'u' must be .* \(4, 6\), not \(3, 5\)"),
        (dict(u=tf.ones([1, 7, 6]), v=V), r"broadcastable to \(4, 6\), not \(1, 7, 6\)"),
    ],
)
def test_step_sizes_of_something_else(sizes, message):
    initial = {"u": tf.zeros([4, 6]), "v": tf.zeros([4, 2])}
    with pytest.raises(ValueError, match=message):
        inner_loop(lambda adapted: tf.reduce_sum(adapted["u"], 1), initial, sizes, 1)


def test_first_gradients_of_something_else():
    initial = {"u": tf.zeros([4, 6])}
    with pytest.raises(ValueError, match="first gradients must be of 'u', not of 'code'"):
        inner_loop(
            lambda adapted: tf.reduce_sum(adapted["u"], 1),
            initial,
            {"u": tf.ones([1, 6])},
            1,
            first_gradients={"code": tf.zeros([4, 6])},
        )
