"""Clocks: the position on the path between two anchors, as a function of the hyperparameter."""
