"""How good a surrogate is: distances, baselines, gates."""
