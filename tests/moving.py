"""Harvests whose samples move on straight lines at the pace of a known clock, and the clocks chosen for them."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from pipeline.clocks.clock import Clock
from pipeline.clocks.formulas import position
from pipeline.clocks.select import ChosenClock, choose_clock
from pipeline.data.harvest import Harvest
from pipeline.surrogate.config import SurrogateConfig
from pipeline.transport.standardise import Standardiser

Values = NDArray[np.float64]


def moving(
    anchors: tuple[float, ...],
    base: str,
    skew: float | Callable[[Values], Values] = 0.0,
    *,
    deterministic: bool,
    contexts: int = 40,
    draws: int = 6,
    dimension: int = 2,
) -> Harvest:
    """Samples that leave the first anchor and reach the last one as the clock says; γ may be a function of x (N,).

    Conditions with a column x, evenly in [−1.5, 1.5]; ways differ in length by them, draws of one do not cross.
    """
    draws = 1 if deterministic else draws
    rng = np.random.default_rng(0)
    x = np.repeat(np.linspace(-1.5, 1.5, contexts), draws)
    start = x[:, None] + rng.normal(0, 0.0 if deterministic else 0.2, (len(x), dimension))
    ys = [start + way(x, progress(anchors, base, skew, x, a), dimension) for a in anchors]
    return Harvest.from_arrays(anchors, ys, [x[:, None]] * len(anchors), deterministic=deterministic)


def by_condition(x: Values) -> Values:
    """γ(x) = 2x, of conditions x (N,)."""
    return 2.0 * x


def progress(
    anchors: tuple[float, ...], base: str, skew: float | Callable[[Values], Values], x: Values, at: float
) -> Values:
    """How far of their whole way samples of conditions x (N,) have come at λ = at: (N,)."""
    gamma = skew(x) if callable(skew) else np.full(len(x), skew)
    return position(Clock(base, anchors).coordinates([at]), 1.0, gamma)


def way(x: Values, progress: Values, dimension: int = 2) -> Values:
    """What samples of conditions x (N,) have gone by then: (N, dimension)."""
    length = 2.0 + np.sin(2 * x)
    return (length * progress)[:, None] * np.linspace(1, 2, dimension)


def positions(clock: Clock, interval: int, values: ArrayLike, skew: float = 0.0) -> Values:
    """Positions s of λ = values (M,) in an interval, float64, by a clock with that skew."""
    return position(*clock.spans(interval, np.asarray(values)), skew)


def chosen_for(harvest: Harvest, **settings) -> ChosenClock:
    return choose_clock(harvest, bool(harvest.schema.deterministic), SurrogateConfig(**settings))


def skew_at(chosen: ChosenClock, harvest: Harvest, x: np.ndarray) -> np.ndarray:
    """γ(x) of conditions x (N,) or (N, C)."""
    condition = Standardiser.of(harvest).condition(torch.tensor(x.reshape(len(x), -1), dtype=torch.float64))
    return chosen.clock.skew(condition)[:, 0].numpy()
