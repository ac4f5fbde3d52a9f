"""Commands for those who work on the project: `python -m tools.architecture` and `python -m tools.reference`."""
