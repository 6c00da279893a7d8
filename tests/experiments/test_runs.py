"""Experiments spelled out into runs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from PIL import Image

from mscn_tf.configs.experiments import (
    ablations_faces,
    gates,
    kinds_faces,
    modulations,
    pruning_faces,
)
from mscn_tf.experiments.data import load
from mscn_tf.experiments.runs import code_size, narrowed, parameter_count, runs_of
from mscn_tf.fitting.meta_learner import MetaLearner
from mscn_tf.runtime.errors import MscnError
from tests.modulated import get_config, model, runs

MODELS = [
    dict(),
    dict(width=5, depth=1, axes=3, channels=4),
    dict(modulation="shift"),
    dict(modulation="latent", latent_size=6),
]


@pytest.mark.parametrize("changes", MODELS)
def test_sizes_are_those_of_the_network(changes):
    own = model(**changes)
    network = MetaLearner(**own, seed=0).network
    assert code_size(own) == network.modulation.code_size
    shared = sum(w.shape.num_elements() for s in network.siren_layers for w in s.weights)
    assert parameter_count(own) == shared


@pytest.mark.parametrize("kept", [1.0, 0.4, 0.2, 0.05, 0.01])
@pytest.mark.parametrize("changes", MODELS)
def test_a_narrow_network_has_as_many_elements_as_are_kept(changes, kept):
    """The widest that has no more; one unit or number at least."""
    own = model(**{"width": 40, **changes})
    (field, value), *others = narrowed(own, kept).items()
    assert not others
    narrow, wider = (own.copy_and_resolve_references() for _ in range(2))
    narrow[field], wider[field] = value, value + 1
    wanted = kept * code_size(own)
    assert code_size(narrow) <= wanted or value == 1
    assert code_size(wider) > wanted
    assert field == ("latent_size" if own.modulation == "latent" else "width")


def test_meta_sparseinrs_narrow_widths():
    """Theirs have about as many parameters as 0.8^k of their SIREN of 256x4; ours have no more."""
    paper = pruning_faces.get_config("paper").model
    theirs = (230, 206, 184, 164, 148, 132, 118, 106, 94, 84)
    for k, width in enumerate(theirs, 1):
        assert abs(narrowed(paper, 0.8**k)["width"] - width) <= 3


def test_runs_of_gates_aim_at_what_is_to_be_kept():
    config = get_config()
    config.update(kept=(0.4, 0.1), seeds=(0, 1))
    found = runs(config, "MSCN, all")
    assert [(one.kept, one.seed) for one in found] == [(0.4, 0), (0.1, 0), (0.4, 1), (0.1, 1)]
    for one in found:
        assert one.measured
        assert one.begin is None
        assert (one.config.density, one.config.seed) == (one.kept, one.seed)
        assert one.config.model.target == "all"
        assert one.config.optimizer.gate_rate == 0.05
        assert one.config.first_price > 0
    assert len({one.name for one in found}) == 4


def test_a_dense_arm_is_trained_once_a_seed():
    config = get_config()
    config.update(kept=(0.4, 0.1), seeds=(0, 1))
    found = runs(config, "dense")
    assert [(one.kept, one.seed) for one in found] == [(1.0, 0), (1.0, 1)]
    assert all(one.config.first_price == 0 for one in found)


def test_pruned_arms_go_on_from_one_first_half():
    config = get_config()
    config.update(kept=(0.4, 0.1))
    found = runs(config, "one-shot magnitude", "iterative magnitude", "one mask of updates")
    begin, *others = found
    assert not begin.measured
    assert begin.config.steps == config.steps // 2
    assert len(others) == 6
    for one in others:
        assert one.begin.name == begin.name
        assert one.begin.config == begin.config
        assert one.config.steps == config.steps  # counted from the first half's start
        assert one.config.pruning.rounds[0][0] == config.steps // 2
        assert math.isclose(one.config.pruning.rounds[-1][1], one.kept)
        assert all(at < config.steps for at, _ in one.config.pruning.rounds)
    rounds = {(one.arm, one.kept): len(one.config.pruning.rounds) for one in others}
    assert rounds["one-shot magnitude", 0.1] == rounds["one mask of updates", 0.4] == 1
    assert rounds["iterative magnitude", 0.4] == 4  # 0.8^4 is 0.41
    assert rounds["iterative magnitude", 0.1] == 10


def test_each_round_keeps_the_same_share():
    config = get_config()
    config.update(steps=600)
    one = runs(config, "iterative magnitude")[1]
    densities = [1.0, *[density for _, density in one.config.pruning.rounds]]
    shares = [after / before for before, after in zip(densities, densities[1:])]
    assert all(math.isclose(share, shares[0]) for share in shares)
    assert abs(shares[0] - 0.8) < 0.02
    gaps = [
        after[0] - before[0]
        for before, after in zip(*[one.config.pruning.rounds[i:] for i in (0, 1)])
    ]
    assert max(gaps) - min(gaps) <= 1


def test_from_scratch_nothing_is_learned():
    (one,) = runs(get_config(), "scratch")
    assert one.config.steps == one.config.model.steps == 0
    assert code_size(one.config.model) <= 0.2 * code_size(get_config().model)


def test_an_arms_own_shares():
    config = get_config()
    with config.unlocked():
        config.arms["MSCN, delta"].kept = (0.7,)
    assert [one.kept for one in runs(config, "MSCN, delta")] == [0.7]


def test_the_experiment_itself_stays_as_it_was():
    config = get_config()
    before = config.to_json_best_effort()
    assert runs_of(config)
    assert config.to_json_best_effort() == before


def test_an_unknown_method():
    config = get_config()
    config.arms["random"].method = "magic"
    with pytest.raises(MscnError, match=r"random: method=magic: must be one of gates, dense"):
        runs_of(config)


SHIPPED = {
    "pruning_faces": pruning_faces.get_config,
    "ablations_faces": ablations_faces.get_config,
    "kinds_faces": kinds_faces.get_config,
    **{
        f"gates {what}": lambda size, what=what: gates.get_config(f"{what}-{size}")
        for what in ("faces", "cifar10", "silhouettes")
    },
    **{
        f"modulations {what}": lambda size, what=what: modulations.get_config(
            what if size == "cpu" else f"{what}-{size}"
        )
        for what in ("faces", "temperature", "voxels", "scenes")
    },
}


@pytest.mark.parametrize("size", ["cpu", "paper"])
@pytest.mark.parametrize("name", list(SHIPPED))
def test_shipped_experiments(name, size):
    """Every run's network can be made, and folders have names of their own."""
    config = SHIPPED[name](size)
    found = runs_of(config)
    assert len({one.name for one in found}) == len(found)
    assert {one.seed for one in found} == {0, 1, 2}
    arms = {one.arm: one for one in found if one.seed == 0}
    for one in arms.values() if size == "cpu" else ():
        fit = MetaLearner(**one.config.model, seed=one.seed)
        assert fit.network.modulation.code_size == code_size(one.config.model)


