"""Commands of the project's own for those who work on it: ``python -m tools.architecture``, ``python -m tools.reference``."""
