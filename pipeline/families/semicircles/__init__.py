"""The analytic semicircles."""

SHARED = "pipeline/families/von_mises.py"
"""What DVC watches beside this folder."""
