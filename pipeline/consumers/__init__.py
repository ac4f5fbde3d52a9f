"""What consumers ask a surrogate: files of draws, one condition's path, the best λ for an objective."""
