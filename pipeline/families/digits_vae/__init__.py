"""β-VAEs of handwritten digits."""

SHARED = "pipeline/families/digits.py"
"""What DVC watches beside this folder."""
