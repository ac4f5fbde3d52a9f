"""Model selection for one hyperparameter or several: the settings, a clock a coordinate, and the record.

With several hyperparameters every line of a grid, along one coordinate and with the others fixed, is a sweep of one. So
a coordinate's clock is chosen by leaving out the interior values of its lines, all lines together. Paths stay straight
along a coordinate on whose lines no variant richer than K_I is worth it; the variant of the others is chosen by the
errors summed over their lines. Scattered anchors have no lines: clocks and variant are then declared priors.
"""

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pipeline.clocks.bases import candidates
from pipeline.clocks.clock import Clock
from pipeline.clocks.leave_one_out import LeftOut, leave_anchors_out
from pipeline.clocks.select import ChosenClock, choose_clock
from pipeline.clocks.skew import Skew
from pipeline.data.harvest import Harvest
from pipeline.data.mesh import Grid, axes_of
from pipeline.errors import ConfigurationError
from pipeline.surrogate.choice import GAIN, choose, compare, defaults, with_variant
from pipeline.surrogate.config import SurrogateConfig
from pipeline.surrogate.cross_validation import curved_coordinates
from pipeline.surrogate.fitted import Candidate
from pipeline.transport.standardise import Standardiser

logger = logging.getLogger(__name__)

STRAIGHT = "straight along "
"""What the names of the coordinates begin with along which paths are straight beside curved ones."""
_PRIOR = Candidate("K_I", chosen=True, remark="no value can be left out: declared prior")
MOST_LINES = 4
"""The most lines of a coordinate on which variants are compared: each takes as long as a sweep of one."""


@dataclass(frozen=True, eq=False)
class Decided:
    """The resolved settings, one clock a hyperparameter, the order of the coordinates, and what was compared."""

    config: SurrogateConfig
    clocks: tuple[Clock, ...]
    order: tuple[int, ...]
    candidates: tuple[Candidate, ...]
    clock_errors: dict[str, float]


def decide(harvest: Harvest, deterministic: bool, config: SurrogateConfig, seed: int = 0) -> Decided:
    """Choose settings and clocks for a harvest, except where the configuration names them.

    Raises ConfigurationError for settings that do not fit the harvest's hyperparameters.
    """
    names = [column.name for column in harvest.schema.hyperparameters]
    config.check_names(names)
    order = _order(config, names)
    _check_straight(config, names)
    if len(names) == 1:
        choice = choose(harvest, deterministic, config.for_coordinate(names[0]), seed)
        clock = choice.clock
        return Decided(choice.config, (clock.clock,), order, choice.candidates, clock.errors)
    if config.interpolation == "pchip":
        raise ConfigurationError("interpolation = 'pchip' is for one hyperparameter; use linear, or auto")
    if set(config.straight_names) == set(names):
        config = config.model_copy(update={"variant": "K_I", "straight": "auto"})
    config = defaults(config, curved_coordinates(harvest, config).dimension)
    grid = harvest.grid(order)
    chosen = [_clock(harvest, grid, deterministic, config.for_coordinate(name), p) for p, name in enumerate(names)]
    errors = {f"{name}: {c}": e for name, clock in zip(names, chosen, strict=True) for c, e in clock.errors.items()}
    config, record = _variant(harvest, grid, deterministic, config, chosen, seed)
    clocks = tuple(Candidate(f"clock {name}", error) for name, error in errors.items())
    return Decided(config, tuple(c.clock for c in chosen), order, (*record, *clocks), errors)


def _order(config: SurrogateConfig, names: Sequence[str]) -> tuple[int, ...]:
    if config.order == "auto":
        return tuple(range(len(names)))
    if sorted(config.order) != sorted(names):
        raise ConfigurationError(f"order = {list(config.order)}: every one of {list(names)} is needed once, or auto")
    return tuple(names.index(name) for name in config.order)


def _check_straight(config: SurrogateConfig, names: Sequence[str]) -> None:
    if unknown := [name for name in config.straight_names if name not in names]:
        raise ConfigurationError(f"straight = {list(config.straight)}: {unknown} are not among {list(names)}")
    if len(names) == 1 and config.straight_names:
        raise ConfigurationError("straight is for several hyperparameters; use variant K_I")


