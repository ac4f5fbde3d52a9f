"""What a policy costs, and what longer training would gain: PPO on cancer therapy and on Reacher, by seeds."""

import time
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from benchmarks.cost_serving import best_of_turns
from benchmarks.record import CHECKOUT, Record, Rows, Task, side_tasks_merged
from benchmarks.table import Criterion, criteria, measured, median_of, number, table
from pipeline.families.protocol import Data

if TYPE_CHECKING:
    from pipeline.families.cancer_therapy.cancer import Patients
    from pipeline.families.policies.policy_family import PolicyFamily

TITLE = "Policies"
SEEDS = 3
EPISODES = 200
STEPS = (500_000, 1_000_000)
CANCER, REACHER, DAY = "cancer", "reacher", "day"
VALUES = {CANCER: 5.0, REACHER: 3.0}
LABELS = {CANCER: "Cancer therapy, linear penalty, λ = 5", REACHER: "Reacher, λ = 3"}
APART = 100
"""Seeds of different lengths are different: with the same one a short run would be the first part of a long one."""
BATCHES = (1, 32, 256)
REPEATS = 30
COLUMNS = {"reward": "mean episode reward", "seconds": "training, s (two at once)", "units": "matrix products"}


def family_of(sweep: str, steps: int) -> "PolicyFamily":
    """The family of a shipped sweep with its settings, but for the steps and the episodes of the score."""
    from pipeline.families.catalog import make_family
    from pipeline.families.policies.policy_family import PolicyFamily
    from pipeline.stages.params import load_config

    config = load_config(CHECKOUT / "sweeps" / f"{sweep}.yaml")
    family = make_family(config.network, config.train.family_settings)
    assert isinstance(family, PolicyFamily)
    return type(family)(family.settings.model_copy(update={"steps": steps, "episodes": EPISODES}))


def train(sweep: str, steps: int, seed: int, unit: float) -> Rows:
    """One policy: what it earns in episodes that are the same for all, and what its training took."""
    family, value = family_of(sweep, steps), VALUES[sweep]
    begun = time.perf_counter()
    network, _ = family.train(Data(), value, seed)
    seconds = time.perf_counter() - begun
    (reward,) = family.score(network.outputs, Data(), value, 0).values()
    return {str(steps): {"reward": reward, "seconds": seconds, "units": seconds / unit}}


def treated(count: int) -> "Patients":
    """Patients after ten days under the reference behaviour."""
    from pipeline.families.cancer_therapy.cancer import Patients

    family = family_of(CANCER, STEPS[0])
    patients = Patients(0.0, "linear", [np.random.default_rng([0, i]) for i in range(count)])
    seen, draws = patients.admit(range(count)), np.random.default_rng(0)
    for _ in range(10):
        seen = patients.treat(family.reference(seen, draws)).observation
    return patients


def day() -> Rows:
    """Milliseconds a patient of the next day's integration, and of SciPy's LSODA with the same tolerances for one."""
    from scipy.integrate import solve_ivp

    from pipeline.families.cancer_therapy.cancer import ABSOLUTE, RELATIVE
    from pipeline.families.cancer_therapy.rosenbrock import integrate

    batches = [treated(count) for count in BATCHES]
    one = batches[0]
    (rates, _), (constants,) = one.tumours.equations, one.tumours.constants

    def ours(patients: "Patients") -> object:
        return integrate(patients.tumours, patients.state, 1.0, patients._step, relative=RELATIVE, absolute=ABSOLUTE)

    def slope(_: float, y: NDArray[np.float64]) -> NDArray[np.float64]:
        written = np.empty_like(y)
        rates(y, constants, written)
        return written

    def theirs() -> object:
        return solve_ivp(slope, (0, 1), one.state[:, 0], "LSODA", rtol=RELATIVE, atol=ABSOLUTE)

    calls = [lambda patients=patients: ours(patients) for patients in batches]
    *seconds, lsoda = best_of_turns([*calls, theirs], REPEATS)
    found = {str(count): 1000 * s / count for count, s in zip(BATCHES, seconds, strict=True)}
    return {row: {"ms": value} for row, value in (found | {"lsoda": 1000 * lsoda}).items()}


def measure(record: Record, seeds: int, processes: int) -> None:
    """A day, then the policies of both families, the long runs first."""
    record.measure([Task(DAY, 0, day)])
    tasks = []
    for sweep, steps in ((CANCER, STEPS[1]), (CANCER, STEPS[0]), (REACHER, STEPS[0])):
        first = APART * STEPS.index(steps)
        for seed in range(first, first + seeds):
            tasks.append(Task(f"{sweep}/{steps}", seed, train, (sweep, steps, seed, record.stamp.unit)))
    record.measure(tasks, processes)


def section(record: Record) -> str:
    """A table a family with its targets, and one of a day."""
    parts = [
        f"PPO with the settings of the sweeps, on one thread; seeds of training differ, the {EPISODES} episodes of the "
        "score do not. Published: 500,000 steps in about 3.5 hours.\n"
    ]
    for sweep in (CANCER, REACHER):
        merged = side_tasks_merged(record, sweep)
        rows = {str(steps): f"{steps:,} steps" for steps in STEPS}
        parts += [f"{LABELS[sweep]}:\n", measured(merged, sweep, COLUMNS, rows)]
        if sweep == CANCER:
            short, long = (merged.values(sweep, str(steps), "reward") for steps in STEPS)
            slowest = max(merged.values(sweep, str(STEPS[0]), "seconds"))
            parts.append(
                criteria(
                    [
                        Criterion("minutes of 500,000 steps, the slowest", slowest / 60, high=3),
                        Criterion(
                            "reward of 500,000 steps, at least that of the worst seed of 1,000,000",
                            median(short),
                            min(long),
                        ),
                    ]
                )
            )
    lsoda = median_of(record, DAY, "lsoda", "ms")
    lines = [
        [f"{count} at once", number(ms), number(lsoda / ms)]
        for count in BATCHES
        for ms in [median_of(record, DAY, str(count), "ms")]
    ]
    parts += [
        "A day of treatment, integrated to a relative tolerance of 10⁻³, beside SciPy's LSODA for one patient after "
        f"the other ({number(lsoda)} ms):\n",
        table(["patients", "ms a patient", "times as fast"], lines),
    ]
    return "\n".join(parts)
