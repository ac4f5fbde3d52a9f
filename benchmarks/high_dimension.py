"""Great circles in many dimensions: a curved manifold in R^D whose samples are known at every s.

Category c moves along its own great circle of the unit sphere in R^D. With u_c, v_c two of eight columns of a random
orthonormal frame,

    y = r (cos a · u_c + sin a · v_c) + e,   a = πs + von Mises(κ = 5),   r ~ lognormal(0, 0.05),

e ~ a normal distribution over the D − 2 directions outside the circle's plane, of root mean square 0.05 together
(whatever D is): the manifold is as thick across all of them as in the radius. All but the frame and e is the
semicircles' law; p_s is p_0 turned by πs in the plane of u_c and v_c. 100 samples per category and anchor.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from benchmarks.record import Record, Rows, Task, side_tasks_merged
from benchmarks.table import Criterion, criteria, measured, median_of
from pipeline.data.harvest import Harvest
from pipeline.evaluation.comparison import Comparison, Sample
from pipeline.evaluation.evaluate import evaluate
from pipeline.evaluation.methods.catalog import all_methods
from pipeline.evaluation.scores import SURROGATE
from pipeline.surrogate.config import SurrogateConfig
from pipeline.transport.config import Variant

if TYPE_CHECKING:
    from pipeline.surrogate import Surrogate

TITLE = "Higher dimension: great circles in R^16"
SEEDS = 5
DIMENSION = 16
VARIANTS: tuple[Variant, ...] = ("K_theta-U", "K_I-U", "K_theta", "K_I")
ANCHORS = (0.0, 0.5, 1.0)
JUDGED = (0.25, 0.75)
CATEGORIES = 4
SAMPLES = 100
REDRAWS = 5
SIDE_SEEDS = 3
"""Seeds of the variants that no target names."""
CONCENTRATION, RADIUS_SPREAD, THICKNESS = 5.0, 0.05, 0.05
COLUMNS = {
    "w2": "W₂²",
    "ratio": "W₂² / floor",
    "radius": "radius in the plane",
    "spread": "spread / truth's",
    "seconds": "fit, s (two at once)",
}
LABELS: dict[str, str] = {
    **{str(v): f"this project, {v.replace('theta', 'θ').replace('-', '−')}" for v in VARIANTS},
    **{method.name: method.label for method in all_methods() if method.role in ("transport", "baseline")},
    "floor": "floor: two fresh samples of the truth",
}


@dataclass(frozen=True)
class GreatCircles:
    """The truth in R^D, D ≥ 8; the frame is drawn from a seed of its own."""

    dimension: int
    frame_seed: int = 0

    @cached_property
    def frame(self) -> NDArray[np.float64]:
        """Orthonormal columns (D, 8): u_0, v_0, u_1, v_1, …."""
        rng = np.random.default_rng(self.frame_seed)
        basis, _ = np.linalg.qr(rng.normal(size=(self.dimension, 2 * CATEGORIES)))
        return np.asarray(basis)

    def plane(self, category: int) -> NDArray[np.float64]:
        """(D, 2): u_c and v_c."""
        return self.frame[:, 2 * category : 2 * category + 2]

    def draw(self, category: int, s: float, rows: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Samples (rows, D) of p_s(y | category)."""
        plane = self.plane(category)
        angle = math.pi * s + rng.vonmises(0.0, CONCENTRATION, rows)
        radius = rng.lognormal(0.0, RADIUS_SPREAD, rows)
        noise = rng.normal(0.0, THICKNESS / math.sqrt(self.dimension - 2), (rows, self.dimension))
        noise -= noise @ plane @ plane.T
        return np.asarray((radius * np.stack([np.cos(angle), np.sin(angle)])).T @ plane.T + noise)

    def turn(self, y: NDArray[np.floating], category: int, angle: float) -> NDArray[np.float64]:
        """Rows (N, D) turned in the category's plane: the true transport from p_s to p_{s + angle / π}."""
        plane = self.plane(category)
        c, s = math.cos(angle) - 1, math.sin(angle)
        return np.asarray(y + y @ plane @ np.array([[c, s], [-s, c]]) @ plane.T)

    def harvest(self, values: tuple[float, ...], rows: int, seed: int) -> Harvest:
        """`rows` samples per category at every s."""
        rng = np.random.default_rng([seed, self.dimension])
        codes = range(CATEGORIES)
        outputs = [np.concatenate([self.draw(c, s, rows, rng) for c in codes]).astype(np.float32) for s in values]
        conditions = np.repeat(np.arange(float(CATEGORIES)), rows)[:, None]
        return Harvest.from_arrays(values, outputs, [conditions] * len(values), "categorical", deterministic=False)

    def radius(self, y: NDArray[np.floating], conditions: NDArray[np.floating]) -> float:
        """The mean distance from the origin within each row's own plane: 1 on the circle, less on a chord."""
        inside = [
            np.linalg.norm(y[conditions[:, 0] == c] @ self.plane(c), axis=1) for c in np.unique(conditions).astype(int)
        ]
        return float(np.mean(np.concatenate(inside)))


