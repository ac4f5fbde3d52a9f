"""Settings of the clock, which maps λ to a position on the path between two anchors."""

from typing import Literal, Self

from pipeline.errors import ConfigurationError
from pipeline.settings import Section

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
    # With several hyperparameters: one for all, or a mapping of their names.
    clock: ClockName | dict[str, ClockName] = "auto"
    clock_prior: ClockPrior | dict[str, ClockPrior] = "auto"
    persistence: bool = True

    def for_coordinate(self, name: str) -> Self:
        """The settings of one hyperparameter; ConfigurationError where a mapping lacks its name."""
        update = {}
        for field in ("clock", "clock_prior"):
            given = getattr(self, field)
            if isinstance(given, dict):
                if name not in given:
                    raise ConfigurationError(f"{field} = {given} has no entry for {name!r}; add one (auto will do)")
                update[field] = given[name]
        return self.model_copy(update=update) if update else self
