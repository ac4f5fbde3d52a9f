"""Errors at held-out λ of a sweep with full truth: the surrogate, plain methods, oracles and the floor."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import logit, ndtri

from benchmarks.record import Record, Rows, Task, side_tasks_merged
from benchmarks.table import Criterion, criteria, measured, median_of
from benchmarks.truth import FLOOR_SEEDS, Sweep
from pipeline.clocks.config import ClockPrior
from pipeline.data.anchors import Anchors
from pipeline.data.harvest import Harvest
from pipeline.evaluation.comparison import Comparison, Sample
from pipeline.evaluation.evaluate import evaluate
from pipeline.evaluation.methods.catalog import all_methods, baselines
from pipeline.evaluation.methods.straight_line import between
from pipeline.evaluation.scores import SURROGATE, Evaluation
from pipeline.surrogate.config import SurrogateConfig
from pipeline.transport.coupling import Coupling

if TYPE_CHECKING:
    from pipeline.surrogate import Surrogate

PLAIN = tuple(method.name for method in baselines())
GRID = 21
"""Positions at which the best speed is looked for, before it is refined."""

LABELS = {
    "surrogate": "**this project**, default configuration",
    "surrogate probit": "the same with a declared prior, `clock_prior: probit`",
    "surrogate K_I": "variant K_I: Euclidean couplings, straight paths, uniform speed",
    **{method.name: method.label for method in all_methods() if method.role in ("transport", "baseline")},
    "straight_line probit": "straight line, probit clock",
    "straight_line logit": "straight line, logit clock",
    "best speed": "straight line, best speed at each λ (an oracle)",
    "retrained": "floor: networks from another seed",
    "floor": "floor: fresh samples of the same networks",
}


@dataclass(frozen=True)
class Case:
    """Anchors of a sweep; every other λ of it is held out, but for `judged`, which says which of them count.

    redraws: as `pipeline.evaluation.evaluate`. clock_prior: one that the sweep's preset declares, for a row more.
    """

    name: str
    sweep: Sweep
    anchors: tuple[float, ...]
    judged: tuple[float, ...]
    redraws: int = 1
    clock_prior: ClockPrior = "auto"

    @property
    def values(self) -> list[float]:
        """Anchors and judged λ, ascending."""
        return sorted({*self.anchors, *self.judged})


def surrogate_mean(case: Case, clock: str, seed: int) -> float:
    """The mean error of one fit with a named clock."""
    evaluation = _evaluate(case, SurrogateConfig.model_validate({"clock": clock}), seed)[1]
    return evaluation.mean_error(SURROGATE)


def _evaluate(case: Case, config: SurrogateConfig, seed: int) -> "tuple[Surrogate, Evaluation]":
    from pipeline.surrogate import Surrogate

    surrogate = Surrogate.fit(case.sweep.harvest("fit", case.anchors, seed), config, seed=seed)
    score = case.sweep.harvest("score", case.values, 1000 + seed)
    return surrogate, evaluate(surrogate, score, case.redraws, seed)


def surrogate_errors(case: Case, settings: dict[str, str], seed: int) -> Rows:
    """Rows of one fit; of the default configuration, settings = {}, also the plain methods on the same samples."""
    surrogate, evaluation = _evaluate(case, SurrogateConfig.model_validate(settings), seed)
    if settings:
        return {" ".join([SURROGATE, *settings.values()]): _figures(evaluation, SURROGATE)}
    print(f"  {case.name} · seed {seed}: clock {surrogate.clock}", flush=True)
    return {method: _figures(evaluation, method) for method in evaluation.methods}


def _figures(evaluation: Evaluation, method: str) -> dict[str, float]:
    scores = [s for s in evaluation.held_out if s.method == method]
    figures = {f"{s.hyperparameter:g}": s.error for s in scores}
    figures["mean"] = evaluation.mean_error(method)
    figures["spread"] = float(np.mean([s.spread / s.truth_spread for s in scores]))
    if ends := [s.error for s in evaluation.anchors if s.method == method]:
        figures["anchors"] = float(np.mean(ends))
    return figures


def plain_errors(case: Case, seed: int) -> Rows:
    """Rows that need no surrogate: straight lines by other clocks and at the best speed, and retrained networks."""
    score = case.sweep.harvest("score", case.values, 1000 + seed)
    comparison = Comparison.of(score, deterministic=bool(score.schema.deterministic))
    samples = {v: sample_at(score, k) for k, v in enumerate(score.hyperparameter.tolist())}
    couplings = [comparison.coupling(samples[a], samples[b]) for a, b in pairwise(case.anchors)]
    rows: Rows = {}
    for value in case.judged:
        column, truth = f"{value:g}", samples[value]
        error = line_error(case.anchors, samples, couplings, value, comparison)
        for name, clock in (("probit", ndtri), ("logit", logit)):
            if (s := position(clock, case.anchors, value)) is not None:
                rows.setdefault(f"straight_line {name}", {})[column] = error(s)
        rows.setdefault("best speed", {})[column] = least(error)
        rows.setdefault("retrained", {})[column] = float(
            np.mean([_retrained_error(case, value, s, seed, truth, comparison) for s in FLOOR_SEEDS])
        )
    for figures in rows.values():
        figures["mean"] = float(np.mean(list(figures.values())))
    return rows


def sample_at(score: Harvest, k: int) -> Sample:
    """The sample of a harvest's k-th λ."""
    return Sample(score.outputs[k], score.conditions[k])


