"""Which λ to train next: the project's rule beside equal spacing, the widest gap, and the best that one could do.

From three anchors, the ends and one between them, a second and a third inner anchor are added by every rule. λ are
those of a grid at which networks were trained once, by three seeds, so that rules differ in their choices alone. The
error is the mean over the grid without the first three anchors; an anchor that was added counts with its own network.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import count, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.record import Record, Rows, Task
from benchmarks.ridge import RidgeSweep
from benchmarks.truth import Sweep
from pipeline.data.harvest import Harvest
from pipeline.evaluation.comparison import Comparison, Sample
from pipeline.evaluation.next_value import conditions_for, reductions
from pipeline.surrogate.config import SurrogateConfig

if TYPE_CHECKING:
    from pipeline.surrogate import Surrogate

TITLE = "Which λ to train next"
SEEDS = 3
STARTS = (2, 5, 8)
MIDDLE = 5
"""Places in the grid of the inner anchor that a sweep starts with."""
SETTINGS = SurrogateConfig(variant="K_I", map_steps=50)
"""Straight paths, and the clock as ever: what a rule gains shows in them, too, at a tenth of the time."""
GRIDS = {
    "quantiles": (0.01, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.99),
    "semicircles": tuple(k / 10 for k in range(11)),
    "two_moons_small": (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.99),
    "digits_small": (0.1, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0),
    "robust_small": (0.0, 0.03, 0.06, 0.09, 0.12, 0.15, 0.18, 0.21, 0.24, 0.27, 0.3),
    "ridge": (0.001, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
}
SMALLER: dict[str, dict[str, Any]] = {
    "quantiles": {"fit_conditions": 120, "score_conditions": 200},
    "robust_small": {"fit_conditions": 120, "score_conditions": 200},
    "semicircles": {"draws": 40},
    "two_moons_small": {"draws": 60},
    "digits_small": {"draws": 15},
}
"""Fewer samples than the presets have: fits take seconds."""


@cache
def truth(name: str, seed: int) -> Sweep | RidgeSweep:
    """A sweep whose networks have this seed."""
    if name == "ridge":
        return RidgeSweep(seed)
    return replace(Sweep.of_preset(name), values=GRIDS[name], network_seed=seed, **SMALLER.get(name, {}))


@dataclass
class Trial:
    """One sweep by one seed of its networks: fits and their errors, each made once."""

    name: str
    seed: int

    def __post_init__(self) -> None:
        self.grid = GRIDS[self.name]
        self.score = truth(self.name, self.seed).harvest("score", self.grid, 1000 + self.seed)
        self._fits: dict[tuple[float, ...], tuple[Surrogate, dict[float, float]]] = {}

    def fitted(self, anchors: tuple[float, ...]) -> "tuple[Surrogate, dict[float, float]]":
        """The surrogate of some anchors, and its error at every other λ of the grid."""
        if anchors not in self._fits:
            from pipeline.surrogate import Surrogate

            harvest = truth(self.name, self.seed).harvest("fit", anchors, self.seed)
            surrogate = Surrogate.fit(harvest, SETTINGS, seed=self.seed)
            self._fits[anchors] = surrogate, errors_of(surrogate, self.score, anchors)
        return self._fits[anchors]

    def error(self, anchors: tuple[float, ...], start: tuple[float, ...]) -> float:
        """The mean error over the grid without `start`; 0 at the other anchors, which are the truth."""
        errors = self.fitted(anchors)[1]
        return float(np.mean([errors.get(value, 0.0) for value in self.grid if value not in start]))

    def candidates(self, anchors: tuple[float, ...]) -> list[float]:
        """What may be trained."""
        return [value for value in self.grid if value not in anchors]


def errors_of(surrogate: "Surrogate", score: Harvest, anchors: Sequence[float]) -> dict[float, float]:
    """MSE or exact W₂² within conditions, at every λ that is no anchor."""
    comparison = Comparison.of(score, deterministic=surrogate.deterministic)
    judged = {v: k for k, v in enumerate(score.hyperparameter.tolist()) if v not in anchors}
    conditions = np.concatenate([score.conditions[k] for k in judged.values()])
    values = np.repeat(list(judged), [len(score.conditions[k]) for k in judged.values()])
    answers = np.split(surrogate.sample(conditions, values, seed=1)[:, 0], len(judged))
    return {
        value: comparison.error(Sample(given, score.conditions[k]), Sample(score.outputs[k], score.conditions[k]))
        for (value, k), given in zip(judged.items(), answers, strict=True)
    }


def ours(trial: Trial, anchors: tuple[float, ...], power: float = 2.0, narrowest: float = 0.0) -> float:
    """The largest expected reduction of the uncertainty, or of a power of it.

    narrowest: an interval counts only where it is this part of the widest one, or more.
    """
    surrogate = trial.fitted(anchors)[0]
    widths = {ends: ends[1] - ends[0] for ends in pairwise(anchors)}
    wide = [ends for ends, width in widths.items() if width >= narrowest * max(widths.values()) - 1e-9]
    candidates = [v for v in trial.candidates(anchors) if any(left < v < right for left, right in wide)]
    some = conditions_for(surrogate, trial.score.conditions[0])
    return candidates[int(reductions(surrogate, some, candidates, power).argmax())]


def widest(trial: Trial, anchors: tuple[float, ...]) -> float:
    """The middle of the widest gap, the first of equal ones."""
    left, right = max(pairwise(anchors), key=lambda ends: round(ends[1] - ends[0], 9))
    return min(trial.candidates(anchors), key=lambda value: abs(value - (left + right) / 2))


def uniform(trial: Trial, anchors: tuple[float, ...]) -> float:
    """The next of ½, ¼, ¾, ⅛, … of the range that lies at no anchor."""
    for k in count(1):
        place = anchors[0] + (anchors[-1] - anchors[0]) * halved(k)
        nearest = min(trial.grid, key=lambda value: abs(value - place))
        if nearest not in anchors:
            return nearest
    raise AssertionError  # `count` has no end


def halved(k: int) -> float:
    """The k-th of ½, ¼, ¾, ⅛, ⅝, …: the digits of k in base two, reversed (van der Corput)."""
    return float(int(f"{k:b}"[::-1], 2) / 2 ** k.bit_length())


RULES: dict[str, Callable[[Trial, tuple[float, ...]], float]] = {
    "ours": ours,
    "widest gap": widest,
    "uniform": uniform,
}
COLUMNS = {
    "before": "three anchors",
    "ours": "**largest reduction of u²**",
    "widest gap": "middle of the widest gap",
    "uniform": "uniform",
    "by length": "largest reduction of u",
    "no narrow gap": "of u², no gap below half the widest",
    "any": "mean of all λ",
    "best": "best of all λ",
}


def measure_one(name: str, seed: int) -> Rows:
    """Errors by start and number of added anchors: by every rule; of one added also the best and the mean of all λ."""
    trial = Trial(name, seed)
    rows: Rows = {}
    for place in STARTS:
        start = tuple(trial.grid[k] for k in (0, place, -1))
        rows[f"{place}/0"] = {"before": trial.error(start, start)}
        rows[f"{place}/1"], rows[f"{place}/2"] = {}, {}
        if place == MIDDLE:
            every = [trial.error(_with(start, value), start) for value in trial.candidates(start)]
            rows[f"{place}/1"] = {"best": min(every), "any": float(np.mean(every))}
        for rule, choose in RULES.items():
            first = choose(trial, start)
            anchors = _with(start, first)
            second = choose(trial, anchors)
            print(f"  {name} · networks {seed} · {start} · {rule}: {first:g}, {second:g}", flush=True)
            rows[f"{place}/1"][rule] = trial.error(anchors, start)
            rows[f"{place}/2"][rule] = trial.error(_with(anchors, second), start)
    return rows


def _with(anchors: tuple[float, ...], value: float) -> tuple[float, ...]:
    return tuple(sorted((*anchors, value)))


def measure(record: Record, seeds: int, processes: int) -> None:
    """Every sweep by every seed of its networks, which are trained first where they are not on disk."""
    for name in GRIDS:
        for seed in range(seeds):
            if isinstance(sweep := truth(name, seed), Sweep):
                for value in GRIDS[name]:
                    sweep.trained(value, seed)
    record.measure([Task(name, seed, measure_one, (name, seed)) for seed in range(seeds) for name in GRIDS], processes)


def ratios(record: Record, rule: str, added: int, rival: str = "", seeds: Sequence[int] = ()) -> list[float]:
    """Errors of a rule over those of a rival, else over the error before; one for every sweep, seed and start."""
    found = []
    for (_, seed), rows in sorted(record.measurements.items()):
        if seed in seeds or not seeds:
            for place in STARTS:
                error = rows[f"{place}/{added}"]
                found.append(error[rule] / (error[rival] if rival else rows[f"{place}/0"]["before"]))
    return found
