"""Conditional Lagrangian optimal transport: metric, potential, paths, maps, couplings."""
