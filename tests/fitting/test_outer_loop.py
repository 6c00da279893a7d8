"""`MetaLearner` as Keras's users have it: compile, fit, evaluate, predict, save, load, export."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from mscn_tf.fitting import MetaLearner, grid_coordinates
from mscn_tf.fitting.price import PriceRule
from mscn_tf.stack.keras_versions import plain, trainable_variables_of
from tests.modulated import EDGE, signals

ROOT = Path(__file__).resolve().parents[2]
DATA = signals()
POINTS = tf.constant(DATA.coordinates)
LEARNED, HELD_OUT = (part.reshape(-1, EDGE, EDGE, 3) for part in (DATA.train, DATA.test))
SMALL = dict(width=8, depth=2, w0=8.0, steps=2, step_size=0.05, gate_step_size=2.5, seed=1)


def learner(**changes):
    return MetaLearner(**{**SMALL, **changes})


def of_points(values):
    """A set of pairs: the signals of a batch, and the coordinates of all of them."""
    batches = tf.data.Dataset.from_tensor_slices(values).batch(3)
    return batches.map(lambda batch: (batch, POINTS))


def numbers(model):
    return [variable.numpy() for variable in trainable_variables_of([model])]


@pytest.mark.parametrize("follows", ["stored", "expected"])
@pytest.mark.parametrize("sparsity", ["gates", "gradient"])
def test_a_step_descends_the_gradient_of_what_the_inner_loop_leaves(sparsity, follows):
    model = learner(sparsity=sparsity, first_price=0.3)
    batch, learned = tf.constant(LEARNED[:3]), trainable_variables_of([model])
    with tf.GradientTape() as tape:
        adapted = model.adapt(batch)
        density = model.density(adapted)
        loss = tf.reduce_mean(model.errors(adapted, batch) + 0.3 * density)
    gradients = tape.gradient(loss, learned)
    counted = density if follows == "expected" else model.kept(adapted) / model.gated_size
    wanted = [v.numpy() - 1e-3 * g.numpy() for v, g in zip(learned, gradients)]
    model.compile(
        keras.optimizers.SGD(1e-3),
        density=0.2,
        anneal=(0, 4),
        price_rate=0.5,
        price_follows=follows,
        run_eagerly=True,
    )
    logs = model.fit(batch, batch_size=3, verbose=0).history
    for variable, value in zip(learned, wanted):
        np.testing.assert_allclose(variable, value, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(logs["loss"][0], loss, rtol=1e-5)
    price = PriceRule(0.3, 0.2, 0, 4, 0.5).moved(0.3, tf.reduce_mean(counted), 1)
    np.testing.assert_allclose(model.price, price, rtol=1e-5)
    assert float(price) > 0.3


def test_sampled_gates_are_drawn_anew_each_step():
    model = learner(sampled=True, initial_open=0.5)
    model.compile(keras.optimizers.SGD(0.0), price_rate=0.0, run_eagerly=True)
    losses = [model.fit(LEARNED[:4], verbose=0).history["loss"][0] for _ in range(2)]
    assert losses[0] != losses[1]
    # Evaluation is of gates without noise.
    held_out = [model.evaluate(HELD_OUT, verbose=0, return_dict=True) for _ in range(2)]
    assert held_out[0] == held_out[1]


def test_fit_learns_a_density_with_ordinary_callbacks(tmp_path):
    model = learner(first_price=0.3)
    model.compile(
        keras.optimizers.Adam(3e-3, global_clipnorm=0.1),
        step_size_optimizer=keras.optimizers.Adam(0.02),
        gate_optimizer=keras.optimizers.Adam(0.1),
        density=0.3,
        anneal=(0, 20),
        price_rate=0.2,
    )
    before = model.evaluate(HELD_OUT, verbose=0, return_dict=True)
    assert before["kept"] == pytest.approx(1)
    best = str(tmp_path / "best.weights.h5")  # of a whole model Keras 2.14 refuses its own option
    batches = tf.data.Dataset.from_tensor_slices(LEARNED).shuffle(16, seed=0).batch(5)
    history = model.fit(
        batches,
        epochs=15,
        validation_data=(HELD_OUT,),
        callbacks=[
            keras.callbacks.ModelCheckpoint(
                best, "val_loss", save_best_only=True, save_weights_only=True
            ),
            keras.callbacks.LearningRateScheduler(lambda epoch: 3e-3 if epoch < 10 else 1e-3),
            keras.callbacks.CSVLogger(tmp_path / "log.csv"),
            keras.callbacks.TerminateOnNaN(),
        ],
        shuffle=False,  # Keras 3 warns of the default, which a set of batches ignores
        verbose=0,
    ).history
    assert {"loss", "psnr", "kept", "val_loss", "val_psnr", "val_kept"} <= history.keys()
    assert history["psnr"][-1] > history["psnr"][0] + 1
    assert 0.1 < min(history["kept"]) < 0.45  # the price swings around what is wanted
    assert float(model.optimizer.learning_rate) == pytest.approx(1e-3)
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 16
    loaded = learner()
    loaded.load_weights(best)
    loaded.compile()
    found = loaded.evaluate(HELD_OUT, verbose=0, return_dict=True)
    assert found["loss"] == pytest.approx(min(history["val_loss"]), rel=1e-4)


def test_grids_and_points_are_the_same_signals():
    model = learner()
    model.compile(run_eagerly=True)
    of_grid, of_set = model.predict(HELD_OUT, verbose=0), model.predict(of_points(DATA.test))
    assert of_grid.shape == HELD_OUT.shape
    assert of_set.shape == DATA.test.shape  # a batch of three and one of one
    np.testing.assert_allclose(of_grid.reshape(of_set.shape), of_set, atol=1e-5)
    results = [
        model.evaluate(data, batch_size=size, verbose=0, return_dict=True)
        for data, size in ((HELD_OUT, 3), (of_points(DATA.test), None))
    ]
    assert results[0] == pytest.approx(results[1], rel=1e-4)
    errors = np.mean((of_set - DATA.test) ** 2, axis=(1, 2))
    assert results[1]["psnr"] == pytest.approx(np.mean(-10 * np.log10(errors)), rel=1e-4)


@pytest.mark.parametrize(
    "changes",
    [
        dict(),
        dict(modulation="shift", granularity="group"),
        dict(modulation="latent", latent_size=6, sparsity="none"),
        dict(sparsity="gradient"),
        dict(sparsity="mask"),
    ],
    ids=str,
)
def test_codes_are_all_that_decoding_needs(changes):
    model = learner(**changes)
    if changes.get("sparsity") == "mask":
        model.modulation.mask.assign(np.arange(model.gated_size) % 3 == 0)
    elif "gates" in vars(model.modulation):
        model.modulation.gates.log_alpha.assign(np.linspace(-4, 4, model.modulation.gate_count))
    codes = model.codes(HELD_OUT)
    kept = model.kept(model.adapt(HELD_OUT)).numpy()
    assert np.all(np.count_nonzero(codes, axis=1) <= kept)
    values = model.decode(codes, grid_coordinates((EDGE, EDGE)))
    np.testing.assert_allclose(tf.reshape(values, HELD_OUT.shape), model(HELD_OUT), atol=1e-5)
    assert model.decode(codes, grid_coordinates((3, 5))).shape == (4, 15, 3)


def test_a_loaded_model_goes_on_as_if_never_saved(tmp_path):
    """Step sizes, gates, price and three optimizers, and how it was compiled."""
    adam = keras.optimizers.Adam
    model = learner(sampled=True)
    model.compile(
        adam(3e-3),
        step_size_optimizer=adam(0.02),
        gate_optimizer=adam(0.1),
        density=0.3,
        anneal=(1, 9),
        run_eagerly=True,
    )
    model.fit(LEARNED, batch_size=8, shuffle=False, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for one in (model, loaded):
        one.fit(LEARNED, batch_size=8, shuffle=False, verbose=0)
    assert int(plain(loaded.gate_optimizer.iterations)) == 4
    assert float(loaded.price) == float(model.price) != 0.01
    for mine, yours in zip(numbers(model), numbers(loaded)):
        np.testing.assert_array_equal(mine, yours)


def test_optimizers_of_their_own_change_what_is_theirs():
    model = learner()
    before = numbers(model)
    rates = (0.0, 0.1, 0.2)
    network, sizes, gates = (keras.optimizers.SGD(rate) for rate in rates)
    model.compile(network, step_size_optimizer=sizes, gate_optimizer=gates, run_eagerly=True)
    model.fit(LEARNED[:4], verbose=0)
    moved = {
        variable.name.partition(":")[0].rpartition("/")[2]: bool(np.any(variable != value))
        for variable, value in zip(trainable_variables_of([model]), before)
    }
    assert moved == {"kernel": False, "bias": False, "log_size": True, "log_alpha": True}


def test_another_process_loads_and_adapts_and_one_without_the_package_runs_the_export(tmp_path):
    model = learner()
    model.compile()
    model.modulation.gates.log_alpha.assign_add(
        np.random.default_rng(0).normal(size=model.modulation.gate_count)
    )
    np.savez(
        tmp_path / "expected.npz",
        signals=HELD_OUT,
        flat=DATA.test,
        coordinates=DATA.coordinates,
        codes=model.codes(HELD_OUT),
        values=model.predict(HELD_OUT, verbose=0),
        kept=model.kept(model.adapt(HELD_OUT)),
    )
    model.save(tmp_path / "model.keras")
    model.export(tmp_path / "exported")
    programs = {
        "loading": """
