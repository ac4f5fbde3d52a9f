"""Settings of the clock, which maps λ to a position on the path between two anchors."""

from collections.abc import Sequence
from typing import Literal, Self

from pydantic import Field

from pipeline.errors import ConfigurationError
from pipeline.settings import Section, Switch

ClockName = Literal[
    "auto", "learnt", "linear", "log", "mirror_log", "reciprocal", "logit", "probit", "hold", "calibrated"
]
ClockPrior = Literal["auto", "linear", "log", "mirror_log", "reciprocal", "logit", "probit"]


class ClockConfig(Section):
    """A named clock, or how one is chosen."""

    # clock: a base by name, without skew; calibrated: by the frequencies of outcomes, where the harvest has them; auto:
    # calibrated where possible, else chosen by leave-one-anchor-out error, preferring less skew; learnt: the skew of
    # least error, however small its gain. clock_prior: the base where the samples do not identify it, instead of a
    # calibration (auto: calibrated where possible, else by the anchors' range). persistence: with two anchors that are
    # probabilities and no calibration, the clock puts λ = 1/2 where the outputs are nearest to a lagged target among
    # the conditions.
    clock: ClockName = "auto"
    clock_prior: ClockPrior = "auto"
    persistence: Switch = True
    # With several hyperparameters: what differs for one of them, by its name.
    clocks: dict[str, ClockName] = Field(default_factory=dict)
    clock_priors: dict[str, ClockPrior] = Field(default_factory=dict)

    def for_coordinate(self, name: str) -> Self:
        """The settings of the hyperparameter of this name."""
        clock, prior = self.clocks.get(name, self.clock), self.clock_priors.get(name, self.clock_prior)
        return self.model_copy(update={"clock": clock, "clock_prior": prior, "clocks": {}, "clock_priors": {}})

    def check_names(self, names: Sequence[str]) -> None:
        """Raise ConfigurationError unless clocks and clock_priors name hyperparameters of the harvest alone."""
        for field in ("clocks", "clock_priors"):
            if unknown := sorted(set(getattr(self, field)) - set(names)):
                raise ConfigurationError(f"{field}: {unknown} are not hyperparameters; known: {list(names)}")
