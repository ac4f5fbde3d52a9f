"""Where `Column` and `Schema` used to live; `from pipeline import Column, Schema` is the way in now."""

from pipeline.data.schema import Column, Schema

__all__ = ["Column", "Schema"]
