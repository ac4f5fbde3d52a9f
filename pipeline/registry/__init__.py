"""The registry: MLflow runs, registered versions, the champion alias."""
