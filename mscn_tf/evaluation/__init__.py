"""Metrics, baseline codecs, rate-distortion curves."""
