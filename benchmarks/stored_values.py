"""Quality against stored values a signal, as functa's and MSCN's tables give it.

A tile codec encodes signals of one tile each at its finest quality; the stored values are symbols
other than zero. For each k, of each signal the k symbols that stand for the largest values are
kept, all others set to 0. Rows of the basis have unit norm, so these are the values that matter
most. Files are written and decoded. Where k is more than a signal has, it keeps all: `mean` is what
is kept.

    python benchmarks/stored_values.py [--codec=faces64] [--values=64,128,..] FOLDER
    python benchmarks/stored_values.py --codec=temperature      # what its training held out
"""

from __future__ import annotations

import numpy as np
from absl import app, flags

from mscn_tf.codec import Codec
from mscn_tf.codec.read_back import read_back
from mscn_tf.signals.modalities import module_of, read
from mscn_tf.signals.signal import Signals

CODEC = flags.DEFINE_string("codec", "faces64", "name or file of a codec of tiles")
VALUES = flags.DEFINE_list("values", ["64", "128", "256", "512", "1024"], "stored values")
EVERY = flags.DEFINE_integer("every", 1, "take one signal out of so many", lower_bound=1)

_Q16 = 160


def held_out(codec: Codec) -> Signals:
    """The signals that the codec's training was evaluated on."""
    data = codec.bundle.manifest.training["config"]["data"]
    options = {**data.get("options", {}), **data.get("validation_options", {})}
    module = module_of(codec.bundle.manifest.modality)
    return Signals(module.training_signals(data["validation"], **options), None, None)


def main(argv: list[str]) -> None:
    """Measures and prints."""
    codec = Codec.load(CODEC.value)
    modality = codec.bundle.manifest.modality
    signals = read(argv[1], modality) if len(argv) > 1 else held_out(codec)
    signals = Signals(signals.arrays[:: EVERY.value], None, None)
    count, shape = len(signals.arrays), signals.arrays[0].shape
    quality, prior = np.full(count, _Q16), codec.scheme.prior
    tiles = np.stack([codec.scheme.values.normalise(signal) for signal in signals.arrays])
    symbols = prior.quantise(codec.encoder.codes(tiles, quality), quality, 0.0)
    order = np.argsort(-np.abs(prior.dequantise(symbols, quality)), axis=1, kind="stable")
    rank = np.argsort(order, axis=1)
    print(f"{count} signals\n| stored values at most | mean | quality |\n|---|---|---|")
    for k in map(int, VALUES.value):
        kept = np.where(rank < k, symbols, 0)
        data = codec.pack(kept, [shape[:-1]] * count, quality, [shape[-1]] * count)
        reached = read_back(codec, data, signals)
        print(f"| {k:,} | {np.count_nonzero(kept) / count:,.1f} | {reached} |", flush=True)


if __name__ == "__main__":
    app.run(main)
