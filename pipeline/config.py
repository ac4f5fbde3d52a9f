"""Where settings used to live; `from pipeline import SurrogateConfig` is the way in now."""

from pipeline.families.protocol import IngestSection
from pipeline.surrogate.config import SurrogateConfig

__all__ = ["IngestSection", "SurrogateConfig"]
