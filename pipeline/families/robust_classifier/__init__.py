"""Adversarially trained classifiers of digits."""
