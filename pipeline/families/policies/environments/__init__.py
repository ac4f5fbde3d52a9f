"""Gymnasium environments that policies are trained and scored in, and what steps many of them at once."""
