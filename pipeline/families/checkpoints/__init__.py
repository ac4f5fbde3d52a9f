"""Networks that were trained elsewhere."""

SHARED = "pipeline/tracking"
"""What DVC watches beside this folder: models of an MLflow store are fetched and asked by it."""
