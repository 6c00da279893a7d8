"""Outer steps of modulated networks, on pictures of 8x8."""

from __future__ import annotations

import os
import signal

import numpy as np
import pytest
import tensorflow as tf

from mscn_tf.runtime.errors import MscnError
from mscn_tf.sparsity.hard_concrete import LIMIT, location_of_gate
from mscn_tf.sparsity.pruning import parameters
from mscn_tf.stack.keras_versions import variables_of
from mscn_tf.training.loop import run
from mscn_tf.training.modulated import ModulatedTrainer
from tests.modulated import STEPS, get_config, runs, signals
from tests.tiny import scalars

DATA = signals()


def trainer_of(one, begin=None):
    return ModulatedTrainer(one.config, DATA.train, DATA.coordinates, DATA.validation, begin)


def trained(one, workdir, begin=None):
    trainer = trainer_of(one, begin)
    workdir.mkdir(exist_ok=True)
    run(trainer, workdir)
    return trainer


def check_same(one, two):
    """All that a checkpoint holds, to the bit."""
    assert int(one.step) == int(two.step)
    pairs = list(zip(variables_of(one.fit), variables_of(two.fit)))
    for mine, yours in zip(one.optimizers, two.optimizers):
        pairs += zip(mine.variables, yours.variables)
    assert len(pairs) > 10
    for mine, yours in pairs:
        np.testing.assert_array_equal(mine, yours, mine.name)


def interrupted(one, workdir, monkeypatch, at, begin=None):
    """A run that gets Ctrl-C in a step; goes on in a process that knows nothing of it."""
    update = ModulatedTrainer.update

    def stopped(self, step):
        if step == at:
            os.kill(os.getpid(), signal.SIGINT)
        return update(self, step)

    with monkeypatch.context() as patch:
        patch.setattr(ModulatedTrainer, "update", stopped)
        with pytest.raises(KeyboardInterrupt):
            trained(one, workdir, begin)
    return trained(one, workdir, begin)


@pytest.fixture(scope="module")
def gates():
    """A run of gates, long enough for their price to do its work."""
    config = get_config()
    config.update(steps=80, anneal=(0.0, 0.5), first_price=0.3, price_rate=0.2, evaluate_every=5)
    (one,) = runs(config, "MSCN, delta")
    return one


