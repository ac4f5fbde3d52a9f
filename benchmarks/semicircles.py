"""The analytic semicircles by the published protocol: negative log-likelihood, distance to the circle, exact W₂².

100 samples per category and anchor (s = 0, ½, 1); scores at s = 0.25 and 0.75 from 100 start samples per category at
s = 0, averaged over 20 redraws of starts and truth. Anchors are drawn afresh for every seed, or read from a file.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.record import SHARED, Record, Rows, Task
from benchmarks.table import Criterion, cell, criteria, measured, median_of
from pipeline.data.harvest import Harvest
from pipeline.evaluation.distances import wasserstein2_squared
from pipeline.families.semicircles.family import DISTANCE, NLL, SemicircleNetwork, likelihood_and_distance
from pipeline.shapes import FloatArray
from pipeline.surrogate.config import SurrogateConfig

if TYPE_CHECKING:
    from pipeline.surrogate import Surrogate

TITLE = "Semicircles"
SEEDS = 5
ANCHORS = (0.0, 0.5, 1.0)
JUDGED = (0.25, 0.75)
SAMPLES = 100
REDRAWS = 20
CATEGORIES = np.arange(4.0)[:, None]
PUBLISHED = SHARED / "anchors" / "semicircles.npz"
COLUMNS = {"nll": "NLL", "circle": "CD", "w2": "W₂²", "ratio": "W₂² / floor", "worst": "worst of 160 NLL"}
REFERENCES = {
    "truth's own samples, n → ∞": {"nll": "−0.902", "circle": "0.040", "ratio": "1"},
    "published K_I": {"nll": "105.7", "circle": "0.323"},
    "published K_θ": {"nll": "23.0", "circle": "0.158"},
    "published K_I−U": {"nll": "−0.532", "circle": "0.016"},
    "published K_θ−U": {"nll": "−0.662", "circle": "0.016"},
    "arcs on exact Euclidean pairs": {"nll": "−1.40", "circle": "0.032", "ratio": "2.3"},
    "arcs on pairs by arc length": {"nll": "−1.00", "circle": "0.037", "ratio": "0.75"},
    "target": {"nll": "−1.05 … −0.80", "circle": "0.040 ± 0.015", "ratio": "≤ 1.5"},
}


@dataclass(frozen=True)
class Score:
    """Means over categories, judged s and redraws.

    floor: W₂² of two fresh samples of the truth. worst: the largest NLL of a single redraw, category and s.
    """

    nll: float
    circle: float
    w2: float
    floor: float
    worst: float

    def figures(self) -> dict[str, float]:
        """By column."""
        return {**vars(self), "ratio": self.w2 / self.floor}


def harvest(seed: int, anchors: Path | None = None) -> Harvest:
    """The published anchors, or fresh ones."""
    if anchors is not None:
        with np.load(anchors, allow_pickle=False) as file:
            return Harvest.from_arrays(file["hyperparameter"], file["outputs"], file["conditions"], "categorical")
    outputs = [SemicircleNetwork(s).outputs(CATEGORIES, SAMPLES, seed).reshape(-1, 2) for s in ANCHORS]
    return Harvest.from_arrays(ANCHORS, outputs, [np.repeat(CATEGORIES, SAMPLES, axis=0)] * 3, "categorical")


def score(surrogate: "Surrogate", redraws: int = REDRAWS) -> Score:
    """The protocol's scores."""
    rows = []
    for redraw in range(redraws):
        starts = SemicircleNetwork(0.0).outputs(CATEGORIES, SAMPLES, 10_000 + redraw)
        for s in JUDGED:
            truth, other = (
                SemicircleNetwork(s).outputs(CATEGORIES, SAMPLES, seed + redraw) for seed in (20_000, 30_000)
            )
            for category, start in enumerate(starts):
                moved = surrogate.transport(start, np.full((SAMPLES, 1), float(category)), 0.0, s)
                rows.append((*_judge(moved, category, s, truth[category]), _distance(other, truth, category)))
    nll, circle, w2, floor = np.mean(rows, axis=0).tolist()
    return Score(nll, circle, w2, floor, worst=float(np.max([row[0] for row in rows])))


def _judge(moved: FloatArray, category: int, s: float, truth: FloatArray) -> tuple[float, float, float]:
    """NLL, distance to the circle and W₂² of samples (N, 2) of one category."""
    figures = likelihood_and_distance(moved, category, s)
    return figures[NLL], figures[DISTANCE], wasserstein2_squared(moved, truth)


def _distance(other: FloatArray, truth: FloatArray, category: int) -> float:
    return wasserstein2_squared(other[category], truth[category])


def fit_and_score(config: SurrogateConfig, seed: int, anchors: Path | None = None, redraws: int = REDRAWS) -> Rows:
    """One fit and its scores."""
    from pipeline.surrogate import Surrogate

    begun = time.perf_counter()
    surrogate = Surrogate.fit(harvest(seed, anchors), config, seed=seed)
    seconds = time.perf_counter() - begun
    return {"surrogate": {**score(surrogate, redraws).figures(), "seconds": seconds}}


def measure(record: Record, seeds: int, processes: int) -> None:
    """The default configuration on fresh anchors and on the published ones."""
    files = {"fresh anchors": None, "published anchors": PUBLISHED}
    if not PUBLISHED.is_file():
        record.skip(f"published anchors: {PUBLISHED.name} is missing")
        del files["published anchors"]
    config = SurrogateConfig()
    record.measure(
        (
            Task(name, seed, fit_and_score, (config, seed, path))
            for name, path in files.items()
            for seed in range(seeds)
        ),
        processes,
    )


def section(record: Record) -> str:
    """Both sets of anchors in one table, and the targets of each."""
    config = SurrogateConfig()
    parts = [
        f"Four categories on half circles; default configuration ({config.variant}, {config.solver}); anchors s = 0, "
        "½, 1, scored at 0.25 and 0.75 from 100 fresh starts a category at s = 0, 20 redraws of starts and truth.\n"
    ]
    for task in record.tasks():
        floor = cell(record.values(task, "surrogate", "floor"))
        parts.append(f"{task.capitalize()} (W₂² of two fresh samples of the truth: {floor}):\n")
        parts.append(measured(record, task, COLUMNS, {"surrogate": "this project"}, REFERENCES))
        nll, circle, ratio = (median_of(record, task, "surrogate", c) for c in ("nll", "circle", "ratio"))
        bounds = [
            Criterion("NLL", nll, -1.05, -0.80),
            Criterion("CD", circle, 0.025, 0.055),
            Criterion("W₂² / floor", ratio, high=1.5),
        ]
        parts.append(criteria(bounds))
    return "\n".join(parts)
