"""MLflow stores: where they are, and models in them that were logged elsewhere."""
