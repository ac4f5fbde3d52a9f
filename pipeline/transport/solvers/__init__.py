"""Solvers of the transport problem, each with its own module."""
