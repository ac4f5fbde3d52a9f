"""Stages: thin shells that DVC calls, files in, files out."""
