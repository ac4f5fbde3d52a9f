"""Policies of cancer therapy."""

SHARED = "pipeline/families/policies"
"""What DVC watches beside this folder."""
