"""Model selection for the variant, jointly with the clock, by leave-one-anchor-out error: the one-standard-error rule.

Every interior anchor is left out in turn (`cross_validation`), and every candidate is scored at its own best clock. A
richer Lagrangian is chosen only if it reduces the error of K_I by more than one standard error and by more than the
share GAIN. The same rule decides between straight lines and PCHIP through all anchors, which is a candidate from four
anchors on: leaving one out must leave three. Where no anchor can be left out, the prior is used: K_I, straight lines at
uniform speed.
"""

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pipeline.clocks.bases import CALIBRATED, HOLD, candidates
from pipeline.clocks.clock import Clock
from pipeline.clocks.leave_one_out import LeftOut, leave_anchors_out
from pipeline.clocks.select import SKEWS, ChosenClock, as_good, best_errors, choose_clock, skew_errors
from pipeline.clocks.skew import Skew
from pipeline.data.harvest import Harvest
from pipeline.surrogate.config import SurrogateConfig
from pipeline.surrogate.cross_validation import CrossValidation, curved_coordinates
from pipeline.surrogate.fitted import Candidate
from pipeline.transport.components import MOST
from pipeline.transport.variant import VARIANTS, terms_of

logger = logging.getLogger(__name__)

RICHER = tuple(name for name, terms in VARIANTS.items() if not terms.straight and terms.metric != "fixed")
"""The variants compared with K_I where outputs are draws, the simplest first."""
RICHER_DETERMINISTIC = tuple(name for name in RICHER if not VARIANTS[name].potential)
"""A point has no density."""
PCHIP = "K_I, pchip"
"""K_I with PCHIP in place of straight lines."""
FEWEST_FOR_PCHIP = 4
GAIN = 0.15
"""The smallest share of K_I's leave-one-anchor-out error by which another candidate must improve."""
WEIGHT_BY_ROOT_DIMENSION = 0.03
"""The default α / √D: squared distances grow with D, the spread of a cloud's log-densities with √D."""
ENOUGH = 1.5
"""No richer variant is compared where the error of straight lines is within this factor of that of fresh draws."""


@dataclass(frozen=True, eq=False)
class Choice:
    """The resolved settings (variant, interpolation, speed, α), the clock, and the candidates compared."""

    config: SurrogateConfig
    clock: ChosenClock
    candidates: tuple[Candidate, ...]


def choose(harvest: Harvest, deterministic: bool, config: SurrogateConfig, seed: int = 0) -> Choice:
    """Choose variant and clock for a harvest, except where the configuration names them."""
    config = defaults(config, curved_coordinates(harvest, config).dimension)
    left_out = leave_anchors_out(harvest, deterministic)
    clock = choose_clock(harvest, deterministic, config, left_out)
    clocks = tuple(Candidate(f"clock {name}", error) for name, error in clock.errors.items())
    if config.variant != "auto":
        name = PCHIP if config.interpolation == "pchip" else config.variant
        return Choice(
            with_variant(config, config.variant), clock, (Candidate(name, chosen=True, remark="named"), *clocks)
        )
    if config.interpolation == "pchip":
        return Choice(with_variant(config, "K_I"), clock, (Candidate(PCHIP, chosen=True, remark="named"), *clocks))
    if not left_out:
        remark = "no anchor can be left out: declared prior"
        logger.warning(
            "no anchor can be left out of %s: variant K_I%s; set variant, clock, clock_prior or speed, or harvest a "
            "third anchor",
            harvest.hyperparameter.tolist(),
            " is a prior, not an estimate"
            if clock.clock.base == CALIBRATED
            else f" and clock {clock.clock.base} are priors, not estimates",
        )
        return Choice(with_variant(config, "K_I"), clock, (Candidate("K_I", chosen=True, remark=remark), *clocks))
    if len(left_out) == 1 and clock.clock.base != CALIBRATED:
        logger.warning(
            "one interior anchor identifies the skew of a clock, not its base: %s is a prior", clock.clock.base
        )
    compared = compare(harvest, deterministic, config, clock, left_out, seed)
    chosen = next(candidate.name for candidate in compared.candidates if candidate.chosen)
    if chosen == PCHIP and compared.pchip_clock is not None:
        clock = ChosenClock(compared.pchip_clock, clock.errors)
        return Choice(with_variant(config, "K_I", "pchip"), clock, (*compared.candidates, *clocks))
    if chosen != "K_I":
        clock = choose_clock(harvest, deterministic, config, compared.curves[chosen])
        clocks = tuple(Candidate(f"clock {name}", error) for name, error in clock.errors.items())
    return Choice(with_variant(config, chosen), clock, (*compared.candidates, *clocks))