def _clock(
    harvest: Harvest, grid: Grid | None, deterministic: bool, config: SurrogateConfig, coordinate: int
) -> ChosenClock:
    """The clock of one coordinate."""
    if grid is None:
        name = harvest.schema.hyperparameters[coordinate].name
        values = axes_of(harvest.vertices, [c.name for c in harvest.schema.hyperparameters])[coordinate].values
        return _declared(harvest, config, values, name)
    lines = [harvest.along(coordinate, line) for line in grid.lines(coordinate)]
    middle = lines[len(lines) // 2]
    left_out = [leave_anchors_out(line, deterministic) for line in lines]
    return choose_clock(middle, deterministic, config, _pooled(left_out, len(lines) // 2))


def _declared(harvest: Harvest, config: SurrogateConfig, values: tuple[float, ...], name: str) -> ChosenClock:
    """The clock of a coordinate of scattered anchors, which no line identifies."""
    named: str = config.clock if config.clock not in ("auto", "learnt") else config.clock_prior
    base = candidates(values)[0] if named == "auto" else named
    if named == "auto":
        logger.warning("the anchors form no grid: clock %s of %s is a prior, not an estimate", base, name)
    return ChosenClock(Clock(base, values, Skew(Standardiser.of(harvest).shape)), {})


def _pooled(lines: Sequence[Sequence[LeftOut]], which: int) -> list[LeftOut]:
    """The error curves of all lines, averaged row by row where their rows have the same conditions, else of one."""
    pooled = []
    for curves in zip(*lines, strict=True):
        first = curves[which]
        alike = [c.errors for c in curves if np.array_equal(c.conditions, first.conditions)]
        pooled.append(LeftOut(first.anchor, np.mean(alike, axis=0), first.conditions))
    return pooled


def _variant(
    harvest: Harvest,
    grid: Grid | None,
    deterministic: bool,
    config: SurrogateConfig,
    clocks: Sequence[ChosenClock],
    seed: int,
) -> tuple[SurrogateConfig, tuple[Candidate, ...]]:
    """The variant, by the errors of left-out values on the grid's lines, and the record of the comparison."""
    if config.variant != "auto":
        return with_variant(config, config.variant), (Candidate(config.variant, chosen=True, remark="named"),)
    linear = config.model_copy(update={"interpolation": "linear"})
    records = [
        [
            compare(line, deterministic, linear, clock, left_out, seed).candidates
            for line in _some_lines(harvest, grid, p)
            if (left_out := leave_anchors_out(line, deterministic))
        ]
        for p, clock in enumerate(clocks)
    ]
    if not any(records):
        remark = "no anchor can be left out: declared prior"
        logger.warning("no anchor can be left out of %s: variant K_I is a prior", list(harvest.vertices))
        return with_variant(config, "K_I"), (Candidate("K_I", chosen=True, remark=remark),)
    return _by_coordinate(config, [column.name for column in harvest.schema.hyperparameters], records)


def _by_coordinate(
    config: SurrogateConfig, names: Sequence[str], records: Sequence[Sequence[tuple[Candidate, ...]]]
) -> tuple[SurrogateConfig, tuple[Candidate, ...]]:
    """The variant by the lines of the coordinates whose left-out values straight lines do not predict; others straight.

    A Lagrangian that must also explain straight moves pulls them where samples are dense, and bends the others less.
    """
    sums = [_summed(lines) if lines else (_PRIOR,) for lines in records]
    straight = tuple(n for n, record in zip(names, sums, strict=True) if _chosen(record) == "K_I")
    if config.straight != "auto":
        straight = config.straight
    curved = [line for n, lines in zip(names, records, strict=True) if n not in straight for line in lines]
    record = _summed(curved or [line for lines in records for line in lines])
    chosen = _chosen(record) if curved else "K_I"
    if chosen == "K_I":
        return with_variant(config, chosen), tuple(replace(c, chosen=c.name == chosen) for c in record)
    told = [
        replace(next(c for c in of_name if c.name == "K_I"), name=f"{STRAIGHT}{n}", chosen=True)
        for n, of_name in zip(names, sums, strict=True)
        if n in straight
    ]
    return with_variant(config.model_copy(update={"straight": straight}), chosen), (*record, *told)


def _chosen(record: Sequence[Candidate]) -> str:
    return next(c.name for c in record if c.chosen)


def _some_lines(harvest: Harvest, grid: Grid | None, coordinate: int) -> list[Harvest]:
    if grid is None:
        return []
    lines = grid.lines(coordinate)
    picked = np.unique(np.linspace(0, len(lines) - 1, min(MOST_LINES, len(lines))).round().astype(int))
    return [harvest.along(coordinate, lines[i]) for i in picked]


def _summed(records: Sequence[tuple[Candidate, ...]]) -> tuple[Candidate, ...]:
    """The candidates with errors summed over lines: the simplest within one standard error, where one saves GAIN."""
    tables = [{c.name: c for c in record if c.error is not None} for record in records]
    names = [name for name in tables[0] if all(name in table for table in tables)]
    if not names:
        return (Candidate("K_I", chosen=True, remark=records[0][0].remark),)
    errors = {name: sum(float(table[name].error or 0.0) for table in tables) for name in names}
    noise = {name: math.hypot(*(table[name].standard_error or 0.0 for table in tables)) for name in names}
    best = min(errors, key=lambda name: errors[name])
    worth = errors["K_I"] - errors[best] > GAIN * errors["K_I"]
    chosen = next(n for n in names if not worth or errors[n] - errors[best] <= noise[n])
    remark = f"summed over {len(records)} lines"
    return tuple(Candidate(n, errors[n], noise[n] if len(names) > 1 else None, n == chosen, remark) for n in names)