def test_a_longer_training_is_that_of_the_arms_that_are_compared():
    short, long = gates.get_config(), gates.get_config("faces-20000")
    assert (short.steps, long.steps) == (600, 20_000)
    assert set(long.arms) < set(short.arms)
    assert {"MSCN", "one mask of updates", "scratch", "functa, all shifts"} < set(long.arms)
    with pytest.raises(ValueError, match="many: must be a number of steps"):
        gates.get_config("faces-many")
    with pytest.raises(ValueError, match="shapes: there are faces, cifar10, silhouettes"):
        gates.get_config("shapes")


def test_scenes_at_length_have_codes_of_as_many_values():
    found = runs_of(modulations.get_config("scenes-3000"))
    assert {(one.config.steps, one.seed) for one in found} == {(3000, 0)}
    values = {one.arm: one.config.density * code_size(one.config.model) for one in found}
    assert values.pop("no gates, 256 latents") == 256
    for method, sizes in (("MSCN", (64, 256, 1024)), ("COIN", (64, 256)), ("functa", (63, 255))):
        assert sorted(v for arm, v in values.items() if arm.startswith(method)) == list(sizes)


@pytest.mark.parametrize(("what", "closes"), [("faces", 150), ("faces-6000", 600)])
def test_the_mask_closes_early(what, closes):
    begin, one, *_ = runs(gates.get_config(what), "one mask of updates")
    assert begin.config.steps == closes
    assert one.config.pruning.rounds == ((closes, 0.1),)


def test_what_is_not_the_question_is_trained_once():
    """An arm may have seeds of its own; all others have the experiment's."""
    found = [one for one in runs_of(gates.get_config("faces-6000")) if one.measured]
    seeds = {arm: [one.seed for one in found if one.arm == arm] for arm in {r.arm for r in found}}
    assert seeds.pop("MSCN") == seeds.pop("one mask of updates") == [0, 1, 2]
    assert set(map(tuple, seeds.values())) == {(0,)}
    assert len(seeds) == 8


def test_sizes_that_there_are_not():
    with pytest.raises(ValueError, match="huge: there are cpu and paper"):
        pruning_faces.get_config("huge")


def test_sheets_are_rows_of_pictures(tmp_path):
    sheet = np.random.default_rng(0).integers(0, 256, (40, 32 * 32, 3), dtype=np.uint8)
    Image.fromarray(sheet).save(tmp_path / "sheet.png")
    config = gates.get_config("cifar10")
    config.data.update(train=str(tmp_path / "*.png"), held_out=12, test=8)
    signals = load(config)
    assert [len(part) for part in (signals.train, signals.validation, signals.test)] == [28, 4, 8]
    np.testing.assert_allclose(signals.test[-1] * 255, sheet[-1], atol=1e-4)
