"""β-VAEs of handwritten digits."""
