"""The turning cloud: two hyperparameters, and the truth known at every λ."""

SHARED = "pipeline/families/von_mises.py"
"""What DVC watches beside this folder."""
