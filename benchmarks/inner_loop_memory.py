"""Peak memory and time of an outer gradient through the inner loop, against its length.

A SIREN modulated by shifts (64x5) is fitted to random pictures of 32x32; every row runs in a
process of its own. Prints a Markdown table.

    python benchmarks/inner_loop_memory.py [--batch=16] [--steps=1,3,10]
"""

from __future__ import annotations

import multiprocessing
import resource
import time

from absl import app, flags

BATCH = flags.DEFINE_list("batch", ["16"], "pictures")
STEPS = flags.DEFINE_list("steps", ["1", "3", "10"], "inner steps")
REPEATS = flags.DEFINE_integer("repeats", 3, "timed runs, of which the fastest counts")


def measure(batch: int, steps: int, kind: str, repeats: int) -> tuple[float, float]:
    """Peak MB over those before the first run, and seconds, of one outer gradient."""
    import numpy as np
    import tensorflow as tf

    from mscn_tf.fitting.meta_sgd import inner_loop
    from mscn_tf.networks.modulations import ShiftModulation
    from mscn_tf.networks.network import ModulatedSiren

    sizes = (2, *[64] * 5, 3)
    network = ModulatedSiren(64, 5, 3, ShiftModulation(sizes), seed=0)
    network.build(tf.TensorShape([None, 2]))
    axis = np.linspace(-1, 1, 32, dtype=np.float32)
    coordinates = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
    signals = np.random.default_rng(0).random((batch, len(coordinates), 3), np.float32)
    rates = tf.fill([1, 1], 0.1)

    @tf.function
    def gradients(signals: tf.Tensor) -> list[tf.Tensor]:
        def loss(adapted: dict[str, tf.Tensor]) -> tf.Tensor:
            return tf.reduce_mean(tf.square(network(coordinates, adapted) - signals), [1, 2])

        with tf.GradientTape() as tape:
            adapted = inner_loop(
                loss,
                network.modulation.initial(batch),
                {"code": rates},
                steps,
                first_order=kind == "first order",
                recompute=kind == "recomputed",
            )
            total = tf.reduce_mean(loss(adapted))
        return tape.gradient(total, network.trainable_variables)

    graph = gradients.get_concrete_function(tf.TensorSpec(signals.shape))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds = []
    for _ in range(1 + repeats):
        began = time.perf_counter()
        graph(tf.constant(signals))
        seconds.append(time.perf_counter() - began)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return (peak - before) / 1024, min(seconds[1:])


def main(_: list[str]) -> None:
    print("| pictures | inner steps | outer gradient | peak MB | seconds |\n|---|---|---|---|---|")
    spawn = multiprocessing.get_context("spawn")
    for batch in map(int, BATCH.value):
        for steps in map(int, STEPS.value):
            for kind in ("second order", "recomputed", "first order"):
                with spawn.Pool(1) as pool:
                    found = pool.apply(measure, (batch, steps, kind, REPEATS.value))
                row = f"| {batch} | {steps} | {kind} | {found[0]:.0f} | {found[1]:.2f} |"
                print(row, flush=True)


if __name__ == "__main__":
    app.run(main)
