"""One factor of the configuration at a time, on the semicircles by their protocol; clocks on the quantile sweep too."""

from typing import Any, get_args

from benchmarks import quantiles, semicircles
from benchmarks.held_out import surrogate_mean
from benchmarks.record import Record, Rows, Task
from benchmarks.table import measured
from pipeline.clocks.config import ClockName
from pipeline.errors import ConfigurationError
from pipeline.surrogate.config import SurrogateConfig
from pipeline.transport.config import Solver, Variant

TITLE = "Ablations, one factor at a time"
SEEDS = 5
ALPHAS = (0.0, 0.01, 0.05, 0.2, 1.0)
COLUMNS = {**semicircles.COLUMNS, "seconds": "fit, s (two at once)"}


def factors() -> dict[str, list[Any]]:
    """Field → its values; all other fields keep their defaults."""
    return {
        "variant": list(get_args(Variant)),
        "solver": list(get_args(Solver)),
        "clock": list(get_args(ClockName)),
        "speed": list(get_args(SurrogateConfig.model_fields["speed"].annotation)),
        "alpha": list(ALPHAS),
    }


def on_semicircles(field: str, value: Any, seed: int) -> Rows:
    """The protocol's scores on fresh anchors; none for a clock that these anchors do not allow."""
    try:
        return semicircles.fit_and_score(SurrogateConfig(**{field: value}), seed)
    except ConfigurationError as error:
        return _not_allowed(error)


def on_quantiles(number: int, clock: str, seed: int) -> Rows:
    """The mean error of a named clock on two or three anchors of the bundled series."""
    try:
        return {"surrogate": {"mean": surrogate_mean(quantiles.cases()[number], clock, seed)}}
    except ConfigurationError as error:
        return _not_allowed(error)


def _not_allowed(error: ConfigurationError) -> Rows:
    print(f"  {error}", flush=True)
    return {"surrogate": {}}


def measure(record: Record, seeds: int, processes: int) -> None:
    """Every value of every factor."""
    tasks = [
        Task(f"{field} = {value}", seed, on_semicircles, (field, value, seed))
        for field, values in factors().items()
        for value in values
        for seed in range(seeds)
    ]
    for number, case in enumerate(quantiles.cases()):
        case.sweep.train(processes)
        tasks += [
            Task(f"{case.name}: clock = {clock}", seed, on_quantiles, (number, clock, seed))
            for clock in get_args(ClockName)
            for seed in range(seeds)
        ]
    record.measure(tasks, processes)


def section(record: Record) -> str:
    """Two tables: semicircles, and clocks on the quantile sweep."""
    quantile_tasks = {f"{case.name}: clock = {clock}" for case in quantiles.cases() for clock in get_args(ClockName)}
    return "\n".join(
        [
            "Semicircles, fresh anchors for every seed. An en dash: the anchors do not allow that clock.\n",
            _lines(record, [t for t in record.tasks() if t not in quantile_tasks], COLUMNS),
            "Clocks on quantile forecasts of the bundled series, mean MSE over the held-out quantiles:\n",
            _lines(record, [t for t in record.tasks() if t in quantile_tasks], {"mean": "MSE"}),
        ]
    )


def _lines(record: Record, tasks: list[str], columns: dict[str, str]) -> str:
    """One table with a line a task."""
    gathered = {
        ("all", seed): {t: record.measurements[t, seed]["surrogate"] for t in tasks if (t, seed) in record.measurements}
        for seed in sorted({seed for _, seed in record.measurements})
    }
    together = Record(record.path, record.stamp, gathered)
    return measured(together, "all", columns, {task: task for task in tasks})
