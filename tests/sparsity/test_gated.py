from __future__ import annotations

import itertools

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from mscn_tf.networks.modulations import (
    LatentModulation,
    ShiftModulation,
    WeightModulation,
    split_weights,
)
from mscn_tf.networks.network import ModulatedSiren
from mscn_tf.sparsity.gated import GatedModulation
from tests.harness import check_layer, config_of, flat

SIZES = (2, 5, 4, 3)
B = 3
BASES = {
    "weights": lambda sizes: WeightModulation(sizes, dtype="float64"),
    "shift": lambda sizes: ShiftModulation(sizes, dtype="float64"),
    "latent": lambda sizes: LatentModulation(sizes, 6, seed=1, dtype="float64"),
}
#: Every combination that there is, with its number of gates and of gated elements.
CASES = {
    ("weights", "unstructured", "delta"): (54, 54),
    ("weights", "group", "delta"): (12, 54),
    ("weights", "unstructured", "all"): (54, 54),
    ("weights", "group", "all"): (12, 54),
    ("shift", "unstructured", "delta"): (9, 9),
    ("shift", "modulation", "delta"): (9, 9),
    ("shift", "group", "delta"): (9, 9),
    ("shift", "unstructured", "all"): (54, 54),
    ("shift", "modulation", "all"): (9, 9),
    ("shift", "group", "all"): (12, 54),
    ("latent", "unstructured", "delta"): (6, 6),
    ("latent", "modulation", "delta"): (6, 6),
    ("latent", "unstructured", "all"): (54, 54),
    ("latent", "modulation", "all"): (9, 9),
    ("latent", "group", "all"): (12, 54),
    ("weights", "activation", "all"): (9, 9),
    ("shift", "activation", "all"): (9, 9),
    ("latent", "activation", "all"): (9, 9),
}
every_case = pytest.mark.parametrize(("base", "granularity", "target"), list(CASES))
WIDTH_SIZES = (2, 5, 5, 3)  # ModulatedSiren's hidden layers are equally wide


def make(base, granularity, target, sizes=SIZES):
    return GatedModulation(BASES[base](sizes), granularity, target, dtype="float64")


def make_network(modulation):
    network = ModulatedSiren(5, 2, 3, modulation, w0=2.0, seed=0, dtype="float64")
    network.build(tf.TensorShape([None, 2]))
    return network


def normal(*shape, seed=0):
    return tf.constant(np.random.default_rng([seed, *shape]).normal(size=shape))


def adapted(modulation, log_alpha=None, seed=0):
    """A batch of codes, and of gate parameters: random, or all the same."""
    shape = [B, modulation.gate_count]
    return {
        "code": normal(B, modulation.code_size, seed=seed),
        "log_alpha": 2 * normal(*shape, seed=seed)
        if log_alpha is None
        else tf.fill(shape, log_alpha),
    }


def test_every_round_trip():
    for base, granularity, target in CASES:
        modulation = GatedModulation(
            BASES[base](SIZES), granularity, target, 0.7, True, 0.5, -0.2, 1.3, 0.1, dtype="float64"
        )
        inputs = adapted(modulation)
        check_layer(modulation, {**inputs, **modulation.noise(B, [1, 2])})


@every_case
def test_counts(base, granularity, target):
    modulation = make(base, granularity, target)
    gates, elements = CASES[base, granularity, target]
    assert modulation.gate_count == gates
    assert modulation.gated_size == elements
    assert modulation.group_sizes.sum() == elements
    assert modulation.code_size == modulation.modulation.code_size
    np.testing.assert_allclose(modulation.expected_l0(modulation.initial(2)), [0.9 * elements] * 2)
    closed, opened = (adapted(modulation, value) for value in (-10.0, 10.0))
    np.testing.assert_array_equal(modulation.actual_l0(closed), [0.0] * B)
    np.testing.assert_array_equal(modulation.actual_l0(opened), [elements] * B)


@every_case
@pytest.mark.parametrize("sampled", [False, True])
def test_open_gates_change_nothing(base, granularity, target, sampled):
    modulation = make(base, granularity, target)
    inputs = adapted(modulation, 40.0)
    noise = modulation.noise(B, [0, 1]) if sampled else {}
    updates = modulation({**inputs, **noise})
    for update, plain in zip(updates, modulation.modulation(inputs["code"])):
        for part, expected in zip(update[:2], plain[:2]):
            np.testing.assert_array_equal(flat(part), flat(expected))
        assert all(np.all(gate == 1) for gate in flat(update[2:]))


