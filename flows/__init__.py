"""The Prefect flows: when, where and how often a stage runs. What the stages are stands in dvc.yaml alone."""
