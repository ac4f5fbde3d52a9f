"""How good a surrogate is: distances, plain methods, gates."""
