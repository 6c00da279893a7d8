"""Encoding: tiling, fitting, rate control."""
