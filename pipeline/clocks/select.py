"""Model selection for the clock by the anchors alone: its base, and its skew, which may depend on the condition.

Of all clocks whose leave-one-anchor-out error is within one standard error of the best, the least skewed is chosen. A
single interior anchor identifies the skew, but not the base: that is then the configuration's, or the prior for the
anchors' range (`prior_base`), or a base with the same pole that needs no skew. Estimates from one anchor are
penalised: a skew must reduce the error by the share LEAST_GAIN, and one by condition is shrunk towards the pooled one.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.clocks.bases import BASES, CALIBRATED, HOLD, candidates, check_base
from pipeline.clocks.calibration import calibrate
from pipeline.clocks.clock import Clock
from pipeline.clocks.config import ClockConfig
from pipeline.clocks.formulas import LARGEST, position
from pipeline.clocks.leave_one_out import LeftOut, leave_anchors_out
from pipeline.clocks.persistence import find_persistence
from pipeline.clocks.skew import Skew
from pipeline.data.harvest import Harvest
from pipeline.errors import ConfigurationError
from pipeline.transport.standardise import Standardiser

logger = logging.getLogger(__name__)

Errors = NDArray[np.float64]

SKEWS = np.linspace(-LARGEST, LARGEST, 193)
"""The grid of γ; 0 is in its middle."""
LEAST_GAIN = 0.25
"""The smallest share of the error by which a skew, or one by condition, must improve where only one anchor can be left
out: that anchor may lie off the line between its neighbours for other reasons than its clock."""
SHRINKAGE = 0.5
"""The weight of a per-condition skew against the pooled one where only one anchor can be left out: its network's own
error is a function of the condition, too, which cross-validation over conditions cannot detect."""
ROUNDING = 1e-9
"""The relative difference of mean errors up to which they are equal."""
ALIKE = 0.25
"""Between bases whose absolute skews differ by less than this the prior order decides."""
BANDWIDTHS = (0.25, 0.4, 0.7, 1.2)
"""Candidate bandwidths for smoothing γ over conditions, in standard deviations per column."""
PERSISTENCE_SHRINKAGE = 0.5
"""The weight of a per-condition persistence estimate against the pooled one."""
PERSISTENCE_BANDWIDTH = 2.0
"""The bandwidth for smoothing persistence estimates over conditions, in standard deviations per column."""
FEWEST_CONDITIONS = 30
"""The fewest conditions for a skew by condition, and for a standard error over conditions."""


@dataclass(frozen=True, eq=False)
class ChosenClock:
    """A clock, and the leave-one-anchor-out errors of all that were compared, by name."""

    clock: Clock
    errors: dict[str, float]


def choose_clock(
    harvest: Harvest, deterministic: bool, config: ClockConfig, left_out: Sequence[LeftOut] | None = None
) -> ChosenClock:
    """The clock that the configuration names, or one that outcomes calibrate, or one chosen by leaving anchors out.

    left_out: the error curves to choose by; None: those of straight lines.

    Raises ConfigurationError for a clock that is not finite on the anchors, and for `learnt` where no anchor can be
    left out.
    """
    anchors = tuple(harvest.hyperparameter.tolist())
    scaling = Standardiser.of(harvest)
    wanted = config.clock == CALIBRATED or (config.clock, config.clock_prior) == ("auto", "auto")
    calibration = calibrate(harvest, deterministic) if wanted else None
    if config.clock not in ("auto", "learnt"):
        return ChosenClock(Clock(config.clock, anchors, Skew(scaling.shape), calibration), {})
    names = candidates(anchors)
    if config.clock_prior != "auto":
        check_base(config.clock_prior, anchors, "clock_prior")
        names = [config.clock_prior, *(name for name in names if name != config.clock_prior)]
    left_out = leave_anchors_out(harvest, deterministic) if left_out is None else left_out
    if calibration is not None:
        clock = Clock(CALIBRATED, anchors, Skew(scaling.shape), calibration)
        clocks = [clock, *(Clock(name, anchors) for name in names)] if left_out else []
        errors = {c.base: float(skew_errors(c, left_out)[:, len(SKEWS) // 2].mean()) for c in clocks}
        return _by_condition(ChosenClock(clock, errors), left_out, harvest, scaling, config)
    if not left_out:
        if config.clock == "learnt":
            raise ConfigurationError(
                f"clock = 'learnt' needs three or more anchors that share their conditions; the harvest has "
                f"{len(anchors)} anchors: choose one of {[*names, HOLD]}, or auto"
            )
        if len(anchors) > 2:
            logger.warning(
                "the anchors do not share their conditions, so none can be left out: clock %s follows from "
                "clock_prior or the anchors' range alone; set clock or clock_prior",
                names[0],
            )
        skew = Skew(scaling.shape)
        if config.persistence and deterministic and len(anchors) == 2:
            skew = _persistent_skew(harvest, Clock(names[0], anchors), scaling)
        return ChosenClock(Clock(names[0], anchors, skew), {})
    chosen = _judge(
        anchors, names, left_out, scaling, learnt=config.clock == "learnt", open_base=config.clock_prior == "auto"
    )
    return _by_condition(chosen, left_out, harvest, scaling, config)


def _persistent_skew(harvest: Harvest, clock: Clock, scaling: Standardiser) -> Skew:
    """The skew that puts λ = ½ at the position of persistence.

    Per-condition estimates are shrunk towards the pooled one (regression to the mean). Zero where the base is none for
    probabilities, ½ does not lie between the anchors, or no condition column is a lagged target.
    """
    applies = clock.base in ("logit", "probit") and clock.anchors[0] < 0.5 < clock.anchors[-1]
    persistence = find_persistence(harvest) if applies else None
    if persistence is None:
        return Skew(scaling.shape)
    span, whole = clock.spans(0, [0.5])
    known = position(span, whole, SKEWS)[::-1]  # decreasing in the skew: ascending in reverse
    pooled = float(np.interp(persistence.position, known, SKEWS[::-1]))
    single = np.interp(persistence.positions, known, SKEWS[::-1])
    points = Skew(scaling.shape).encode(scaling.condition(_rows(harvest, persistence.rows)))
    if len(points) < FEWEST_CONDITIONS:
        return Skew(scaling.shape, pooled)
    bandwidth = PERSISTENCE_BANDWIDTH * points.shape[1] ** 0.5
    return Skew.of(scaling.shape, points, pooled + PERSISTENCE_SHRINKAGE * (single - pooled), bandwidth)


def _rows(harvest: Harvest, rows: NDArray[np.intp]) -> torch.Tensor:
    return torch.tensor(harvest.conditions[0][rows], dtype=torch.float64)


def skew_errors(clock: Clock, left_out: Sequence[LeftOut]) -> Errors:
    """Leave-one-anchor-out errors (R, 193) for every skew of SKEWS, summed over the anchors."""
    v = clock.coordinates(clock.anchors)
    total = np.zeros((len(left_out[0].errors), len(SKEWS)))
    for curve in left_out:
        before, here, after = v[curve.anchor - 1 : curve.anchor + 2]
        total += curve.at(position(here - before, after - before, SKEWS))
    return total


def best_errors(clock: Clock, left_out: Sequence[LeftOut]) -> Errors:
    """Leave-one-anchor-out errors (R,) at the skew of least mean error, or with hold if that is better."""
    hold = np.sum([curve.at(np.zeros(1))[:, 0] for curve in left_out], axis=0)
    if clock.base == HOLD:
        clock = Clock(candidates(clock.anchors)[0], clock.anchors)
    errors = skew_errors(clock, left_out)
    best = errors[:, errors.mean(0).argmin()]
    return np.asarray(hold if hold.mean() < best.mean() else best)


def _judge(
    anchors: tuple[float, ...],
    names: Sequence[str],
    left_out: Sequence[LeftOut],
    scaling: Standardiser,
    *,
    learnt: bool,
    open_base: bool = True,
) -> ChosenClock:
    """The chosen base and one skew for all conditions; with `learnt` the skew of least error."""
    rows = {name: skew_errors(Clock(name, anchors), left_out) for name in names}
    errors = {name: float(rows[name][:, len(SKEWS) // 2].mean()) for name in names}
    judged = list(names) if len(left_out) > 1 else [_best_of_pole(rows, names, left_out) if open_base else names[0]]
    lowest = {name: int(rows[name].mean(0).argmin()) for name in judged}
    best_name = min(judged, key=lambda name: float(rows[name][:, lowest[name]].mean()))
    best = rows[best_name][:, lowest[best_name]]
    hold = np.sum([curve.at(np.zeros(1))[:, 0] for curve in left_out], axis=0)
    errors |= {HOLD: float(hold.mean()), f"skewed {best_name}": float(best.mean())}
    conditions = left_out[0].conditions
    if not learnt and hold.mean() < best.mean() and not as_good(best, hold, conditions):
        return ChosenClock(Clock(HOLD, anchors, Skew(scaling.shape)), errors)
    skews = {}
    for name in judged:
        fitting = [i for i in range(len(SKEWS)) if as_good(rows[name][:, i], best, conditions)]
        if len(left_out) == 1 and _gains_little(errors[name], best):
            fitting.append(len(SKEWS) // 2)
        if fitting:
            skews[name] = float(SKEWS[lowest[name]] if learnt else min(SKEWS[fitting], key=abs))
    least = min(map(abs, skews.values()))
    name = next(name for name in judged if name in skews and abs(skews[name]) <= least + ALIKE)
    return ChosenClock(Clock(name, anchors, Skew(scaling.shape, skews[name])), errors)


def _best_of_pole(rows: dict[str, Errors], names: Sequence[str], left_out: Sequence[LeftOut]) -> str:
    """The prior base, or another of the same pole that needs no skew where the prior does.

    One left-out anchor identifies one number, the skew of any base. But bases of the same pole are equally simple: one
    that gains little by a skew, and whose error is lower than the prior's by more than a standard error, is taken. Not
    of two poles: one number says nothing of two tails.
    """
    if (pole := BASES[names[0]].pole) == "both":
        return names[0]
    zero, conditions = len(SKEWS) // 2, left_out[0].conditions
    prior = rows[names[0]][:, zero]
    found = [names[0]]
    for name in names[1:]:
        errors, best = rows[name][:, zero], rows[name][:, rows[name].mean(0).argmin()]
        equal = np.isclose(errors.mean(), prior.mean(), rtol=ROUNDING)
        if BASES[name].pole == pole and not equal and not as_good(prior, errors, conditions):
            unskewed = as_good(errors, best, conditions) or _gains_little(float(errors.mean()), best)
            found += [name] if unskewed else []
    return min(found, key=lambda name: float(rows[name][:, zero].mean()))


def _gains_little(error: float, best: Errors) -> bool:
    return bool(best.mean() >= (1 - LEAST_GAIN) * error)


def as_good(errors: Errors, best: Errors, conditions: NDArray[np.intp]) -> bool:
    """Whether the mean of errors (R,) exceeds that of `best` by at most one standard error of their difference."""
    difference = errors - best
    if len(starts := _starts(conditions)) >= FEWEST_CONDITIONS:  # draws of one condition are not independent
        difference = np.add.reduceat(difference, starts) / np.diff([*starts, len(difference)])
    return bool(difference.mean() <= difference.std() / np.sqrt(len(difference)))


def _starts(conditions: NDArray[np.intp]) -> NDArray[np.intp]:
    return np.flatnonzero(np.r_[True, np.diff(conditions) != 0])


def _by_condition(
    chosen: ChosenClock, left_out: Sequence[LeftOut], harvest: Harvest, scaling: Standardiser, config: ClockConfig
) -> ChosenClock:
    """The same clock with a skew γ(x), where leave-one-condition-out error is lower than with one skew.

    γ(x) minimises the kernel-weighted errors of the neighbouring conditions; a condition's own errors are used for
    validation only. Where one anchor alone was left out, γ(x) is shrunk towards its mean, except with clock = learnt.
    """
    if not left_out or chosen.clock.base == HOLD or len(np.unique(left_out[0].conditions)) < FEWEST_CONDITIONS:
        return chosen
    weight = SHRINKAGE if config.clock != "learnt" and len(left_out) == 1 else 1.0
    conditions = left_out[0].conditions
    starts = _starts(conditions)
    counts = np.diff([*starts, len(conditions)])
    errors = np.add.reduceat(skew_errors(chosen.clock, left_out), starts, axis=0) / counts[:, None]
    points = chosen.clock.skew.encode(scaling.condition(_rows(harvest, conditions[starts])))
    squares = torch.cdist(points, points).square().numpy() / points.shape[1]
    pooled = errors.mean(0)
    one = errors[:, pooled.argmin()]
    best, bandwidth = one, 0.0
    for h in BANDWIDTHS:
        weights = np.exp(-0.5 * squares / h**2)
        np.fill_diagonal(weights, 0.0)
        held_out = np.take_along_axis(errors, (weights @ errors + pooled).argmin(1)[:, None], axis=1)[:, 0]
        if held_out.mean() < best.mean():
            best, bandwidth = held_out, h
    name = f"skewed {chosen.clock.base}"
    if (
        bandwidth == 0.0
        or as_good(one, best, np.arange(len(one)))
        or (len(left_out) == 1 and _gains_little(float(one.mean()), best))
    ):
        return chosen
    weights = np.exp(-0.5 * squares / bandwidth**2)
    skews = SKEWS[(weights @ errors + pooled).argmin(1)]
    # A calibration has the frequencies right over all conditions: only departures are left to estimate.
    pooled_skew = 0.0 if chosen.clock.base == CALIBRATED else skews.mean()
    skews = pooled_skew + weight * (skews - skews.mean())
    skew = Skew.of(scaling.shape, points, skews, bandwidth * points.shape[1] ** 0.5)
    clock = chosen.clock.skewed(skew)
    logger.info("clock %s by condition, bandwidth %.2f standard deviations", name, bandwidth)
    return ChosenClock(clock, {**chosen.errors, f"{name} by condition": float(best.mean())})
