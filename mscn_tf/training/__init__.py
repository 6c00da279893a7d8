"""The outer loop: meta-learning a codec over many signals."""
