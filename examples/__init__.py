"""Small programs to start from; each runs in seconds on a CPU: ``python -m examples.arrays``."""