def line_error(
    anchors: tuple[float, ...],
    samples: dict[float, Sample],
    couplings: Sequence[Coupling],
    value: float,
    comparison: Comparison,
) -> Callable[[float], float]:
    """The error at λ of the straight line as a function of the position s on it."""
    k = Anchors(tuple(anchors)).interval(value)
    ends = samples[anchors[k]], samples[anchors[k + 1]]
    return lambda s: comparison.error(between(*ends, couplings[k], s), samples[value])


def _retrained_error(
    case: Case, value: float, network_seed: int, seed: int, truth: Sample, comparison: Comparison
) -> float:
    network = case.sweep.trained(value, network_seed)
    outputs = network.outputs(truth.conditions, 1, 2000 + seed)[:, 0]
    return comparison.error(Sample(outputs, truth.conditions), truth)


def position(clock: Callable[[float], float], anchors: tuple[float, ...], value: float) -> float | None:
    """The position s of λ in its interval by a clock; None where the clock is not finite on all anchors."""
    if not all(math.isfinite(clock(a)) for a in anchors):
        return None
    k = Anchors(tuple(anchors)).interval(value)
    start, end = clock(anchors[k]), clock(anchors[k + 1])
    return float((clock(value) - start) / (end - start))


def least(error: Callable[[float], float]) -> float:
    """The least error over s in [0, 1]: on a grid, then refined around its best position."""
    grid = np.linspace(0, 1, GRID)
    values = [error(float(s)) for s in grid]
    best = int(np.argmin(values))
    low, high = grid[max(best - 1, 0)], grid[min(best + 1, GRID - 1)]
    refined = minimize_scalar(error, bounds=(low, high), method="bounded", options={"maxiter": 12})
    return float(min(values[best], refined.fun))


def measure_cases(record: Record, cases: Sequence[Case], seeds: int, processes: int) -> None:
    """Fits by every seed, and the rows beside them (once for deterministic networks, else by every seed)."""
    cases[0].sweep.train(processes)
    stochastic = not cases[0].sweep.family.schema(cases[0].sweep.data).deterministic
    tasks = []
    for case in cases:
        fits: dict[str, dict[str, str]] = {case.name: {}, f"{case.name}/K_I": {"variant": "K_I"}}
        if case.clock_prior != "auto":
            fits[f"{case.name}/{case.clock_prior}"] = {"clock_prior": case.clock_prior}
        tasks += [
            Task(name, s, surrogate_errors, (case, given, s)) for name, given in fits.items() for s in range(seeds)
        ]
        plain = range(seeds if stochastic else 1)
        tasks += [Task(f"{case.name}/plain", seed, plain_errors, (case, seed)) for seed in plain]
    record.measure(tasks, processes)


def show(
    record: Record, case: Case, references: dict[str, str], ratio: float, targets: Sequence[tuple[str, float]] = ()
) -> str:
    """A case's table and its criteria.

    references: means of others by line. ratio: of the better of straight line and unmoved left anchor. targets: bounds
    on the mean, with what they are.
    """
    together = side_tasks_merged(record, case.name)
    columns = {**{f"{v:g}": f"{v:g}" for v in case.judged}, "mean": "mean"}
    if record.values(case.name, "floor", "mean"):
        columns["spread"] = "spread / truth's"
    lines = {label: {"mean": figure} for label, figure in references.items()}
    text = measured(together, case.name, columns, LABELS, lines)
    mean = {row: median_of(together, case.name, row, "mean") for row in LABELS}
    ours = mean["surrogate"]
    bounds = [Criterion(what, ours, high=bound) for what, bound in targets]
    bounds += [
        Criterion(
            "ratio to the better of straight line (linear clock) and unmoved left anchor",
            ours / min(mean["straight_line"], mean["left_anchor"]),
            high=ratio,
        ),
        Criterion("ratio to the best plain method", ours / float(np.nanmin([mean[p] for p in PLAIN])), high=1.03),
        Criterion("ratio to the floor (networks from another seed)", ours / mean["retrained"], high=1.25),
    ]
    return text + "\n" + criteria(bounds)
