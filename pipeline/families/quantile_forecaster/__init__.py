"""Quantile forecasters of a time series."""

SHARED = "pipeline/families/forecasters"
"""What DVC watches beside this folder."""
