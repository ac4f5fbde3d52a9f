"""From networks at a few hyperparameter values to a surrogate for every value in between.

`Harvest`, `Surrogate`, `SurrogateConfig`, `Family`, `Column` and `Schema` are what users import: `from pipeline import
Harvest, Surrogate`. They are loaded on first use, so that the command line does not pay for torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.data.harvest import Harvest
    from pipeline.data.schema import Column, Schema
    from pipeline.families.torch_family import Family
    from pipeline.surrogate.config import SurrogateConfig
    from pipeline.surrogate.model import Surrogate

__all__ = ["Column", "Family", "Harvest", "Schema", "Surrogate", "SurrogateConfig"]

_HOMES = {
    "Column": "pipeline.data.schema",
    "Family": "pipeline.families.torch_family",
    "Harvest": "pipeline.data.harvest",
    "Schema": "pipeline.data.schema",
    "Surrogate": "pipeline.surrogate.model",
    "SurrogateConfig": "pipeline.surrogate.config",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