@pytest.fixture(scope="module")
def of_gates(gates, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("gates")
    return trained(gates, workdir), scalars(workdir)


def test_errors_fall_and_the_density_follows_what_is_wanted(of_gates):
    trainer, told = of_gates
    errors, density, kept = (
        np.array(list(told[f"train/{k}"].values())) for k in ("error", "density", "kept")
    )
    assert np.mean(errors[20:30]) < 0.6 * errors[0]
    assert density[0] > 0.85
    assert 0.14 < np.mean(kept[-10:]) < 0.28  # 0.2 is wanted
    assert told["held out/kept"][80] < 0.5
    assert len(set(told["held out/price"].values())) > 1
    # The gates learned where to start: not all in the same place any more.
    assert np.std(trainer.fit.modulation.gates.log_alpha) > 0.05


def test_what_is_kept_in_the_end_is_the_best_of_the_sparse_averages(of_gates):
    """No raw weights, none from before the wanted density, none that a later evaluation beats."""
    trainer, told = of_gates
    dense = 1.05 * trainer.config.density
    sparse = [
        psnr
        for (step, psnr), kept in zip(told["held out/psnr"].items(), told["held out/kept"].values())
        if step >= 40 and kept <= dense
    ]
    assert sparse
    before = [v.numpy() for v in variables_of(trainer.fit)]
    try:
        fit = trainer.freeze()
        adapted = fit.adapt(DATA.validation, DATA.coordinates)
        errors = fit.errors(adapted, DATA.validation, DATA.coordinates)
        np.testing.assert_allclose(np.mean(-10 * np.log10(errors)), max(sparse), rtol=1e-5)
        assert any(np.any(v.numpy() != b) for v, b in zip(variables_of(fit), before))
    finally:
        for variable, value in zip(variables_of(trainer.fit), before):
            variable.assign(value)


def test_where_no_evaluation_was_sparse_enough_the_last_average_is_kept():
    (one,) = runs(get_config(), "MSCN, delta")
    trainer = trainer_of(one)
    for step in range(3):
        trainer.update(step)
    trainer.evaluate()
    averages = [shadow.numpy() for shadow in trainer.average.shadows]
    found = trainer.freeze().trainable_variables
    for variable, average in zip(found, averages):
        np.testing.assert_array_equal(variable, average)


def test_outer_rates_fall_alike_in_short_and_long_runs():
    """By the square root of the steps beyond a constant number, and by a cosine over the run."""
    config = get_config()
    config.optimizer.constant = 100
    for steps in (200, 20_000):
        config.steps = steps
        (one,) = runs(config, "dense")
        rate = trainer_of(one).optimizers[0].learning_rate
        rate = rate if callable(rate) else trainer_of(one).optimizers[0]._learning_rate
        found = [float(rate(tf.constant(step))) for step in (0, 100, steps)]
        first = config.optimizer.rate
        cosine = 0.05 + 0.95 * 0.5 * (1 + np.cos(np.pi * 100 / steps))
        wanted = [first, first * cosine, first * 0.05 * np.sqrt(100 / steps)]
        np.testing.assert_allclose(found, wanted, rtol=1e-4)


# What each rate of the configuration moves.
MOVED = {
    "rate": lambda fit: [layer.kernel for layer in fit.network.siren_layers],
    "step_size_rate": lambda fit: [sizes.log_size for sizes in fit.step_sizes.values()],
    "gate_rate": lambda fit: [fit.modulation.gates.log_alpha],
}


@pytest.mark.parametrize("large", ["step_size_rate", "gate_rate"])
def test_each_rate_moves_its_own_variables_and_they_stay_within_bounds(large):
    config = get_config()
    config.optimizer.update({rate: 50.0 * (rate == large) for rate in MOVED})
    (one,) = runs(config, "MSCN, delta")
    trainer = trainer_of(one)
    before = {rate: [v.numpy() for v in of(trainer.fit)] for rate, of in MOVED.items()}
    trainer.update(0)
    for rate, of in MOVED.items():
        for variable, value in zip(of(trainer.fit), before[rate]):
            assert np.any(variable.numpy() != value) == (rate == large)
    if large == "gate_rate":
        gates = trainer.fit.modulation.gates
        ends = location_of_gate(gates.floor, gates.gamma, gates.zeta), LIMIT
        log_alpha = gates.log_alpha.numpy()
        np.testing.assert_allclose([log_alpha.min(), log_alpha.max()], ends, rtol=1e-5)
    else:
        for sizes in trainer.fit.step_sizes.values():
            furthest = np.abs(sizes.log_size.numpy() - np.log(sizes.initial)).max()
            np.testing.assert_allclose(furthest, np.log(sizes.factor), rtol=1e-4)


@pytest.mark.parametrize("follows", ["stored", "expected"])
def test_the_price_follows_the_count_that_it_is_told_to(follows):
    config = get_config()
    config.update(price_follows=follows, price_rate=0.1)
    (one,) = runs(config, "MSCN, delta")
    trainer = trainer_of(one)
    before = float(trainer.fit.price)
    metrics = trainer.update(0)
    counted = float(metrics["kept" if follows == "stored" else "density"])
    other = float(metrics["density" if follows == "stored" else "kept"])
    assert abs(counted - other) > 0.01
    wanted = before * (counted / float(trainer.rule.wanted(1))) ** 0.1
    np.testing.assert_allclose(float(trainer.fit.price), wanted, rtol=1e-5)


def test_an_unknown_count():
    config = get_config()
    config.price_follows = "moon"
    (one,) = runs(config, "MSCN, delta")
    with pytest.raises(MscnError, match="price_follows=moon: must be one of stored, expected"):
        trainer_of(one)


def test_the_wanted_density_falls_between_shares_of_the_run(gates):
    trainer = trainer_of(gates)
    wanted = [float(trainer.rule.wanted(steps)) for steps in (0, 20, 40, 80)]
    np.testing.assert_allclose(wanted, [1.0, 0.2**0.5, 0.2, 0.2], rtol=1e-6)


def test_gates_on_the_network_itself_move_to_each_signal():
    """Eq. 8 of the paper with target all; at smaller step sizes phi stayed where it was."""
    config = get_config()
    config.update(steps=80, kept=(0.4,))
    (one,) = runs(config, "MSCN, all")
    assert not one.config.model.sampled
    trainer = trainer_of(one)
    for step in range(one.config.steps):
        trainer.update(step)
    adapted = trainer.fit.adapt(tf.constant(DATA.train[:8]), tf.constant(DATA.coordinates))
    assert np.std(adapted["log_alpha"], axis=0).mean() > 1e-4


def test_stopped_and_resumed_it_is_the_same_run(tmp_path, monkeypatch):
    (one,) = runs(get_config(), "MSCN, delta")
    undisturbed = trained(one, tmp_path / "whole")
    resumed = interrupted(one, tmp_path / "parts", monkeypatch, 7)
    check_same(undisturbed, resumed)
    assert int(resumed.step) == STEPS
    assert scalars(tmp_path / "whole") == scalars(tmp_path / "parts")


def test_another_seed_is_another_run(tmp_path):
    config = get_config()
    config.update(seeds=(0, 1), steps=1)
    one, two = (trainer_of(each) for each in runs(config, "dense"))
    kernels = [t.fit.network.siren_layers[1].kernel.numpy() for t in (one, two)]
    assert np.abs(kernels[0] - kernels[1]).max() > 0.01


@pytest.mark.parametrize(
    ("arm", "xla", "precision", "tolerance"),
    [
        ("dense", False, "bfloat16", 0.02),
        ("MSCN, delta", False, "bfloat16", 0.02),
        # Not the one with gates: XLA draws other noise from the same seed.
        pytest.param("dense", True, "float32", 1e-4, marks=pytest.mark.slow),
        pytest.param("dense", True, "bfloat16", 0.02, marks=pytest.mark.slow),
    ],
)
def test_precision_and_compiler_hardly_change_errors(arm, xla, precision, tolerance):
    errors = []
    for settings in ({}, dict(xla=xla, precision=precision)):
        (one,) = runs(get_config(), arm)
        one.config.update(settings)
        trainer = trainer_of(one)
        errors.append([float(trainer.update(step)["error"]) for step in range(4)])
    np.testing.assert_allclose(*errors, rtol=tolerance)
    assert errors[0] != errors[1]


@pytest.fixture(scope="module")
def first_half(tmp_path_factory):
    """The dense half that pruned runs go on from: its workdir, and as it ended."""
    begin, _ = runs(get_config(), "random")
    workdir = tmp_path_factory.mktemp("first half")
    return workdir, trained(begin, workdir)


@pytest.mark.parametrize(
    "arm", ["random", "one-shot magnitude", "iterative magnitude", "one mask of updates"]
)
def test_a_pruned_run_ends_with_the_wanted_number_of_elements(arm, first_half, tmp_path):
    _, one = runs(get_config(), arm)
    trainer = trained(one, tmp_path, first_half[0])
    mask = trainer.fit.modulation.mask.numpy()
    assert mask.sum() == round(0.2 * len(mask))
    assert int(trainer.step) == STEPS
    # It went on: the first step's error is that of a half-trained, pruned network.
    assert min(scalars(tmp_path)["train/error"]) == STEPS // 2 + 1
    adapted = trainer.fit.adapt(DATA.test, DATA.coordinates)
    np.testing.assert_array_equal(trainer.fit.kept(adapted), [mask.sum()] * len(DATA.test))


def test_rounds_close_the_mask_step_by_step(first_half, tmp_path):
    _, one = runs(get_config(), "iterative magnitude")
    trainer, sizes = trainer_of(one, first_half[0]), []
    update = trainer.update

    def watched(step):
        metrics = update(step)
        sizes.append(int(trainer.fit.modulation.mask.numpy().sum()))
        return metrics

    trainer.update = watched
    run(trainer, tmp_path)
    count = trainer.fit.gated_size
    # 0.8^7 is about 0.2: seven rounds in six steps, the first two in the first.
    assert len(sizes) == len(set(sizes)) == 6
    assert sizes[0] == round(0.2 ** (2 / 7) * count)
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] == round(0.2 * count)


