"""Priors learned with tensorflow-compression, and their freezing into integer tables."""
