"""The settings of a surrogate: one flat section, made of its parts' own. No torch is imported here."""

from typing import Literal

from pydantic import ConfigDict

from pipeline.clocks.config import ClockConfig
from pipeline.transport.config import LagrangianConfig, PairedConfig, SemidualConfig, Solver


class SurrogateConfig(LagrangianConfig, ClockConfig, PairedConfig, SemidualConfig):
    """Settings of the surrogate; each room takes the part of them that it knows.

    Lengths are in units of the standardised outputs and conditions.
    """

    model_config = ConfigDict(allow_inf_nan=False)

    solver: Solver = "paired"
    # How samples run along their paths: at uniform speed, so that the clock alone says when (auto), or as the least
    # action has it, dwelling where samples are dense.
    speed: Literal["auto", "uniform", "action"] = "auto"