def errors(dimension: int, variant: Variant, seed: int, samples: int = SAMPLES, redraws: int = REDRAWS) -> Rows:
    """One fit on fresh anchors and its scores; with the default variant also the plain methods and the floor."""
    from pipeline.surrogate import Surrogate

    truth, first = GreatCircles(dimension), variant == VARIANTS[0]
    begun = time.perf_counter()
    surrogate = Surrogate.fit(truth.harvest(ANCHORS, samples, seed), SurrogateConfig(variant=variant), seed=seed)
    found: dict[str, list[dict[str, float]]] = {variant: [{"seconds": time.perf_counter() - begun}]}
    for redraw in range(redraws):
        score = truth.harvest(tuple(sorted({*ANCHORS, *JUDGED})), samples, 10_000 + redraw)
        for s in evaluate(surrogate, score).held_out:
            if first or s.method == SURROGATE:
                row = variant if s.method == SURROGATE else s.method
                found.setdefault(row, []).append({"w2": s.error, "spread": s.spread / s.truth_spread})
        found[variant].append({"radius": _moved_radius(truth, surrogate, score)})
        other = truth.harvest(score_values(score), samples, 20_000 + redraw)
        found.setdefault("floor", []).append(_floor(score, other))
    rows = {row: _mean(figures) for row, figures in found.items()}
    rows = {row: {**figures, "ratio": figures["w2"] / rows["floor"]["w2"]} for row, figures in rows.items()}
    return rows if first else {variant: rows[variant]}


def score_values(score: Harvest) -> tuple[float, ...]:
    """The s of a harvest."""
    return tuple(score.hyperparameter.tolist())


def _moved_radius(truth: GreatCircles, surrogate: "Surrogate", score: Harvest) -> float:
    start, conditions = score.outputs[0], score.conditions[0]
    return float(np.mean([truth.radius(surrogate.transport(start, conditions, 0.0, s), conditions) for s in JUDGED]))


def _floor(score: Harvest, other: Harvest) -> dict[str, float]:
    comparison = Comparison.of(score, deterministic=False)
    distances = []
    for k, s in enumerate(score_values(score)):
        if s in JUDGED:
            pair = (Sample(h.outputs[k], h.conditions[k]) for h in (other, score))
            distances.append(comparison.error(*pair))
    return {"w2": float(np.mean(distances)), "spread": 1.0}


def _mean(figures: list[dict[str, float]]) -> dict[str, float]:
    columns = dict.fromkeys(column for each in figures for column in each)
    return {column: float(np.mean([each[column] for each in figures if column in each])) for column in columns}


def measure(record: Record, seeds: int, processes: int) -> None:
    """Every variant in 16 dimensions."""
    measure_dimension(record, DIMENSION, VARIANTS, seeds, processes)


def measure_dimension(record: Record, dimension: int, variants: Sequence[Variant], seeds: int, processes: int) -> None:
    """Variants in R^D; the rows of the default one, which is the first, hold the plain methods."""
    tasks = [
        Task(f"D/{v}" if v != VARIANTS[0] else "D", seed, errors, (dimension, v, seed))
        for v in variants
        for seed in range(seeds if v == VARIANTS[0] else min(seeds, SIDE_SEEDS))
    ]
    record.measure(tasks, processes)


def section(record: Record) -> str:
    """One table."""
    together = side_tasks_merged(record, "D")
    ours, line = (median_of(together, "D", row, "w2") for row in (VARIANTS[0], "straight_line"))
    return "\n".join(
        [
            "Four categories, each on its own great circle of the unit sphere in R^D (radius ~ lognormal(0, 0.05), "
            "noise of root mean square 0.05 over all D − 2 directions outside the circle's plane); anchors s = 0, ½, 1 "
            f"of 100 samples a category, judged at 0.25 and 0.75, {REDRAWS} redraws of starts and truth. On the circle "
            "the radius is 1, in the middle of the chord between two anchors 0.71.\n",
            measured(together, "D", COLUMNS, LABELS),
            criteria([Criterion("W₂² of K_θ−U over that of straight lines", ours / line, high=0.5)]),
        ]
    )
