"""Where `Family` used to live; `from pipeline import Family` is the way in now."""

from pipeline.families.torch_family import Family, NoSettings

__all__ = ["Family", "NoSettings"]
