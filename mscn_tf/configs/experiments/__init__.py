"""Experiments on sparsity; each file has a "cpu" and a "paper" form: ``--config=FILE.py:paper``."""
