"""Plain methods that are settings of a surrogate: they can be registered behind the same interface.

A straight line between the anchors' outputs is the surrogate of variant K_I, with its own clock or the linear one, and
PCHIP through all anchors is K_I with those curves. Each answers at any condition, as its method does in validation.
"""

from typing import TYPE_CHECKING, Any

from pipeline.data.harvest import Harvest
from pipeline.evaluation.methods.pchip import METHOD as PCHIP
from pipeline.evaluation.methods.straight_line import METHOD as LINE
from pipeline.evaluation.methods.straight_line_own_clock import METHOD as OWN_CLOCK
from pipeline.surrogate.config import SurrogateConfig

if TYPE_CHECKING:
    from pipeline.surrogate import Surrogate

STRAIGHT: dict[str, Any] = {"variant": "K_I", "straight": "auto", "interpolation": "linear"}
SETTINGS: dict[str, dict[str, Any]] = {
    LINE.name: STRAIGHT | {"clock": "linear"},
    OWN_CLOCK.name: STRAIGHT,
    PCHIP.name: STRAIGHT | {"clock": "linear", "interpolation": "pchip"},
}
"""What each changes in the settings of a surrogate."""


def plain_surrogate(method: str, harvest: Harvest, settings: SurrogateConfig, seed: int) -> "Surrogate | None":
    """The surrogate that a method is, fitted to a harvest of the anchors; None for a method that is none."""
    from pipeline.surrogate import Surrogate

    if method not in SETTINGS:
        return None
    return Surrogate.fit(harvest, SurrogateConfig(**settings.model_dump() | SETTINGS[method]), seed=seed)
