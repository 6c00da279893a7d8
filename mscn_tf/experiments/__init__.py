"""Experiments on sparsity: many trainings, one table."""
