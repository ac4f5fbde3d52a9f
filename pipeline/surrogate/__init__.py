"""The surrogate: conditional Lagrangian optimal transport between the anchors.

`Surrogate` is loaded on first use, so that reading the configuration does not cost an import of torch.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.surrogate.model import Surrogate

__all__ = ["Surrogate"]


def __getattr__(name: str) -> Any:
    if name == "Surrogate":
        from pipeline.surrogate.model import Surrogate

        return Surrogate
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
