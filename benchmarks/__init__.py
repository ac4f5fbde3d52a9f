"""Benchmarks: figures beside their targets. `python -m benchmarks` measures them and writes docs/benchmarks.md."""
