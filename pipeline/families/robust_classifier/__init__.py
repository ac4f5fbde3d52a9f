"""Adversarially trained classifiers of digits."""

SHARED = "pipeline/families/digits.py"
"""What DVC watches beside this folder."""
