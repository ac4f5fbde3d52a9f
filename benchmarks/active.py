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
from benchmarks.table import cell, number, table
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
TIE = 1e-6
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


def ours(trial: Trial, anchors: tuple[float, ...]) -> float:
    """The largest expected reduction of the uncertainty."""
    surrogate, candidates = trial.fitted(anchors)[0], trial.candidates(anchors)
    some = conditions_for(surrogate, trial.score.conditions[0])
    return candidates[int(reductions(surrogate, some, candidates).argmax())]


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
RIVALS = ("widest gap", "uniform")
COLUMNS = {
    "before": "three anchors",
    "ours": "**largest reduction of the uncertainty**",
    "widest gap": "middle of the widest gap",
    "uniform": "½, ¼, ¾, ⅛, … of the range",
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


def over_starts(record: Record, name: str, rule: str, added: int) -> list[float]:
    """The mean error over the starts, of every seed."""
    rows = [record.values(name, f"{place}/{added}", rule) for place in STARTS]
    return [float(np.mean(errors)) for errors in zip(*rows, strict=True)]


def pairs(record: Record, name: str, rival: str, added: int) -> list[tuple[float, float]]:
    """Errors of the rule and of a rival, from every start by every seed."""
    found: list[tuple[float, float]] = []
    for place in STARTS:
        ours_, theirs = (record.values(name, f"{place}/{added}", rule) for rule in ("ours", rival))
        found += zip(ours_, theirs, strict=True)
    return found


def mean_ratio(found: Sequence[tuple[float, float]]) -> float:
    """The geometric mean of errors over errors."""
    return float(np.exp(np.mean([np.log(one / other) for one, other in found])))


def standing(record: Record, name: str, rival: str, added: int) -> str:
    """The geometric mean of the ratios, then how often the rule is better, as good (within TIE), and worse."""
    found = pairs(record, name, rival, added)
    better = sum(one < other * (1 - TIE) for one, other in found)
    worse = sum(other < one * (1 - TIE) for one, other in found)
    return f"{number(mean_ratio(found))} ({better} / {len(found) - better - worse} / {worse})"


def section(record: Record) -> str:
    """Errors by sweep and rule; ratios and wins; and how far the rule is from the best λ."""
    names = record.tasks()
    parts = [
        "Mean errors over the grid (MSE or W₂²), in the mean over three starts; median and range over the seeds.\n"
    ]
    for added, words in ((1, "One λ added"), (2, "A second one added")):
        lines = [
            [name]
            + [cell(over_starts(record, name, rule, 0 if rule == "before" else added)) for rule in COLUMNS]
            + [standing(record, name, rival, added) for rival in RIVALS]
            for name in names
        ]
        header = ["", *COLUMNS.values(), *(f"ratio to {rival} (better / equal / worse)" for rival in RIVALS)]
        parts += [f"{words}:\n", table(header, lines), overall(record, names, added)]
    return "\n".join([*parts, beside_the_best(record, names)])


def overall(record: Record, names: Sequence[str], added: int) -> str:
    """The geometric mean over the sweeps' own, with two standard errors over sweeps."""
    lines = []
    for rival in RIVALS:
        logs = np.log([mean_ratio(pairs(record, name, rival, added)) for name in names])
        error = 2 * logs.std(ddof=1) / np.sqrt(len(logs)) if len(logs) > 1 else 0.0
        low, high = (number(float(np.exp(logs.mean() + sign * error))) for sign in (-1, 1))
        lines.append(
            f"- ratio to {rival}, over {len(names)} sweeps: {number(float(np.exp(logs.mean())))} [{low}, {high}]"
        )
    return "\n".join(lines) + "\n"


def beside_the_best(record: Record, names: Sequence[str]) -> str:
    """Errors after one λ from the middle start, over that of the best λ of all, which takes the truth to know."""
    rules, row = ("ours", *RIVALS, "any"), f"{MIDDLE}/1"
    lines = []
    for name in names:
        best = record.values(name, row, "best")
        found = [list(zip(record.values(name, row, rule), best, strict=True)) for rule in rules]
        lines.append([name, *(number(mean_ratio(pairs_)) for pairs_ in found)])
    header = ["", "largest reduction", *RIVALS, "any λ, in the mean"]
    return "One λ added to ends and middle: errors over that of the best λ of all.\n\n" + table(header, lines)
