"""Encoding: tiling, fitting, rate control."""

from mscn_tf.codec.codec import Codec

__all__ = ["Codec"]
