"""Sweep to surrogate: config → networks → sweep → harvest → surrogate → validation → registry."""
