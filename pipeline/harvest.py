"""Where `Harvest` used to live; `from pipeline import Harvest` is the way in now."""

from pipeline.data.harvest import Harvest

__all__ = ["Harvest"]
