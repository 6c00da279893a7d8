"""Decoding time of group-sparse networks whose closed units are removed, over the dense network's.

    mscn experiment --config=mscn_tf/configs/experiments/kinds_faces.py --workdir=DIR
    python benchmarks/compaction.py DIR

For each kind of gates that can close units: how many hidden units a test signal keeps, how many
parameters its network has then, and what evaluating it at 256x256 points takes, all networks in
turns, the minimum of --repeats of them; and the largest difference of a value.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import tensorflow as tf
from absl import app, flags

from mscn_tf.configs.experiments import kinds_faces
from mscn_tf.experiments.data import load
from mscn_tf.experiments.runs import runs_of
from mscn_tf.export.compaction import compacted
from mscn_tf.fitting.meta_learner import MetaLearner
from mscn_tf.runtime.grids import centres
from mscn_tf.stack.keras_versions import variables_of

REPEATS = flags.DEFINE_integer("repeats", 20, "timed evaluations of each", lower_bound=1)
SIGNALS = flags.DEFINE_integer("signals", 4, "test signals", lower_bound=1)

ARMS = ("all, group", "all, activation", "all, unstructured")


def main(argv: list[str]) -> None:
    """Measures and prints."""
    config = kinds_faces.get_config()
    signals = load(config)
    points = np.stack(np.meshgrid(centres(256), centres(256), indexing="ij"), -1).reshape(-1, 2)
    points = tf.constant(points.astype(np.float32))
    print("| gates | units kept | parameters | time over dense | largest difference |")
    print("|---|---|---|---|---|")
    for run in runs_of(config):
        if run.arm not in ARMS or run.seed != 0:
            continue
        fit = MetaLearner(**run.config.model, seed=run.seed)
        path = tf.train.latest_checkpoint(str(Path(argv[1]) / "runs" / run.name / "checkpoints"))
        if path is None:
            raise SystemExit(f"{argv[1]} holds no run {run.name}: run the experiment first")
        tf.train.Checkpoint(fit=variables_of(fit)).restore(path).expect_partial()
        rows = []
        for signal in signals.test[: SIGNALS.value]:
            adapted = fit.adapt(tf.constant(signal[None]), tf.constant(signals.coordinates))
            whole = tf.function(lambda fit=fit, adapted=adapted: fit.network(points, adapted)[0])
            narrow = compacted(fit.network, adapted)
            part = tf.function(lambda narrow=narrow: narrow(points))
            difference = np.abs(whole().numpy() - part().numpy()).max()
            took: dict[str, list[float]] = {"whole": [], "part": []}
            for _ in range(REPEATS.value):
                for name, function in (("whole", whole), ("part", part)):
                    began = time.perf_counter()
                    function().numpy()
                    took[name].append(time.perf_counter() - began)
            units = sum(layer.units for layer in narrow.layers[:-1])
            rows.append(
                (units, narrow.count_params(), min(took["part"]) / min(took["whole"]), difference)
            )
        units, parameters, ratio, difference = np.mean(rows, axis=0)
        whole_units = run.config.model.width * run.config.model.depth
        print(
            f"| {run.arm} | {units:.0f} of {whole_units} | {parameters:.0f} | {ratio:.2f} | "
            f"{difference:.1e} |",
            flush=True,
        )


if __name__ == "__main__":
    app.run(main)
