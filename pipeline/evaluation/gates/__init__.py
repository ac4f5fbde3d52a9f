"""The gates that a surrogate has to pass to become champion: a list in params.yaml, of metrics with a file each."""
