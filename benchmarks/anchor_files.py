"""Twenty fits of the default configuration on each published file of anchors: are all finite, does the action fall?"""

import time
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.record import SHARED, Record, Rows, Task
from benchmarks.table import Criterion, cell, criteria, table
from pipeline.data.harvest import Harvest
from pipeline.data.schema import Kind
from pipeline.errors import FitError
from pipeline.surrogate.config import SurrogateConfig

if TYPE_CHECKING:
    from pipeline.surrogate import Surrogate

TITLE = "Twenty seeds on every published file of anchors"
SEEDS = 20
FOLDER = SHARED / "anchors"
CATEGORICAL = ("semicircles", "two_moons_dropout")
CURVES = ("path_action", "dual_value")


def harvest(path: Path) -> Harvest:
    """The anchors of a file."""
    with np.load(path, allow_pickle=False) as file:
        kind: Kind = "categorical" if path.stem in CATEGORICAL else "continuous"
        return Harvest.from_arrays(file["hyperparameter"], file["outputs"], file["conditions"], kind)


def fit(path: Path, seed: int) -> Rows:
    """Whether fit and transport are finite, the mean of the training curve over its first and last tenth, seconds."""
    from pipeline.surrogate import Surrogate

    anchors = harvest(path)
    begun = time.perf_counter()
    try:
        surrogate = Surrogate.fit(anchors, SurrogateConfig(), seed=seed)
    except FitError as error:
        print(f"  {path.stem} · seed {seed}: {error}", flush=True)
        return {"fit": {"finite": 0.0, "begin": np.nan, "end": np.nan, "seconds": time.perf_counter() - begun}}
    seconds = time.perf_counter() - begun
    curve = np.asarray(next(surrogate.history[name] for name in CURVES if name in surrogate.history))
    finite = bool(np.isfinite(curve).all()) and _moves_are_finite(surrogate, anchors)
    tenth = max(1, len(curve) // 10)
    begin, end = float(curve[:tenth].mean()), float(curve[-tenth:].mean())
    return {"fit": {"finite": float(finite), "begin": begin, "end": end, "seconds": seconds}}


def _moves_are_finite(surrogate: "Surrogate", anchors: Harvest) -> bool:
    values = anchors.hyperparameter.tolist()
    return all(
        np.isfinite(surrogate.transport(anchors.outputs[k], anchors.conditions[k], left, (left + right) / 2)).all()
        for k, (left, right) in enumerate(pairwise(values))
    )


def measure(record: Record, seeds: int, processes: int) -> None:
    """All files."""
    files = sorted(FOLDER.glob("*.npz"))
    if not files:
        record.skip(f"{FOLDER.name}/ is missing or empty")
        return
    record.measure((Task(f.stem, seed, fit, (f, seed)) for f in files for seed in range(seeds)), processes)


def section(record: Record) -> str:
    """One line a file."""
    lines, bounds = [], []
    for task in record.tasks():
        values = {c: np.asarray(record.values(task, "fit", c)) for c in ("finite", "begin", "end", "seconds")}
        fits, finite = len(values["finite"]), int(values["finite"].sum())
        falling = int((values["end"] < values["begin"]).sum())
        lines.append(
            [task, f"{finite} of {fits}", f"{falling} of {fits}"]
            + [cell(values[c].tolist()) for c in ("begin", "end", "seconds")]
        )
        bounds.append(Criterion(f"{task}: share of finite fits", finite / fits, low=1.0))
        bounds.append(Criterion(f"{task}: share of fits whose action fell", falling / fits, low=1.0))
    header = ["anchors", "finite", "action falls", "action, first tenth", "action, last tenth", "fit, s (two at once)"]
    return (
        "Default configuration; the path action along the observed moves, as it is trained.\n\n"
        + table(header, lines)
        + "\n"
        + criteria(bounds)
    )
