"""Plain methods that are settings of a surrogate: they can be registered behind the same interface.

A straight line between the anchors' outputs is the surrogate of variant K_I, with its own clock or the linear one, and
PCHIP through all anchors is K_I with those curves. Each answers at any condition, as its method does in validation.
"""

from typing import Any

from pipeline.evaluation.methods.pchip import METHOD as PCHIP
from pipeline.evaluation.methods.straight_line import METHOD as LINE
from pipeline.evaluation.methods.straight_line_own_clock import METHOD as OWN_CLOCK
from pipeline.surrogate.config import SurrogateConfig

STRAIGHT: dict[str, Any] = {"variant": "K_I", "straight": "auto", "interpolation": "linear"}
LINEAR: dict[str, Any] = {"clock": "linear", "clocks": {}}
SETTINGS: dict[str, dict[str, Any]] = {
    LINE.name: STRAIGHT | LINEAR,
    OWN_CLOCK.name: STRAIGHT,
    PCHIP.name: STRAIGHT | LINEAR | {"interpolation": "pchip"},
}
"""What each changes in the settings of a surrogate."""


def plain_settings(method: str, settings: SurrogateConfig) -> SurrogateConfig | None:
    """The settings of the surrogate that a method is, else as they are given; None for a method that is none."""
    return SurrogateConfig(**settings.model_dump() | SETTINGS[method]) if method in SETTINGS else None
