"""Policies of an arm that reaches."""

SHARED = "pipeline/families/policies"
"""What DVC watches beside this folder."""
