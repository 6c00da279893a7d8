"""TensorFlow by NumPy's names, as far as `mscn_tf.codec.network` asks for them."""

from __future__ import annotations

from types import SimpleNamespace

import tensorflow as tf

xp = SimpleNamespace(
    asarray=tf.cast,
    concatenate=tf.concat,
    cos=tf.cos,
    matmul=tf.matmul,
    reshape=tf.reshape,
    sin=tf.sin,
    take=tf.gather,
    transpose=tf.transpose,
)