@every_case
@pytest.mark.parametrize("sampled", [False, True])
def test_closed_gates(base, granularity, target, sampled):
    """Target delta: the shared network remains. Target all: nothing does, but the offset.

    Without activations the last layer's bias does, too.
    """
    modulation = make(base, granularity, target, WIDTH_SIZES)
    network = make_network(modulation)
    inputs = adapted(modulation, -40.0)
    noise = modulation.noise(B, [0, 1]) if sampled else {}
    x = normal(7, 2)
    values = network(x, {**inputs, **noise}).numpy()
    plain = make_network(BASES[base](WIDTH_SIZES))
    if target == "all" and granularity == "modulation":
        for layer in plain.siren_layers[:-1]:
            layer.bias.assign(tf.zeros_like(layer.bias))
    if granularity == "activation":
        last = modulation.modulation(inputs["code"])[-1].bias
        bias = network.siren_layers[-1].bias + (0 if last is None else last)
        expected = np.broadcast_to(0.5 + np.reshape(bias, [-1, 1, 3]), [B, 7, 3])
        np.testing.assert_allclose(values, expected, atol=1e-12)
    elif target == "all" and granularity != "modulation":
        np.testing.assert_array_equal(values, np.full([B, 7, 3], 0.5))
    else:
        expected = plain(x, tf.zeros([B, modulation.code_size], tf.float64))
        np.testing.assert_allclose(values, expected, atol=1e-12)


@every_case
@pytest.mark.parametrize("sampled", [False, True])
def test_network_computes_what_its_target_says(base, granularity, target, sampled):
    """Against an ungated network whose parameters NumPy has worked out, signal by signal."""
    modulation = make(base, granularity, target, WIDTH_SIZES)
    network = make_network(modulation)
    inputs = adapted(modulation)
    if sampled:
        inputs.update(modulation.noise(B, [7, 8]))
    x = normal(7, 2)
    z = modulation.gate_values(inputs).numpy()
    assert 0 < np.mean(z == 0) < 1
    theta = np.concatenate([w.numpy().ravel() for s in network.siren_layers for w in s.weights])
    base_modulation = network.modulation.modulation
    code = inputs["code"].numpy()
    weights_layout = WeightModulation(WIDTH_SIZES)
    if target == "delta":
        parameters = theta + as_weights(base_modulation(z[:, modulation.groups] * code))
    else:
        gates = np.ones([B, theta.size])
        if granularity == "modulation":
            is_shift = as_weights(ShiftModulation(WIDTH_SIZES)(np.ones([1, 10], "f4")))[0] == 1
            gates[:, is_shift] = z
        elif granularity == "activation":  # what scales a unit's output scales the next kernel
            first, second = np.split(z, 2, axis=1)
            gates[:, 15:40] = np.repeat(first, 5, axis=1)
            gates[:, 45:60] = np.repeat(second, 3, axis=1)
        else:
            gates = z[:, weights_layout.code_groups(granularity)]
        parameters = gates * (theta + as_weights(base_modulation(code)))
    plain = make_network(BASES["weights"](WIDTH_SIZES))
    np.testing.assert_allclose(
        network(x, inputs), plain(x, tf.constant(parameters - theta)), atol=1e-12
    )


def as_weights(updates) -> np.ndarray:
    """Updates of a network of WIDTH_SIZES as ``[B, parameters]``, in the order of its weights."""
    batch = len(flat(updates)[0])
    parts = []
    for update, m, n in zip(updates, WIDTH_SIZES, WIDTH_SIZES[1:]):
        for part, count in ((update.kernel, m * n), (update.bias, n)):
            parts.append(
                np.zeros([batch, count]) if part is None else np.reshape(part, [batch, -1])
            )
    return np.hstack(parts)


@pytest.mark.parametrize("base", BASES)
def test_the_stored_code_is_sparse_and_decodes_without_gates(base):
    modulation = make(base, "unstructured", "delta", WIDTH_SIZES)
    network = make_network(modulation)
    inputs = adapted(modulation)
    code = modulation.gated_code(inputs)
    np.testing.assert_array_equal(np.count_nonzero(code, axis=1), modulation.actual_l0(inputs))
    plain = make_network(network.modulation.modulation)
    x = normal(7, 2)
    np.testing.assert_allclose(plain(x, code), network(x, inputs), atol=1e-12)


def test_group_gates_remove_whole_units():
    modulation = make("weights", "group", "all")
    inputs = adapted(modulation)
    kept = []
    for update, pair in zip(modulation(inputs), split_weights(inputs["code"], SIZES)):
        kernel, bias = (np.asarray(part) for part in pair)
        kept.append(np.count_nonzero(kernel * update.kernel_gate, axis=(1, 2)))
        kept.append(np.count_nonzero(bias * update.bias_gate, axis=1))
    np.testing.assert_array_equal(sum(kept), modulation.actual_l0(inputs))


