"""Two hyperparameters with a known truth: the turn and the radius of a cloud, at 3 × 2 anchors.

The law is that of the family `turning_cloud`; anchors turn = 0, ½, 1 and radius = 0, 1 of 100 samples a category.
Judged inside the cells and on their edges, by exact W₂² within each category. Multilinear interpolation between draws
that exact transport matches is the surrogate with K_I: it cuts the circles short.
"""

import time
from collections.abc import Sequence

import numpy as np
import ot
from numpy.typing import NDArray

from benchmarks.record import Record, Rows, Task, side_tasks_merged
from benchmarks.table import Criterion, criteria, measured, median_of
from pipeline.data.harvest import Harvest
from pipeline.families.turning_cloud import family as law
from pipeline.surrogate.config import SurrogateConfig

TITLE = "Two hyperparameters: turn and radius of a cloud"
SEEDS = 3
ANCHORS = tuple((turn, radius) for turn in (0.0, 0.5, 1.0) for radius in (0.0, 1.0))
JUDGED = ((0.25, 0.5), (0.75, 0.5), (0.25, 0.0), (0.5, 0.5), (0.25, 1.0))
SAMPLES, REDRAWS = 100, 10
VARIANTS: dict[str, dict[str, str | list[str]]] = {
    "default": {},
    "K_I": {"variant": "K_I"},
    "reversed": {"order": ["radius", "turn"]},
    "curved": {"straight": []},
}
LABELS = {
    "default": "this project, default",
    "reversed": "the same, the other order (radius, turn)",
    "curved": "the same, paths may bend along the radius, too",
    "K_I": "multilinear between matched draws (K_I)",
    "maps": "default, `transport` from (0, 0) by maps along edges",
    "floor": "floor: two fresh samples of the truth",
}
COLUMNS = {"w2": "W₂²", "ratio": "W₂² / floor", "effect": "effect of the order", "seconds": "fit, s (two at once)"}


def draw(value: tuple[float, float], category: int, rows: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Samples (rows, 2) of the truth."""
    return np.asarray(law.draw(*value, np.array([category]), rows, rng)[0])


def harvest(seed: int) -> Harvest:
    """SAMPLES draws of every category at every anchor."""
    rng = np.random.default_rng(seed)
    outputs = [np.concatenate([draw(v, c, SAMPLES, rng) for c in range(law.CATEGORIES)]) for v in ANCHORS]
    conditions = [np.repeat(np.arange(float(law.CATEGORIES)), SAMPLES)[:, None]] * len(ANCHORS)
    names: dict[str, Sequence[str] | str] = {"hyperparameter": ["turn", "radius"]}
    return Harvest.from_arrays(ANCHORS, outputs, conditions, "categorical", names=names, deterministic=False)


def errors(name: str, seed: int) -> Rows:
    """One fit on fresh anchors, and its scores; with the default also those of its maps, and the floor."""
    from pipeline.surrogate import Surrogate

    begun = time.perf_counter()
    known = harvest(seed)
    surrogate = Surrogate.fit(known, SurrogateConfig.model_validate(VARIANTS[name]), seed=seed)
    seconds = time.perf_counter() - begun
    found: dict[str, list[float]] = {name: [], "maps": [], "floor": []}
    for value in JUDGED:
        for category in range(law.CATEGORIES):
            x = np.full((SAMPLES, 1), float(category))
            start = known.outputs[0][known.conditions[0][:, 0] == category]
            moved = surrogate.transport(start, x, ANCHORS[0], value) if name == "default" else None
            for redraw in range(REDRAWS):
                rng = np.random.default_rng([redraw, category, *(int(100 * v) for v in value)])
                truth, fresh = (draw(value, category, SAMPLES, rng) for _ in range(2))
                found[name].append(_w2(surrogate.sample(x[:1], value, draws=SAMPLES, seed=redraw)[0], truth))
                found["floor"].append(_w2(fresh, truth))
                if moved is not None:
                    found["maps"].append(_w2(moved, truth))
    floor = float(np.mean(found["floor"]))
    rows = {row: {"w2": float(np.mean(w2)), "ratio": float(np.mean(w2)) / floor} for row, w2 in found.items() if w2}
    rows[name] |= {"seconds": seconds, "effect": surrogate.order_effect(np.arange(float(law.CATEGORIES))[:, None])}
    print(f"  {name} · {seed}: {surrogate.config.variant}, {rows[name]['ratio']:.2f} x the floor", flush=True)
    return rows if name == "default" else {name: rows[name]}


def _w2(points: NDArray[np.floating], truth: NDArray[np.floating]) -> float:
    return float(ot.emd2([], [], ot.dist(points, truth)))


def measure(record: Record, seeds: int, processes: int) -> None:
    """Every variant over seeds of the anchors' draws."""
    tasks = [
        Task(name if name == "default" else f"default/{name}", seed, errors, (name, seed))
        for name in VARIANTS
        for seed in range(seeds)
    ]
    record.measure(tasks, processes)


def section(record: Record) -> str:
    """One table."""
    together = side_tasks_merged(record, "default")
    ratio = median_of(together, "default", "default", "ratio")
    return "\n".join(
        [
            "A cloud turned by ± π turn (two categories) at radius 1 + radius; 3 × 2 anchors, 100 samples a category; "
            f"judged at (turn, radius) = {', '.join(map(str, JUDGED))}, {REDRAWS} redraws of the truth. Effect of the "
            "order: how far the centres of cells move where geodesics are nested the other way, in units of the "
            "corners' distances; 0 for straight paths.\n",
            measured(together, "default", COLUMNS, LABELS),
            criteria([Criterion("W₂² of the default over the floor", ratio, high=2.0)]),
        ]
    )
