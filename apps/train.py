"""usage: mscn train --config=FILE.py --workdir=DIR [--config.FIELD=VALUE ...]

Trains a codec and writes its bundle, DIR/NAME.mscnb; goes on where an interrupted run in the same
folder stopped. FILE.py defines get_config(); any field of what it returns can be set on the
command line. Needs TensorFlow.

Examples:
  mscn train --config=photo --workdir=runs/photo
  mscn train --config=mine.py --workdir=runs/mine --config.name=mine
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from absl import flags

from mscn_tf.apps import cli
from mscn_tf.runtime.bundle import SUFFIX

if TYPE_CHECKING:
    import ml_collections

STRATEGY = flags.DEFINE_string(
    "strategy",
    "none",
    "none (one device), mirrored, multi_worker (see docs/training.md) or tpu; default none",
)
WORKDIR = flags.DEFINE_string("workdir", None, "folder for checkpoints and logs; made if need be")


def main(argv: list[str]) -> None:
    """The command: trains until the configuration's last step."""
    cli.positional(argv)
    config = _of_these_data(cli.configuration(WORKDIR.value))
    with cli.importing_tensorflow():
        from mscn_tf.export.codec_bundle import write_codec_bundle
        from mscn_tf.training.distribution import is_chief, make_strategy
        from mscn_tf.training.loop import read_record
        from mscn_tf.training.train import train
    strategy = make_strategy(STRATEGY.value)
    trainer = train(config, WORKDIR.value, strategy)
    if not is_chief(strategy):
        return
    path = os.path.join(WORKDIR.value, config.name + SUFFIX)
    write_codec_bundle(path, trainer, trainer.freeze(), read_record(WORKDIR.value))
    cli.tell(f"{path}: {os.path.getsize(path):,} bytes; use it with --codec={path}")


def _of_these_data(config: ml_collections.ConfigDict) -> ml_collections.ConfigDict:
    """A configuration without the licence of data that the command line has others for."""
    from ml_collections import config_flags

    given = config_flags.get_override_values(flags.FLAGS["config"])
    if "data.train" in given and not any(name.startswith("licence") for name in given):
        config.licence = None
    return config


def run() -> None:
    """Runs the command on `sys.argv` and exits."""
    cli.run_configured(main)


if __name__ == "__main__":
    run()