def test_a_plain_code_gets_the_starting_gates():
    modulation = make("shift", "modulation", "delta")
    modulation.gates.log_alpha.assign(normal(modulation.gate_count))
    code = normal(B, modulation.code_size)
    start = {**modulation.initial(B), "code": code}
    np.testing.assert_array_equal(modulation.gated_code(code), modulation.gated_code(start))
    np.testing.assert_array_equal(modulation.expected_l0(code), modulation.expected_l0(start))


def inner_step(network, x, signals, noise, strength, inputs):
    """One gradient step on code and gates of the error plus the penalty, as the inner loop does."""
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        error = tf.reduce_mean((network(x, {**inputs, **noise}) - signals) ** 2, [1, 2])
        loss = error + strength * network.modulation.expected_l0(inputs)
    gradients = tape.gradient(loss, inputs)
    return {name: value - 0.3 * gradients[name] for name, value in inputs.items()}


@every_case
def test_adapting_a_batch_equals_adapting_each_signal(base, granularity, target):
    modulation = make(base, granularity, target, WIDTH_SIZES)
    network = make_network(modulation)
    x, signals = normal(7, 2), normal(B, 7, 3)
    noise = modulation.noise(B, [3, 1])
    start = adapted(modulation)
    together = inner_step(network, x, signals, noise, 0.01, start)
    assert all(np.abs(together[name] - start[name]).max() > 1e-4 for name in start)
    for b in range(B):
        own = {name: value[b : b + 1] for name, value in {**start, **noise}.items()}
        own_noise = {"noise": own.pop("noise")}
        alone = inner_step(network, x, signals[b : b + 1], own_noise, 0.01, own)
        for name in start:
            np.testing.assert_allclose(together[name][b], alone[name][0], atol=1e-12)


@pytest.mark.parametrize(
    ("granularity", "target"),
    [*itertools.product(["unstructured", "group"], ["delta", "all"]), ("activation", "all")],
)
def test_meta_gradient_equals_finite_differences(granularity, target):
    """Second order: of the loss after an inner step, in phi0 and in theta0."""
    modulation = make("weights", granularity, target, WIDTH_SIZES)
    network = make_network(modulation)
    # Off 0, where one step is all that the code has.
    modulation.gates.log_alpha.assign(normal(modulation.gate_count))
    x, signals = normal(7, 2), normal(B, 7, 3)
    noise = modulation.noise(B, [3, 1])

    def outer_loss():
        inputs = inner_step(network, x, signals, noise, 0.01, modulation.initial(B))
        error = tf.reduce_mean((network(x, {**inputs, **noise}) - signals) ** 2)
        return error + 0.01 * tf.reduce_mean(modulation.expected_l0(inputs))

    for variable in (modulation.gates.log_alpha, network.siren_layers[1].kernel):
        with tf.GradientTape() as tape:
            loss = outer_loss()
        gradient = tape.gradient(loss, variable)
        direction, value, h = normal(*variable.shape, seed=9), variable.numpy(), 1e-5
        ends = []
        for sign in (1, -1):
            variable.assign(value + sign * h * direction)
            ends.append(outer_loss())
        variable.assign(value)
        difference = (ends[0] - ends[1]) / (2 * h)
        assert abs(difference) > 1e-4
        np.testing.assert_allclose(tf.reduce_sum(gradient * direction), difference, rtol=1e-5)


@pytest.mark.parametrize("base", ["weights", "shift"])
@pytest.mark.parametrize("sampled", [False, True])
@pytest.mark.parametrize("granularity", ["unstructured", "group"])
def test_ahead_is_the_gradient_that_the_step_to_come_makes(base, granularity, sampled):
    """Against finite differences in each gate, at the code of a small step."""
    modulation = make(base, granularity, "delta", WIDTH_SIZES)
    network = make_network(modulation)
    x, signals, size = normal(7, 2), normal(B, 7, 3), 1e-4
    starts = np.random.default_rng(0).choice([-9.0, -0.8, 0.3, 1.5, 9.0], modulation.gate_count)
    modulation.gates.log_alpha.assign(starts)
    inputs = modulation.initial(B)
    # Such noise as leaves no gate below a tenth, where looking ahead is cautious.
    noise = {"noise": tf.fill([B, modulation.gate_count], tf.constant(0.6, tf.float64))}
    noise = noise if sampled else {}

    def error(adapted):
        return tf.reduce_mean((network(x, {**adapted, **noise}) - signals) ** 2, [1, 2])

    with tf.GradientTape() as tape:
        tape.watch(inputs)
        total = tf.reduce_sum(error(inputs))
    gradients = tape.gradient(total, inputs)
    assert not np.any(gradients["log_alpha"])  # of itself the error says nothing
    found = modulation.ahead({**inputs, **noise}, gradients["code"], size).numpy()
    code, h = -size * gradients["code"], 1e-3
    differences = []
    for direction in h * np.eye(modulation.gate_count):
        ends = [
            error({"code": code, "log_alpha": inputs["log_alpha"] + sign * direction})
            for sign in (1, -1)
        ]
        differences.append((ends[0] - ends[1]) / (2 * h))
    wanted = np.stack(differences, axis=1)
    assert np.abs(wanted[0] - wanted[1]).max() > 0.1 * np.abs(wanted).max()  # each signal's own
    np.testing.assert_allclose(found, wanted, rtol=0.01, atol=1e-3 * np.abs(wanted).max())


