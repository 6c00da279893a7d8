"""What an experiment trains: its arms, spelled out into runs."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Optional

import ml_collections

from mscn_tf.runtime.errors import MscnError

ROUND_KEEPS = 0.8  # of iterative pruning, Meta-SparseINR's
METHODS = ("gates", "dense", "prune", "narrow", "scratch", "per_signal")


@dataclass(frozen=True)
class Run:
    """One training.

    Attributes:
      arm: whose it is.
      kept: share of the dense network's elements that it aims at.
      seed: of weights, batches and noise.
      config: of `ModulatedTrainer`.
      begin: the run that it goes on from.
      measured: whether it is more than the first half of others.
    """

    arm: str
    kept: float
    seed: int
    config: ml_collections.ConfigDict
    begin: Optional[Run] = None
    measured: bool = True

    @property
    def name(self) -> str:
        """Of its folder."""
        return re.sub(r"[^a-z0-9.]+", "-", f"{self.arm} {self.kept:g} {self.seed}".lower())


def parameter_count(model: ml_collections.ConfigDict) -> int:
    """Weights and biases of a network."""
    sizes = (model.axes, *[model.width] * model.depth, model.channels)
    return sum((m + 1) * n for m, n in zip(sizes, sizes[1:]))


def code_size(model: ml_collections.ConfigDict) -> int:
    """Elements of a signal's code."""
    if model.modulation in ("latent", "subspace"):
        return model.latent_size
    return model.width * model.depth if model.modulation == "shift" else parameter_count(model)


def narrowed(model: ml_collections.ConfigDict, kept: float) -> dict[str, int]:
    """The field of ``model``, and its value, whose code has at most a share of the elements."""
    wanted = kept * code_size(model)
    if model.modulation in ("latent", "subspace"):
        return {"latent_size": max(1, int(wanted))}
    narrow = model.copy_and_resolve_references()
    while narrow.width > 1 and code_size(narrow) > wanted:
        narrow.width -= 1
    return {"width": narrow.width}


def runs_of(config: ml_collections.ConfigDict) -> list[Run]:
    """All runs of an experiment, each after the one that it goes on from.

    An arm has a ``method``:

    - "gates": trains with gates that are held at the wanted density.
    - "dense": trains once, without any.
    - "prune": a share ``dense`` of the steps without a mask, by default half of them, then the mask
      closes in ``rounds`` rounds that share the others, each keeping the same share of what was
      left (Lee et al. 2021); ``rounds=0``: as many as keep about 0.8 each. Arms with the same
      ``dense`` go on from the same first steps.
    - "narrow": trains a dense network whose code has as many elements as are to be kept.
    - "scratch": the same, not trained: what fits signals from a random start.
    - "per_signal": trains a dense network, once for all such arms, that ``codec`` starts from.

    and ``change``, what differs in the configuration; ``kept`` and ``seeds`` of its own, where not
    all are wanted of it. Where it has a ``codec``, that measures what
    was trained (`mscn_tf.experiments.baselines`).

    Raises:
      MscnError: there is no such method.
    """
    runs: dict[str, Run] = {}
    for arm, spec in config.arms.items():
        if spec.method not in METHODS:
            raise MscnError(f"{arm}: method={spec.method}: must be one of {', '.join(METHODS)}")
        for seed in spec.get("seeds", config.seeds):
            for kept in (1.0,) if spec.method == "dense" else spec.get("kept", config.kept):
                for run in _chain(config, arm, spec, kept, seed):
                    runs.setdefault(run.name, run)
    return list(runs.values())


def _chain(
    config: ml_collections.ConfigDict,
    arm: str,
    spec: ml_collections.ConfigDict,
    kept: float,
    seed: int,
) -> list[Run]:
    base = config.copy_and_resolve_references()
    with base.unlocked():
        for field in ("arms", "kept", "seeds"):
            del base[field]
        base.name, base.seed = arm, seed
        base.optimizer.schedule_steps = base.steps
        base.pruning = ml_collections.ConfigDict(dict(score="", rounds=()))
    base.update(spec.get("change", {}))
    dense = base.copy_and_resolve_references()
    if "codec" in spec:
        with base.unlocked():
            base.codec = spec.codec
    if spec.method == "gates":
        base.density = kept
        return [Run(arm, kept, seed, base)]
    base.first_price = 0.0
    if spec.method in ("narrow", "scratch"):
        base.model.update(narrowed(base.model, kept))
        if spec.method == "scratch":
            base.steps = base.model.steps = 0
    if spec.method == "per_signal":
        dense.update(name="shared start", first_price=0.0)
        begin = Run(dense.name, 1.0, seed, dense, measured=False)
        return [begin, Run(arm, kept, seed, base, begin)]
    if spec.method != "prune":
        return [Run(arm, kept, seed, base)]
    start = int(base.steps * spec.get("dense", 0.5))
    rounds = spec.rounds or max(1, round(math.log(kept) / math.log(ROUND_KEEPS)))
    first = base.copy_and_resolve_references()
    first.update(name=f"first {start} steps", steps=start)
    first.model.target = "delta"  # its mask is open, whatever it is on
    begin = Run(first.name, 1.0, seed, first, measured=False)
    base.pruning.score = spec.score
    base.pruning.rounds = tuple(
        (start + i * (base.steps - start) // rounds, kept ** ((i + 1) / rounds))
        for i in range(rounds)
    )
    return [begin, Run(arm, kept, seed, base, begin)]
