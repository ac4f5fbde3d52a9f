"""Benchmarks: figures beside their targets, measured in one run by `python -m benchmarks.<name>`."""
