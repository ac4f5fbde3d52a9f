"""The settings of a surrogate: one flat section that combines those of its parts. Imports no torch."""

from typing import Literal

from pydantic import ConfigDict

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
