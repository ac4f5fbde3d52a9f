"""Clocks: when outputs move as the hyperparameter moves."""
