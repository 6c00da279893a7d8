"""One small file for each experiment."""