def test_looking_ahead_is_cautious_where_a_gate_is_nearly_closed():
    modulation = make("shift", "modulation", "delta")
    z = np.array([0.02, 0.05, 0.2, 0.5] + [0.0] * 5)
    log_alpha = np.where(z > 0, np.log((z + 0.1) / (1.1 - z)), -9)
    gradient, size = normal(1, 9), 0.3
    inputs = {"code": 0 * gradient, "log_alpha": tf.constant(log_alpha[None])}
    found = modulation.ahead(inputs, gradient, size)
    slope = (z + 0.1) * (1.1 - z) / 1.2 * (z > 0)
    wanted = -size * gradient**2 / np.maximum(z, 0.1) * slope
    np.testing.assert_allclose(found, wanted, rtol=1e-6)


@settings(deadline=None, max_examples=15)
@given(
    case=st.sampled_from(list(CASES)),
    sizes=st.lists(st.integers(1, 5), min_size=3, max_size=4).map(tuple),
    batch=st.integers(1, 3),
)
def test_any_shape(case, sizes, batch):
    modulation = make(*case, sizes)
    inputs = {**modulation.initial(batch), **modulation.noise(batch, [0, 0])}
    assert inputs["log_alpha"].shape == inputs["noise"].shape == (batch, modulation.gate_count)
    updates = modulation(inputs)
    for update, m, n in zip(updates, sizes, sizes[1:]):
        shapes = [(m, n), (n,), (m, n), (n,), (n,)]
        for part, shape in zip(update, shapes):
            if part is not None:
                np.broadcast_shapes(part.shape, (batch, *shape))
    expected, most = modulation.expected_l0(inputs), modulation.gated_size
    assert np.all((expected > 0) & (expected < most))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("weights", "rows", "delta"),
            "granularity must be one of unstructured, modulation, group",
        ),
        (("weights", "group", "both"), "target must be one of delta, all, not 'both'"),
        (("weights", "modulation", "delta"), "WeightModulation"),
        (("weights", "modulation", "all"), "WeightModulation"),
        (("latent", "group", "delta"), "LatentModulation"),
        (("weights", "activation", "delta"), "activations are no delta"),
    ],
)
def test_impossible_gates_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        make(*arguments)


def test_gates_of_the_network_have_no_gated_code():
    modulation = make("weights", "group", "all")
    with pytest.raises(ValueError, match="only gates of target 'delta'"):
        modulation.gated_code(adapted(modulation))


@every_case
@pytest.mark.parametrize("sampled", [False, True])
def test_shared_gates_stay_at_their_start(base, granularity, target, sampled):
    """The inner loop finds only the code; values are those of phi0 for every signal."""
    own = make(base, granularity, target, WIDTH_SIZES)
    shared = GatedModulation(
        BASES[base](WIDTH_SIZES), granularity, target, per_signal=False, dtype="float64"
    )
    network = make_network(shared)
    assert sorted(shared.initial(B)) == ["code"]
    shared.gates.log_alpha.assign(2 * normal(shared.gate_count))
    inputs = {"code": normal(B, shared.code_size)}
    noise = shared.noise(B, [2, 9]) if sampled else {}
    start = tf.tile(shared.gates.log_alpha[None], [B, 1])
    written_out = {**inputs, **noise, "log_alpha": start}
    x = normal(7, 2)
    np.testing.assert_array_equal(network(x, {**inputs, **noise}), network(x, written_out))
    for count in ("expected_l0", "actual_l0"):
        wanted = getattr(own, count)(written_out)
        np.testing.assert_array_equal(getattr(shared, count)(inputs), wanted)
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(shared.expected_l0(inputs))
    assert np.all(tape.gradient(total, shared.gates.log_alpha) > 0)


def test_shared_gates_round_trip():
    modulation = GatedModulation(WeightModulation(SIZES), "group", "all", 0.7, per_signal=False)
    code = normal(B, modulation.code_size)
    check_layer(modulation, {"code": tf.cast(code, tf.float32), **modulation.noise(B, [1, 2])})
    copy = GatedModulation.from_config(config_of(modulation)["config"])
    assert not copy.per_signal