def test_magnitudes_are_those_of_the_first_half(first_half, tmp_path):
    _, one = runs(get_config(), "one-shot magnitude")
    mask = trained(one, tmp_path, first_half[0]).fit.modulation.mask.numpy()
    sizes = np.abs(parameters(first_half[1].fit.network))
    assert sizes[mask > 0].min() >= sizes[mask == 0].max()


def test_a_run_begins_where_the_other_ended(first_half):
    workdir, ended = first_half
    _, one = runs(get_config(), "iterative magnitude")
    trainer = trainer_of(one, workdir)
    trainer.start()
    check_same(trainer, ended)
    assert int(trainer.step) == STEPS // 2


def test_pruning_resumed_within_a_round_is_the_same(first_half, tmp_path, monkeypatch):
    _, one = runs(get_config(), "one mask of updates")
    whole = trained(one, tmp_path / "whole", first_half[0])
    for at in (STEPS // 2, STEPS // 2 + 2):  # in the step that prunes, and after it
        check_same(whole, interrupted(one, tmp_path / f"{at}", monkeypatch, at, first_half[0]))


def test_nothing_to_begin_from(tmp_path):
    _, one = runs(get_config(), "random")
    with pytest.raises(MscnError, match="there is no checkpoint to go on from"):
        trained(one, tmp_path / "run", tmp_path / "nothing")


def test_points_of_each_step(tmp_path):
    """Training on some coordinates learns too, and differs from training on all."""
    config = get_config()
    config.points = 16
    (some,) = runs(config, "dense")
    (every,) = runs(get_config(), "dense")
    trained(some, tmp_path / "some")
    trained(every, tmp_path / "every")
    errors = [list(scalars(tmp_path / name)["train/error"].values()) for name in ("some", "every")]
    assert errors[0][-1] < errors[0][0]
    assert errors[0][0] != errors[1][0]


def test_gradient_gates_follow_the_wanted_density(tmp_path):
    config = get_config()
    config.update(steps=80, anneal=(0.0, 0.5), first_price=0.3, price_rate=0.2)
    config.arms["MSCN, delta"].change.model.update(sparsity="gradient")
    config.model.sampled = True
    config.price_follows = "expected"
    config.optimizer.gate_rate = 0.1
    (one,) = runs(config, "MSCN, delta")
    trainer = trained(one, tmp_path)
    density = list(scalars(tmp_path)["train/density"].values())
    assert density[0] > 0.85
    assert 0.1 < np.mean(density[-10:]) < 0.4
    moving = trainer.fit.step_sizes["code"].moving().numpy()
    code = trainer.fit.adapt(DATA.test, DATA.coordinates)["code"].numpy()
    assert 0 < moving.sum() < len(moving)
    assert not np.any(code[:, ~moving])


def test_replicas_draw_gates_of_their_own():
    """Slices of one batch, in one step, that hold the same signals."""
    config = get_config()
    config.arms["MSCN, delta"].change.model.sampled = True
    (one,) = runs(config, "MSCN, delta")
    trainer = trainer_of(one)
    coordinates = np.broadcast_to(DATA.coordinates, (2, *DATA.coordinates.shape))
    errors = [
        trainer._losses(DATA.train[:2], coordinates, tf.constant([[0, 4]] * 2), numbers)[0]
        for numbers in (tf.constant([0, 1]), tf.constant([2, 3]))
    ]
    assert np.all(errors[0] != errors[1])
