"""Quantile forecasters that were trained on noised histories."""

SHARED = "pipeline/families/forecasters"
"""What DVC watches beside this folder."""
