"""Settings of the clock: when outputs move as λ moves."""

from typing import Literal

from pipeline.settings import Section

ClockName = Literal["auto", "learnt", "linear", "log", "mirror_log", "reciprocal", "logit", "probit", "hold"]
ClockPrior = Literal["auto", "linear", "log", "mirror_log", "reciprocal", "logit", "probit"]


class ClockConfig(Section):
    """Which clock, or how it is chosen."""

    # By a named clock, or the one that left-out anchors call for (auto; learnt: with the skew that predicts them best,
    # however small its gain). clock_prior: the base where they cannot tell (auto: by the anchors' range). persistence:
    # with two anchors that are probabilities, λ = 1/2 is put where outputs are nearest to their own past in the
    # conditions.
    clock: ClockName = "auto"
    clock_prior: ClockPrior = "auto"
    persistence: bool = True
