"""What drawing a batch takes, beside the training step during which the next one is drawn.

    python benchmarks/input_pipeline.py [CONFIG.py ...]

Takes 1 + 15 steps with the data that the configuration names; prints medians.
"""

from __future__ import annotations

import importlib.util
import time

import numpy as np
from absl import app

from mscn_tf.training.train import trainer_of

CONFIGS = ("mscn_tf/configs/thumb32.py", "mscn_tf/configs/photo.py")
STEPS = 15


def main(argv: list[str]) -> None:
    print("| configuration | draw, ms | step, ms | ratio |\n|---|---|---|---|")
    for path in argv[1:] or CONFIGS:
        spec = importlib.util.spec_from_file_location("config", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        config = module.get_config()
        trainer = trainer_of(config.codec)(config)
        times = []
        for step in range(1 + STEPS):
            began = time.perf_counter()
            trainer.batch(step)
            drawn = time.perf_counter()
            float(trainer.update(step)["loss"])
            times.append((drawn - began, time.perf_counter() - drawn))
        draw, step = np.median(times[1:], axis=0)
        row = f"{config.name} | {1e3 * draw:.1f} | {1e3 * step:.0f} | {draw / step:.1%}"
        print(f"| {row} |", flush=True)


if __name__ == "__main__":
    app.run(main)
