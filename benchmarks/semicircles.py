"""The analytic semicircles by the published protocol: negative log-likelihood, distance to the circle, exact W₂².

100 samples per category and anchor (s = 0, ½, 1); scores at s = 0.25 and 0.75 from 100 start samples per category at
s = 0, averaged over 20 redraws of starts and truth. Anchors are drawn afresh for every seed, or read from a file.

    python -m benchmarks.semicircles --seeds 5
    python -m benchmarks.semicircles --seeds 5 --anchors ../shared/anchors/semicircles.npz
"""

import argparse
import time
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.config import SurrogateConfig
from pipeline.harvest import Harvest
from pipeline.networks.semicircles import CENTRES, SemicircleNetwork, log_density
from pipeline.surrogate import Surrogate
from pipeline.validation.distances import wasserstein2_squared

ANCHORS = (0.0, 0.5, 1.0)
JUDGED = (0.25, 0.75)
SAMPLES = 100
REDRAWS = 20
CATEGORIES = np.arange(4.0)[:, None]


@dataclass(frozen=True)
class Score:
    """Means over categories, judged s and redraws; floor: W₂² of two fresh samples of the truth."""

    nll: float
    circle_distance: float
    w2: float
    floor: float


def harvest(seed: int, anchors: Path | None) -> Harvest:
    """The published anchors, or fresh ones."""
    if anchors is not None:
        with np.load(anchors, allow_pickle=False) as file:
            return Harvest.from_arrays(file["hyperparameter"], file["outputs"], file["conditions"], "categorical")
    outputs = [SemicircleNetwork(s).outputs(CATEGORIES, SAMPLES, seed).reshape(-1, 2) for s in ANCHORS]
    return Harvest.from_arrays(ANCHORS, outputs, [np.repeat(CATEGORIES, SAMPLES, axis=0)] * 3, "categorical")


def score(surrogate: Surrogate, redraws: int = REDRAWS) -> Score:
    """The protocol's scores."""
    rows = []
    for redraw in range(redraws):
        starts = SemicircleNetwork(0.0).outputs(CATEGORIES, SAMPLES, 10_000 + redraw)
        for s in JUDGED:
            fresh, other = (
                SemicircleNetwork(s).outputs(CATEGORIES, SAMPLES, seed + redraw) for seed in (20_000, 30_000)
            )
            for category, start in enumerate(starts):
                moved = surrogate.transport(start, np.full((SAMPLES, 1), float(category)), 0.0, s)
                radius = np.linalg.norm(moved - CENTRES[category], axis=1)
                nll = -float(np.mean(log_density(moved, category, s)))
                distances = [wasserstein2_squared(y, fresh[category]) for y in (moved, other[category])]
                rows.append((nll, float(np.mean(np.abs(radius - 1))), *distances))
    return Score(*np.mean(rows, axis=0).tolist())


def main() -> None:
    """Print a row a seed, then medians beside the targets."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--anchors", type=Path)
    parser.add_argument("--variant", default="K_theta-U")
    parser.add_argument("--solver", default="paired")
    arguments = parser.parse_args()
    config = SurrogateConfig(variant=arguments.variant, solver=arguments.solver)
    print(f"{arguments.variant}, {arguments.solver}, {torch.get_num_threads()} threads")
    print(f"{'seed':>6} {'NLL':>8} {'CD':>7} {'W2²':>7} {'floor':>7} {'ratio':>6} {'fit, s':>7}")
    results = []
    for seed in range(arguments.seeds):
        begun = time.perf_counter()
        surrogate = Surrogate.fit(harvest(seed, arguments.anchors), config, seed=seed)
        seconds = time.perf_counter() - begun
        scored = astuple(score(surrogate))
        results.append((*scored, scored[2] / scored[3], seconds))
        _show(f"{seed}", results[-1])
    _show("median", np.median(results, axis=0))
    print("target  NLL -1.05 … -0.80, CD 0.040 ± 0.015, ratio ≤ 1.5; truth: NLL -0.902, CD 0.040")


def _show(label: str, row: "tuple[float, ...] | NDArray[np.float64]") -> None:
    nll, circle, w2, floor, ratio, seconds = row
    print(f"{label:>6} {nll:8.3f} {circle:7.3f} {w2:7.4f} {floor:7.4f} {ratio:6.2f} {seconds:7.1f}", flush=True)


if __name__ == "__main__":
    main()