import keras
import mscn_tf.fitting
import numpy as np

known = np.load("expected.npz")
model = keras.models.load_model("model.keras")
np.testing.assert_allclose(model.codes(known["signals"]), known["codes"], atol=1e-6)
np.testing.assert_allclose(model.predict(known["signals"]), known["values"], atol=1e-6)
""",
        "serving": """
import sys
sys.modules["mscn_tf"] = None  # cannot be imported
import numpy as np
import tensorflow as tf

known = dict(np.load("expected.npz"))
points = tf.constant(known["coordinates"])
served = tf.saved_model.load("exported")
for count in (1, 3):
    adapted = served.adapt(known["flat"][:count], points)
    kept = adapted.pop("kept")
    np.testing.assert_array_equal(kept, known["kept"][:count])
    wanted = known["values"][:count].reshape(count, -1, 3)
    decode = served.signatures["decode"]
    (values,) = decode(coordinates=points, **adapted).values()
    np.testing.assert_allclose(values, wanted, atol=1e-5)
    serve = served.signatures["serving_default"]
    (values,) = serve(signals=tf.constant(known["flat"][:count]), coordinates=points).values()
    np.testing.assert_allclose(values, wanted, atol=1e-5)
assert served.reconstruct(known["flat"][:, ::2], points[::2]).shape == (4, 32, 3)
""",
    }
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    running = {
        name: subprocess.Popen(
            [sys.executable, "-c", program],
            cwd=tmp_path,
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name, program in programs.items()
    }
    for name, process in running.items():
        _, told = process.communicate(timeout=300)
        assert process.returncode == 0, f"{name}: {told}"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(price_follows="moon"), "price_follows must be one of stored, expected: moon"),
        (dict(density=0.0), r"needs 0 < density <= 1.* not 0\.0 and \(0, 0\)"),
        (dict(anneal=(5, 4)), r"0 <= first <= last to anneal between, not 1\.0 and \(5, 4\)"),
        (
            dict(
                optimizer=keras.optimizers.Adam(use_ema=True),
                gate_optimizer=keras.optimizers.Adam(),
            ),
            "use_ema needs one optimizer for all",
        ),
    ],
)
def test_how_it_cannot_be_trained(change, message):
    with pytest.raises(ValueError, match=message):
        learner().compile(**change)


@pytest.mark.parametrize("sparsity", ["none", "mask"])
def test_a_density_needs_gates(sparsity):
    model = learner(sparsity=sparsity)
    model.compile()
    with pytest.raises(ValueError, match=r"density of 0\.1 needs gates"):
        model.compile(density=0.1)


def test_one_optimizer_may_average_weights():
    model = learner()
    model.compile(keras.optimizers.Adam(0.01, use_ema=True, ema_momentum=0.5), run_eagerly=True)
    model.fit(LEARNED[:8], batch_size=4, verbose=0)
    assert np.all(np.isfinite(model.evaluate(HELD_OUT, verbose=0)))


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ((LEARNED[..., :2],), r"must be on a grid, \[B, N1, N2, 3\], not \(.*, 8, 8, 2\)"),
        ((LEARNED[:, 0],), r"must be on a grid, \[B, N1, N2, 3\], not \(.*, 8, 3\)"),
        ((LEARNED, LEARNED), r"must be \[B, N, 3\] at \[N, 2\], the same for all"),
        ((LEARNED, LEARNED, np.ones(16)), "weights have no use"),
    ],
)
def test_what_is_no_signal(batch, message):
    model = learner()
    model.compile(run_eagerly=True)
    with pytest.raises(ValueError, match=message):
        model.fit(*batch[:2], sample_weight=None if len(batch) < 3 else batch[2], verbose=0)


def test_other_points_than_signals_have_values():
    with pytest.raises(ValueError, match=r"not \(4, 64, 3\) at \(63, 2\)"):
        learner().adapt(DATA.test, POINTS[:63])
    with pytest.raises(ValueError, match=r"not \(4, 64, 3\) at \(4, 64, 2\)"):
        learner().codes(DATA.test, tf.tile(POINTS[None], [4, 1, 1]))
