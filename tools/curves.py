"""Draw README's first picture, the default sweep's curves through their anchors: ``python -m tools.curves``.

The first time it trains the sweep's networks (minutes; they are kept under data/benchmarks/), later it takes seconds.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from benchmarks.truth import Sweep
from pipeline import Harvest, Surrogate
from pipeline.data.schema import Schema
from pipeline.report.style import BLUE, INK, label
from pipeline.settings import read_text
from pipeline.stages.params import parse_config
from tools.import_graph import ROOT

PICTURE = ROOT / "docs" / "images" / "quantiles-curves.png"
PRESET = "quantiles"
RANKS = {"small error": 0.1, "median error": 0.5, "large error": 0.9}
"""The contexts shown, by the rank of the surrogate's error among all score contexts: they flatter as often as not."""
OUTPUT = -1
"""The output shown: the farthest hour, whose quantiles are widest apart."""
POINTS = 241
ORANGE = "#D55E00"
"""Of Okabe and Ito (2008), as the report's colours; and each kind of point has a shape of its own."""


@dataclass(frozen=True, eq=False)
class Curves:
    """One output of n contexts as λ moves.

    grid (M,): λ from the first anchor to the last, all that were trained among them; served (n, M): what `sample`
    answers there. values (V,): the λ that were trained; trained (n, V): their networks' own outputs.
    """

    grid: NDArray[np.float64]
    served: NDArray[np.float64]
    values: NDArray[np.float64]
    trained: NDArray[np.float64]
    anchors: tuple[float, ...]

    @property
    def seen(self) -> NDArray[np.bool_]:
        """Which of the trained networks the surrogate was fitted to, (V,)."""
        return np.isin(self.values, self.anchors)


def ranked(surrogate: Surrogate, score: Harvest, output: int = OUTPUT) -> NDArray[np.intp]:
    """The score contexts (N,), the one with the smallest mean squared error over the held-out λ first."""
    held_out = [k for k, value in enumerate(score.hyperparameter.tolist()) if value not in surrogate.anchors]
    errors = np.zeros(len(score.conditions[0]))
    for k in held_out:
        served = surrogate.sample(score.conditions[k], float(score.hyperparameter[k]))[:, 0, output]
        errors += (served - score.outputs[k][:, output]) ** 2
    return np.argsort(errors, kind="stable")


def curves(surrogate: Surrogate, score: Harvest, rows: NDArray[np.intp], output: int = OUTPUT) -> Curves:
    """The curves at some rows of a deterministic sweep's score harvest, whose rows are the same contexts at every λ."""
    conditions, anchors = score.conditions[0][rows], surrogate.anchors
    grid = np.union1d(np.linspace(anchors[0], anchors[-1], POINTS), score.hyperparameter)
    served = [surrogate.sample(conditions, value)[:, 0, output] for value in grid.tolist()]
    trained = [outputs[rows, output] for outputs in score.outputs]
    return Curves(
        grid,
        np.stack(served, axis=1).astype(np.float64),
        score.hyperparameter.astype(np.float64),
        np.stack(trained, axis=1).astype(np.float64),
        anchors,
    )


def fitted() -> tuple[Surrogate, Harvest]:
    """The preset's surrogate, fitted to its anchors' networks; all networks' outputs at the score contexts."""
    path = ROOT / "sweeps" / f"{PRESET}.yaml"
    config, sweep = parse_config(read_text(path), path.name), Sweep.of_preset(PRESET)
    harvest = sweep.harvest("fit", config.sweep.anchors, config.fit.seed)
    surrogate = Surrogate.fit(harvest, config.fit.surrogate(), seed=config.fit.seed)
    return surrogate, sweep.harvest("score", sweep.values, config.fit.seed)


def draw(found: Curves, titles: list[str], schema: Schema, path: Path) -> None:
    """Write the picture: a panel a context, over the same span of the output, so that errors compare."""
    style: dict[Any, Any] = {
        "font.size": 17,
        "axes.titlesize": 17,
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
    with mpl.rc_context(style):
        figure = Figure(figsize=(12, 5), layout="constrained")
        panels = figure.subplots(1, len(titles), squeeze=False)[0]
        both = np.concatenate([found.served, found.trained], axis=1)
        middles, reach = (both.max(1) + both.min(1)) / 2, 0.56 * np.ptp(both, axis=1).max()
        for row, (axes, title) in enumerate(zip(panels, titles, strict=True)):
            axes.plot(found.grid, found.served[row], c=BLUE, lw=3, label="surrogate")
            own, unseen = found.seen, ~found.seen
            axes.plot(
                found.values[own], found.trained[row, own], "s", ms=11, c=INK, zorder=4,
                label="anchors' own networks",
            )  # fmt: skip
            axes.plot(
                found.values[unseen], found.trained[row, unseen], "o", ms=11, mfc="white", mec=ORANGE, mew=2.6,
                zorder=3, label="held-out networks",
            )  # fmt: skip
            axes.set(title=title, xlim=(-0.06, 1.06), ylim=(middles[row] - reach, middles[row] + reach))
            axes.set_xticks([*found.anchors], [f"{anchor:g}" for anchor in found.anchors])
            axes.grid(c="#e8e8e8")
        panels[0].set_ylabel(label(schema.outputs[OUTPUT]))
        figure.supxlabel(f"λ: the {schema.hyperparameter.name} that a network is trained for", fontsize=17)
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=3, frameon=False)
        # The library's version in the metadata would change the file with every upgrade.
        figure.savefig(path, dpi=100, metadata={"Software": None})


def main() -> None:
    """Fit, and draw."""
    surrogate, score = fitted()
    order = ranked(surrogate, score)
    rows = order[[int(rank * (len(order) - 1)) for rank in RANKS.values()]]
    draw(curves(surrogate, score, rows), list(RANKS), score.schema, PICTURE)


if __name__ == "__main__":
    main()