def defaults(config: SurrogateConfig, dimension: int) -> SurrogateConfig:
    """The configuration with the default weight of the potential and speed, where these are automatic."""
    alpha = WEIGHT_BY_ROOT_DIMENSION * math.sqrt(dimension) if config.alpha == "auto" else config.alpha
    speed = "uniform" if config.speed == "auto" else config.speed
    return config.model_copy(update={"alpha": alpha, "speed": speed})


def with_variant(config: SurrogateConfig, variant: str, interpolation: str | None = None) -> SurrogateConfig:
    """The configuration with this variant, and an interpolation: this one, or the named one, or straight lines."""
    named = "linear" if config.interpolation == "auto" else config.interpolation
    return config.model_copy(update={"variant": variant, "interpolation": interpolation or named})


@dataclass(frozen=True, eq=False)
class Compared:
    """The record of a comparison, the error curves of its variants, and the clock of PCHIP where it was compared."""

    candidates: tuple[Candidate, ...]
    curves: dict[str, list[LeftOut]] = field(default_factory=dict)
    pchip_clock: Clock | None = None


def compare(
    harvest: Harvest,
    deterministic: bool,
    config: SurrogateConfig,
    clock: ChosenClock,
    left_out: Sequence[LeftOut],
    seed: int,
) -> Compared:
    """All variants with their leave-one-anchor-out errors, the chosen one marked, and their error curves."""
    validation = CrossValidation.of(harvest, deterministic, config, seed)
    if validation is None:
        return Compared((Candidate("K_I", chosen=True, remark="too few rows to compare richer variants"),))
    with_pchip = (
        config.interpolation == "auto" and len(clock.clock.anchors) >= FEWEST_FOR_PCHIP and clock.clock.base != HOLD
    )
    clocks = _clocks(clock.clock, config, left_out) if with_pchip else []
    curves: dict[str, list[LeftOut]] = {}
    errors: dict[str, NDArray[np.float64]] = {}

    def evaluate(name: str) -> None:
        curves[name] = validation.curves(with_variant(config, name), seed + 1)
        compared = [validation.errors_at(c, curves[name]) for c in clocks]
        if not clocks or config.clock in ("auto", "learnt"):
            compared.append(best_errors(clock.clock, curves[name]))
        errors[name] = min(compared, key=lambda of_clock: float(of_clock.mean()))

    evaluate("K_I")
    if errors["K_I"].mean() <= ENOUGH * validation.floor():
        remark = "straight lines are nearly as good as fresh draws"
        return Compared((Candidate("K_I", float(errors["K_I"].mean()), chosen=True, remark=remark),), curves)
    pchip_clock: Clock | None = None
    if with_pchip:
        pchip_clock, errors[PCHIP] = validation.pchip(clocks, seed + 1)
    dimension = validation.reduced.dimension
    for name in RICHER_DETERMINISTIC if deterministic else RICHER:
        if terms_of(name).metric == "euclidean" or 1 < dimension <= MOST:
            evaluate(name)
    best = min(errors, key=lambda name: float(errors[name].mean()))
    worth = errors["K_I"].mean() - errors[best].mean() > GAIN * errors["K_I"].mean()
    chosen = next(name for name in errors if not worth or as_good(errors[name], errors[best], validation.conditions))
    record = tuple(
        Candidate(
            name,
            float(errors[name].mean()),
            float((errors[name] - errors[best]).std() / np.sqrt(len(errors[name]))),
            name == chosen,
            remark=f"with clock {pchip_clock.label}" if name == PCHIP and pchip_clock is not None else "",
        )
        for name in errors
    )
    if len(clock.clock.anchors) < FEWEST_FOR_PCHIP:
        record += (Candidate(PCHIP, remark=f"not compared: needs {FEWEST_FOR_PCHIP} anchors"),)
    return Compared(record, curves, pchip_clock)


def _clocks(chosen: Clock, config: SurrogateConfig, left_out: Sequence[LeftOut]) -> list[Clock]:
    """The clocks under which PCHIP and variants are compared: that chosen, and every base with and without a skew."""
    if config.clock != "auto":
        return [chosen]
    clocks, shape = [chosen], chosen.skew.shape
    bases = candidates(chosen.anchors)
    clocks += [Clock(base, chosen.anchors, Skew(shape)) for base in bases]
    for base in bases:
        best = skew_errors(Clock(base, chosen.anchors), left_out).mean(0).argmin()
        clocks.append(Clock(base, chosen.anchors, Skew(shape, float(SKEWS[best]))))
    return clocks
