"""The λ that `recommend` names, on sweeps whose truth is known at every λ, over seeds of networks and of draws.

Regret is what the named λ loses against the best one by the truth itself, in units of the range between the best λ and
the worst. The thermostat and the newsvendor have trained networks, and the seeds are theirs; the other two are laws,
and the seeds are those of the draws that the surrogate is fitted to.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from benchmarks.newsvendor import Newsvendor, demand_at
from benchmarks.record import Record, Rows, Task
from benchmarks.table import Criterion, criteria, measured
from examples.own_family import Thermostat
from pipeline.consumers.objective import read_objective
from pipeline.data.harvest import Harvest
from pipeline.data.values import named
from pipeline.families.catalog import family_class
from pipeline.families.protocol import Data, NetworkFamily

if TYPE_CHECKING:
    from pipeline.consumers.recommend import Recommendation
    from pipeline.surrogate import Surrogate

TITLE = "Recommended λ"
SEEDS = 5
ALLOWED = 0.05
TRUE_DRAWS = 4_000
COLUMNS = {"regret": "regret", "worst": "regret, worst group", "inside": "best λ in the interval", "seconds": "seconds"}
LABELS = {"overall": "one λ for all", "row": "one λ for each condition"}
UNDER, OVER = 3.0, 1.0
"""What a unit that is missing costs the newsvendor, and one that is left."""

Truth = Callable[[NDArray[np.float64], NDArray[np.intp]], NDArray[np.float64]]
"""The expected objective at λ (L, P) over some of the conditions, by their numbers: (L,)."""


@dataclass(frozen=True)
class Case:
    """A sweep with an objective, which is minimised.

    family: trains, or knows, the network of a λ. grid: λ (L, P) among which the truth's best and worst are. conditions:
    (count, their seed); draws: of the harvest. columns: further columns of the objective, from the conditions. truth:
    from the conditions (N, C).
    """

    family: NetworkFamily
    anchors: Sequence[float | tuple[float, ...]]
    objective: str
    grid: NDArray[np.float64]
    truth: Callable[[NDArray[np.float64]], Truth]
    draws: int = 1
    count: int = 400
    columns: Callable[[NDArray[np.float64], int], dict[str, NDArray[np.float64]]] = lambda conditions, seed: {}
    per_row: bool = True


def thermostat_truth(conditions: NDArray[np.float64]) -> Truth:
    """With p = (20 − t) / (1 + λ) the cost (t + p − 20)² + ½ p² is c² (λ² + ½) / (1 + λ)², c = 20 − t."""

    def cost(values: NDArray[np.float64], rows: NDArray[np.intp]) -> NDArray[np.float64]:
        price = values[:, 0]
        return np.asarray(np.mean((20 - conditions[rows, 0]) ** 2) * (price**2 + 0.5) / (1 + price) ** 2)

    return cost


def newsvendor_truth(conditions: NDArray[np.float64]) -> Truth:
    """At the quantile μ + σ z the expected cost is σ ((u + o) (φ(z) + z Φ(z)) − u z)."""

    def cost(values: NDArray[np.float64], rows: NDArray[np.intp]) -> NDArray[np.float64]:
        z = norm.ppf(values[:, 0])
        _, spread = demand_at(conditions[rows, 0])
        return np.asarray(spread.mean() * ((UNDER + OVER) * (norm.pdf(z) + z * norm.cdf(z)) - UNDER * z))

    return cost


def drawn_truth(family: NetworkFamily, names: Sequence[str], objective: str) -> Callable[[NDArray[np.float64]], Truth]:
    """The mean over many draws of the law itself, the same objective at each λ."""
    columns = ["y0", "y1"]

    def at(conditions: NDArray[np.float64]) -> Truth:
        expression = read_objective(objective, columns)

        def cost(values: NDArray[np.float64], rows: NDArray[np.intp]) -> NDArray[np.float64]:
            found = []
            for value in values.tolist():
                given = named(tuple(value) if len(value) > 1 else value[0], names)
                network, _ = family.train(Data(), given, 0)
                outputs = network.outputs(conditions[rows].astype(np.float32), TRUE_DRAWS, 99)
                found.append(
                    expression({name: outputs[..., i].astype(np.float64) for i, name in enumerate(columns)}).mean()
                )
            return np.array(found)

        return cost

    return at


def cases() -> dict[str, Case]:
    """The sweeps, by name."""
    circles, cloud = _law("semicircles"), _law("turning_cloud")
    line = np.linspace(0, 1, 101)
    near, far = "(y0 + y1 - 1) ** 2", "(abs(y1) - 1) ** 2 + (y0 - 0.8) ** 2"
    short = f"where(demand > order, {UNDER} * (demand - order), {OVER} * (order - demand))"
    return {
        "thermostat": Case(
            Thermostat(Thermostat.Settings()),
            (0.0, 1.0, 3.0),
            "(temperature + power - 20) ** 2 + 0.5 * power ** 2",
            3 * line[:, None],
            thermostat_truth,
        ),
        "newsvendor": Case(
            Newsvendor(Newsvendor.Settings()),
            (0.05, 0.5, 0.95),
            short,
            (0.05 + 0.9 * line)[:, None],
            newsvendor_truth,
            count=2_000,
            columns=lambda x, seed: {"demand": np.random.default_rng(seed).normal(*demand_at(x[:, 0]))},
            per_row=False,  # a single demand is no expectation
        ),
        "semicircles": Case(
            circles, (0.0, 0.5, 1.0), near, line[:, None], drawn_truth(circles, ["s"], near), draws=100, count=4
        ),
        "turning_cloud": Case(
            cloud,
            tuple(product((0.0, 0.5, 1.0), (0.0, 1.0))),
            far,
            np.array(list(product(line[::5], line[::10]))),
            drawn_truth(cloud, ["turn", "radius"], far),
            draws=100,
            count=2,
        ),
    }


def _law(name: str) -> NetworkFamily:
    kind = family_class(name)
    return kind(kind.Settings())


def fit(case: Case, seed: int) -> "Surrogate":
    """The surrogate of the anchors' networks, trained from a seed."""
    from pipeline.surrogate import Surrogate

    family, data = case.family, Data()
    schema = family.schema(data)
    names = [column.name for column in schema.hyperparameters]
    networks = [family.train(data, named(value, names), seed)[0] for value in case.anchors]
    x = family.conditions(data, "fit", case.count, seed)
    outputs = [network.outputs(x, case.draws, seed).reshape(len(x) * case.draws, -1) for network in networks]
    shared = [np.repeat(x, case.draws, axis=0)] * len(networks)
    return Surrogate.fit(
        Harvest.from_arrays(case.anchors, outputs, shared, networks=networks, schema=schema), seed=seed
    )


