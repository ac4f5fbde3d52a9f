"""The settings of a surrogate: one flat section that combines those of its parts. Imports no torch."""

from typing import Literal, Self

from pydantic import ConfigDict, model_validator

from pipeline.clocks.config import ClockConfig
from pipeline.transport.config import LagrangianConfig, PairedConfig, SemidualConfig, Solver


class SurrogateConfig(LagrangianConfig, ClockConfig, PairedConfig, SemidualConfig):
    """Settings of the surrogate; each package reads its own part.

    Lengths are in units of the standardised outputs and conditions.
    """

    model_config = ConfigDict(allow_inf_nan=False)

    solver: Solver = "paired"
    # The speed along a path: uniform, so that timing is the clock's alone, or that of the least action, which is slow
    # where samples are dense. auto: uniform.
    speed: Literal["auto", "uniform", "action"] = "auto"
    # How `sample` interpolates under K_I: straight lines between the ends, or PCHIP through all anchors in the clock's
    # coordinate. auto: chosen by leaving anchors out, from four anchors on, where the variant is auto, too; else lines.
    interpolation: Literal["auto", "linear", "pchip"] = "auto"

    # With several hyperparameters: their names in the order in which draws are coupled and geodesics nested. auto: as
    # the harvest has them, or by left-out anchors where two hyperparameters have interior values.
    order: Literal["auto"] | tuple[str, ...] = "auto"

    @model_validator(mode="after")
    def _pchip_is_for_straight_variants(self) -> Self:
        if self.interpolation == "pchip" and self.variant not in ("auto", "K_I"):
            raise ValueError(f"interpolation = 'pchip' with variant = {self.variant!r}: use variant K_I, or auto")
        return self
