"""Another TensorFlow runs a SavedModel: python saved_model.py MODEL INPUTS.npz VALUES.npy"""

from __future__ import annotations

import sys

import numpy as np
import tensorflow as tf


def main(model: str, given: str, found: str) -> None:
    decode = tf.saved_model.load(model).signatures["decode"]
    with np.load(given) as arrays:
        values = decode(**{name: tf.constant(arrays[name]) for name in arrays.files})["values"]
    print("TensorFlow", tf.__version__)
    np.save(found, values.numpy())


if __name__ == "__main__":
    main(*sys.argv[1:])
