"""Validation: distances, baselines, pictures and the report that show how good a surrogate is."""
