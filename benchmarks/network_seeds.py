"""Every sweep whose networks are cheap, over three seeds of networks: the default beside every straight line.

The seeds of networks are the larger part of the spread. The lines run between the true ends, by every clock that is
finite on the anchors; the best of them at the held-out values is chosen with the truth at hand, which no method can do.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, partial
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from benchmarks.held_out import line_error, position, sample_at
from benchmarks.quantiles_etth2 import SERIES
from benchmarks.quantiles_etth2 import cases as etth2_cases
from benchmarks.record import Record, Rows, Task
from benchmarks.table import Criterion, criteria, measured
from benchmarks.truth import Sweep
from pipeline.clocks.bases import BASES
from pipeline.data.anchors import TOLERANCE
from pipeline.data.harvest import Harvest
from pipeline.data.values import numbers
from pipeline.evaluation.comparison import Comparison, Sample
from pipeline.evaluation.evaluate import evaluate
from pipeline.evaluation.scores import SURROGATE
from pipeline.surrogate.config import SurrogateConfig

if TYPE_CHECKING:
    from pipeline.surrogate import Surrogate

TITLE = "Every sweep, over seeds of networks"
SEEDS = 3
ALLOWED = 1.03
PRESETS = ("quantiles", "semicircles", "two_moons_small", "digits_small", "robust_small")
COLUMNS = {
    "surrogate": "surrogate",
    "best line": "best line, any clock",
    "line": "line, linear clock",
    "own": "line, own clock",
    "retrained": "retrained network",
    "gap": "gap at an anchor / move",
}


@cache
def sweeps() -> dict[str, tuple[Sweep, tuple[float, ...]]]:
    """The sweeps with their anchors, by name."""
    found = {
        name: (Sweep.of_preset(name), tuple(a for (a,) in map(numbers, Sweep.anchors_of(name)))) for name in PRESETS
    }
    if SERIES.is_file():
        case = etth2_cases()[1]
        found["ETTh2"] = (case.sweep, case.anchors)
    return found


def measure_one(name: str, settings: dict[str, str], seed: int) -> Rows:
    """One sweep whose networks have this seed: errors, means over the held-out λ, and the largest gap at an anchor."""
    from pipeline.surrogate import Surrogate

    sweep, anchors = sweeps()[name]
    sweep = replace(sweep, network_seed=seed)
    surrogate = Surrogate.fit(sweep.harvest("fit", anchors, seed), SurrogateConfig.model_validate(settings), seed=seed)
    score = sweep.harvest("score", sweep.values, 1000 + seed)
    evaluation = evaluate(surrogate, score, 2, seed)
    comparison = Comparison.of(score, deterministic=surrogate.deterministic)
    lines = line_errors(score, anchors, comparison)
    best = min(lines, key=lambda clock: lines[clock])
    print(f"  {name} · networks {seed}: {surrogate.config.variant}, {surrogate.clock}; best line {best}", flush=True)
    return {
        "mean": {
            "surrogate": evaluation.mean_error(SURROGATE),
            "best line": lines[best],
            "line": lines["linear"],
            "own": evaluation.mean_error("straight_line_own_clock"),
            "retrained": retrained(sweep, anchors, score, comparison, seed),
            "gap": gap(surrogate, score.conditions[0][:20]),
        }
    }


def line_errors(score: Harvest, anchors: tuple[float, ...], comparison: Comparison) -> dict[str, float]:
    """The mean error over the held-out λ of straight lines between true ends, by clock."""
    samples = {v: sample_at(score, k) for k, v in enumerate(score.hyperparameter.tolist())}
    couplings = [comparison.coupling(samples[a], samples[b]) for a, b in pairwise(anchors)]
    held_out = [v for v in samples if v not in anchors]
    found = {}
    for name, base in BASES.items():
        with np.errstate(all="ignore"):
            positions = [position(partial(_coordinate, base.function), anchors, value) for value in held_out]
        errors = [
            line_error(anchors, samples, couplings, value, comparison)(s)
            for value, s in zip(held_out, positions, strict=True)
            if s is not None
        ]
        if len(errors) == len(held_out):
            found[name] = float(np.mean(errors))
    return found


def _coordinate(base: Callable[[NDArray[np.float64]], NDArray[np.float64]], value: float) -> float:
    return float(base(np.array([value]))[0])


def retrained(sweep: Sweep, anchors: tuple[float, ...], score: Harvest, comparison: Comparison, seed: int) -> float:
    """The mean error of networks that were trained from another seed."""
    errors = []
    for k, value in enumerate(score.hyperparameter.tolist()):
        if value not in anchors:
            truth = sample_at(score, k)
            outputs = sweep.trained(value, (seed + 1) % SEEDS).outputs(truth.conditions, 1, 2000 + seed)[:, 0]
            errors.append(comparison.error(Sample(outputs, truth.conditions), truth))
    return float(np.mean(errors))


def gap(surrogate: "Surrogate", conditions: NDArray[np.floating]) -> float:
    """The largest jump of a draw at an anchor, in units of how far draws move from the first anchor to the last."""
    anchors = surrogate.anchors
    at = [surrogate.sample(conditions, a, draws=3, seed=0) for a in anchors]
    step = 2 * TOLERANCE
    jumps = [
        np.abs(surrogate.sample(conditions, near, draws=3, seed=0) - at[k]).max()
        for k, anchor in enumerate(anchors)
        for near in (anchor - step, anchor + step)
        if anchors[0] < near < anchors[-1]
    ]
    return float(max(jumps) / np.sqrt(np.mean((at[-1] - at[0]) ** 2)))


def measure(record: Record, seeds: int, processes: int) -> None:
    """Every sweep by every seed of its networks; quantiles with its declared prior, too."""
    for sweep, _ in sweeps().values():
        for seed in range(seeds):
            replace(sweep, network_seed=seed).train(processes)
    tasks = [Task(name, seed, measure_one, (name, {}, seed)) for name in sweeps() for seed in range(seeds)]
    prior = {"clock_prior": "probit"}
    tasks += [Task("quantiles, prior probit", s, measure_one, ("quantiles", prior, s)) for s in range(seeds)]
    record.measure(tasks, processes)


def paired_ratio(ours: Sequence[float], line: Sequence[float]) -> tuple[float, float]:
    """The ratio of means over seeds (S,), and two standard errors of the mean difference in units of the line's."""
    if len(ours) < 2:
        return float("nan"), 0.0
    difference = np.asarray(ours) - np.asarray(line)
    error = difference.std(ddof=1) / np.sqrt(len(difference))
    return float(np.mean(ours) / np.mean(line)), float(2 * error / np.mean(line))


def section(record: Record) -> str:
    """A table of all sweeps, and whether the default is behind a line anywhere."""
    parts = ["Mean error over the held-out λ (MSE or W₂²); median and range over the seeds of networks.\n"]
    bounds = []
    for task in record.tasks():
        parts += [f"{task}:\n", measured(record, task, COLUMNS, {"mean": "mean"})]
        ours, line = (record.values(task, "mean", column) for column in ("surrogate", "best line"))
        ratio, interval = paired_ratio(ours, line)
        what = f"{task}: mean over seeds, ratio to the best line (± {interval:.3f} by network seeds)"
        bounds.append(Criterion(what, ratio, high=max(ALLOWED, 1 + interval)))
        bounds.append(Criterion(f"{task}: gap at an anchor", float(max(record.values(task, "mean", "gap"))), high=1e-3))
    return "\n".join([*parts, criteria(bounds)])
