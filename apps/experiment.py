"""usage: mscn experiment --config=FILE.py[:paper] --workdir=DIR [--config.FIELD=VALUE ...]

Trains and measures all arms of an experiment on sparsity, over several seeds, and writes
results.json, table.md and figure.png into DIR. Stopped, the same command goes on; started twice,
both work on it. FILE.py defines get_config(); docs/results.md has those that come with the package.
Needs TensorFlow.

Examples:
  mscn experiment --config=pruning_faces --workdir=runs/pruning
  mscn experiment --config=pruning_faces:paper --workdir=runs/paper     # as large as the paper's
"""

from __future__ import annotations

import os

from absl import flags

from mscn_tf.apps import cli
from mscn_tf.runtime.errors import MscnError

WORKDIR = flags.DEFINE_string("workdir", None, "folder for runs and results; made if need be")


def main(argv: list[str]) -> None:
    """The command: does the runs that are left, then reports."""
    cli.positional(argv)
    config = cli.configuration(WORKDIR.value)
    with cli.importing_tensorflow():
        from mscn_tf.experiments.experiment import experiment
        from mscn_tf.experiments.report import table
    rows = experiment(config, WORKDIR.value)
    print(table(rows), end="")
    if not os.path.exists(os.path.join(WORKDIR.value, "table.md")):
        raise MscnError("other processes are still at work; the last one writes the report")


def run() -> None:
    """Runs the command on `sys.argv` and exits."""
    cli.run_configured(main)


if __name__ == "__main__":
    run()