def measure_one(name: str, seed: int) -> Rows:
    """One fit, and what is recommended for all conditions and for each."""
    from pipeline.consumers.recommend import Problem, recommend

    case = cases()[name]
    surrogate = fit(case, seed)
    conditions = np.asarray(case.family.conditions(Data(), "score", case.count, seed), np.float64)
    columns = case.columns(conditions, seed)
    schema = surrogate.schema
    names = [c.name for c in (*schema.hyperparameters, *schema.outputs, *schema.conditions)]
    problem = Problem(surrogate, read_objective(case.objective, {*names, *columns}), conditions, columns, seed=seed)
    truth, rows = case.truth(conditions), {}
    groupings = {"overall": [np.arange(len(conditions))]}
    if case.per_row:
        groupings["row"] = [np.array([i]) for i in range(len(conditions))]
    for per, groups in groupings.items():
        begun = time.perf_counter()
        found = recommend(problem, groups)
        seconds = time.perf_counter() - begun
        rows[per] = {**judged(found[:20], truth, case.grid), "seconds": seconds}
        print(f"  {name} · {seed} · {per}: regret {rows[per]['regret']:.4f}", flush=True)
    return rows


def judged(found: "Sequence[Recommendation]", truth: Truth, grid: NDArray[np.float64]) -> dict[str, float]:
    """Regrets over groups, and the share of groups whose best λ by the truth lies in the interval."""
    regrets, inside = [], []
    for one in found:
        costs = truth(grid, one.rows)
        (cost,) = truth(np.array([one.value]), one.rows)
        regrets.append(max(0.0, cost - costs.min()) / np.ptp(costs))
        best = grid[costs.argmin()]
        # The grid's own step is not a miss.
        steps = [np.diff(np.unique(grid[:, p])).max() / 2 for p in range(grid.shape[1])]
        inside.append(
            all(
                any(low - step <= value <= high + step for low, high in stretches)
                for value, step, stretches in zip(best, steps, one.intervals, strict=True)
            )
        )
    return {"regret": float(np.mean(regrets)), "worst": float(np.max(regrets)), "inside": float(np.mean(inside))}


def measure(record: Record, seeds: int, processes: int) -> None:
    """Every case by every seed."""
    record.measure(
        [Task(name, seed, measure_one, (name, seed)) for name in cases() for seed in range(seeds)], processes
    )


def section(record: Record) -> str:
    """A table of each sweep, and the largest regret of any seed."""
    parts = [
        "Regret: the expected objective at the recommended λ minus the least one, by the truth, over the range between "
        "the best λ and the worst; of one λ for each condition the mean and the worst over 20 conditions at most. The "
        "interval knows the noise of conditions and draws, and not the surrogate's own error.\n"
    ]
    bounds = []
    for task in record.tasks():
        objective = cases()[task].objective
        parts += [f"{task}, minimising `{objective}`:\n", measured(record, task, COLUMNS, LABELS)]
        for row in record.rows(task):
            worst = float(max(record.values(task, row, "regret")))
            bounds.append(Criterion(f"{task}, {LABELS[row]}: regret, worst seed", worst, high=ALLOWED))
    return "\n".join([*parts, criteria(bounds)])
