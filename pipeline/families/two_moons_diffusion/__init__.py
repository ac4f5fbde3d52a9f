"""Diffusion models of the two moons."""
