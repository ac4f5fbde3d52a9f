"""The λ that is best in expectation for an objective on outputs: overall, for each condition, or for each group.

Every λ is tried with the same draws (common random numbers), so that differences between λ are not those of chance. A
coarse grid over the anchors' range comes first; finer ones around each group's best follow. λ are not distinguishable
from the best where the mean difference is within Student's t, at 95 %, of its standard errors: over conditions, which
then stand for those that will come; over draws alone where a group has fewer than FEW_CONDITIONS, which are taken as
they are.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, product
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from pipeline.consumers.objective import Objective
from pipeline.data.mesh import Grid
from pipeline.errors import ConfigurationError, DataError
from pipeline.storage.progress import counting
from pipeline.surrogate.draws import Rows
from pipeline.surrogate.regions import objections

if TYPE_CHECKING:
    from pipeline.surrogate import Surrogate

COARSE = 64
"""Points of the coarse grid, at least, with one hyperparameter; so many squared, over 10, with several."""
FEWEST = 8
"""Points of the coarse grid in an interval between two anchors, at least."""
ROUNDS = 3
"""Finer grids after the coarse one."""
POINTS = 1_000_000
"""Outputs that are computed at a time."""
LEVEL = 0.95
FEW_CONDITIONS = 10


@dataclass(frozen=True)
class Recommendation:
    """The best λ of a group of rows.

    rows: of the conditions. value: the λ, (P,). mean, standard_error: of the objective there. intervals: of each
    hyperparameter the stretches whose λ are not distinguishable from the best; of several hyperparameters one each,
    from the least such coordinate to the greatest. trusted: whether the certificate trusts the λ at these rows; None
    without a certificate. objections: why not.
    """

    rows: NDArray[np.intp]
    value: tuple[float, ...]
    mean: float
    standard_error: float
    intervals: tuple[tuple[tuple[float, float], ...], ...]
    trusted: bool | None
    objections: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Problem:
    """An objective, and where it counts.

    conditions: (N, C). columns: further columns (N,) that the objective needs. draws: of every condition, at every λ.
    """

    surrogate: "Surrogate"
    objective: Objective
    conditions: NDArray[np.float64]
    columns: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    maximise: bool = False
    draws: int = 64
    seed: int = 0

    def __post_init__(self) -> None:
        if not len(self.conditions):
            raise DataError("conditions have no rows; recommend needs one at least")
        if self.draws < 2 and not self.surrogate.deterministic:
            raise ConfigurationError(f"draws = {self.draws}; at least 2 are needed, to tell chance from difference")

    @property
    def drawn(self) -> int:
        """Draws that differ: one of a deterministic surrogate."""
        return 1 if self.surrogate.deterministic else self.draws

    def scores(
        self, rows: NDArray[np.intp], values: NDArray[np.float64], runs: NDArray[np.intp]
    ) -> NDArray[np.float64]:
        """The objective, the larger the better, of rows (n,) at λ (n, L, P): (n, L, draws).

        runs: (N,), which run of its condition's draws each row takes.
        """
        n, count, _ = values.shape
        asked = np.repeat(rows, count)
        flat = values.reshape(n * count, -1)
        samples = self.surrogate.sample(
            self.conditions[asked], flat, draws=self.drawn, seed=self.seed, occurrence=runs[asked]
        )
        found = np.broadcast_to(self.objective(self._named(asked, flat, samples)), samples.shape[:2])
        if not np.isfinite(found).all():
            at, draw = np.argwhere(~np.isfinite(found))[0]
            raise DataError(
                f"objective is {found[at, draw]} in row {asked[at]} at λ = {flat[at].tolist()}, where the outputs are "
                f"{samples[at, draw].tolist()}; it must be finite everywhere"
            )
        scores = found.reshape(n, count, self.drawn)
        return scores if self.maximise else -scores

    def _named(
        self, rows: NDArray[np.intp], values: NDArray[np.float64], samples: NDArray[np.floating]
    ) -> dict[str, NDArray[np.float64]]:
        schema = self.surrogate.schema
        named = {column.name: values[:, p, None] for p, column in enumerate(schema.hyperparameters)}
        named |= {name: column[rows, None] for name, column in self.columns.items()}
        named |= {column.name: self.conditions[rows, i, None] for i, column in enumerate(schema.conditions)}
        return named | {column.name: np.asarray(samples[..., i], np.float64) for i, column in enumerate(schema.outputs)}


def recommend(problem: Problem, groups: Sequence[NDArray[np.intp]] | None = None) -> list[Recommendation]:
    """The best λ of every group of rows, in their order; None: of all rows together."""
    groups = [np.arange(len(problem.conditions))] if groups is None else groups
    search = _Search(problem)
    found: list[Recommendation] = []
    batches = list(search.batches(groups))
    with counting("groups of conditions", len(batches), even=True) as step:
        for batch in batches:
            found += search.best(batch)
            step()
    return found


class _Search:
    """Grids over the anchors' range, and what they score."""

    def __init__(self, problem: Problem) -> None:
        # The certificate is judged at the end; on the way every call would warn of it.
        self._plain = problem.surrogate.certified(())
        self._problem = Problem(
            self._plain,
            problem.objective,
            problem.conditions,
            problem.columns,
            problem.maximise,
            problem.draws,
            problem.seed,
        )
        self._certificate = problem.surrogate.certificate
        self._runs = Rows.of(problem.conditions).occurrence
        axes = self._plain.mesh.axes
        self._low = np.array([axis.values[0] for axis in axes])
        self._high = np.array([axis.values[-1] for axis in axes])
        self._coarse, self._step = self._first_grid()

    def _first_grid(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The coarse grid (L, P), and the widest gap between neighbours along every coordinate (P,)."""
        axes = self._plain.mesh.axes
        points = COARSE if len(axes) == 1 else int((COARSE**2 / 10) ** (1 / len(axes)))
        lines = []
        for axis in axes:
            intervals = len(axis.values) - 1
            each = max(FEWEST if len(axes) == 1 else 2, -(-points // intervals))
            pieces = [np.linspace(low, high, each, endpoint=False) for low, high in pairwise(axis.values)]
            lines.append(np.append(np.concatenate(pieces), axis.values[-1]))
        grid = np.array(list(product(*lines)))
        return grid[self._inside(grid)], np.array([np.diff(line).max() for line in lines])

    def _inside(self, values: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which λ (L, P) lie in the anchors' hull."""
        mesh = self._plain.mesh
        return np.ones(len(values), np.bool_) if isinstance(mesh, Grid) else mesh.cell_rows(values) >= 0

    def batches(self, groups: Sequence[NDArray[np.intp]]) -> Iterator[list[NDArray[np.intp]]]:
        """Groups that are searched side by side: as many as make one block, or a large one alone."""
        batch: list[NDArray[np.intp]] = []
        for group in groups:
            if batch and sum(map(len, batch)) + len(group) > self._block(len(self._coarse)):
                yield batch
                batch = []
            batch.append(group)
        if batch:
            yield batch

    def _block(self, values: int) -> int:
        return max(1, POINTS // (values * self._problem.drawn))

    def best(self, groups: Sequence[NDArray[np.intp]]) -> list[Recommendation]:
        """The best λ of each group of one batch."""
        tried = np.broadcast_to(self._coarse, (len(groups), *self._coarse.shape))
        scores = self._replicates(groups, tried)
        step = self._step
        for _ in range(ROUNDS):
            best = [values[of.mean(0).argmax()] for values, of in zip(tried, scores, strict=True)]
            finer, step = self._around(np.array(best), step)
            further = self._replicates(groups, finer)
            tried = np.concatenate([tried, finer], axis=1)
            scores = [np.concatenate(pair, axis=1) for pair in zip(scores, further, strict=True)]
        return [self._judged(*of_group) for of_group in zip(groups, tried, scores, strict=True)]

    def _around(
        self, best: NDArray[np.float64], step: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """A finer grid around each best λ (G, P), a step to either side: (G, L, P), and its own step."""
        size = best.shape[1]
        offsets = np.linspace(-1, 1, 9 if size == 1 else 5)
        steps = np.array(list(product(offsets, repeat=size))) * step
        finer = np.clip(best[:, None] + steps, self._low, self._high)
        for values, centre in zip(finer, best, strict=True):
            values[~self._inside(values)] = centre
        return finer, step * (offsets[1] - offsets[0])

    def _replicates(self, groups: Sequence[NDArray[np.intp]], values: NDArray[np.float64]) -> list[NDArray[np.float64]]:
        """Scores (R, L) of each group at its λ (G, L, P): of its conditions, or of the draws of its few."""
        sizes = np.array([len(group) for group in groups])
        rows = np.concatenate(groups)
        number = np.repeat(np.arange(len(groups)), sizes)
        block = self._block(values.shape[1])
        means, drawn = [], []
        for start in range(0, len(rows), block):
            part = slice(start, start + block)
            scores = self._problem.scores(rows[part], values[number[part]], self._runs)
            means.append(scores.mean(2))
            drawn.append(scores[sizes[number[part]] < FEW_CONDITIONS])
        by_condition = np.split(np.concatenate(means), np.cumsum(sizes)[:-1])
        few = iter(np.split(np.concatenate(drawn), np.cumsum(sizes[sizes < FEW_CONDITIONS])[:-1]))
        return [next(few).mean(0).T if len(of) < FEW_CONDITIONS else of for of in by_condition]

    def _judged(
        self, rows: NDArray[np.intp], values: NDArray[np.float64], scores: NDArray[np.float64]
    ) -> Recommendation:
        """The recommendation from scores (R, L) at λ (L, P)."""
        means = scores.mean(0)
        best = int(means.argmax())
        margin = _margin(scores, best)
        value = tuple(float(v) for v in values[best])
        sign = 1.0 if self._problem.maximise else -1.0
        error = float(scores[:, best].std(ddof=1) / np.sqrt(len(scores))) if len(scores) > 1 else 0.0
        trusted, why = self._trust(value, rows)
        return Recommendation(rows, value, sign * float(means[best]), error, _intervals(values, margin), trusted, why)

    def _trust(self, value: tuple[float, ...], rows: NDArray[np.intp]) -> tuple[bool | None, tuple[str, ...]]:
        surrogate = self._plain
        if len(value) > 1:
            return None, ()
        at = np.full(len(rows), value[0])
        found = objections(self._certificate, at, self._problem.conditions[rows], surrogate.anchors)
        broken = tuple(
            b.verdict for b in surrogate.barriers or () if b.broken and b.anchors[0] < value[0] < b.anchors[1]
        )
        return (not found if self._certificate else None), (*found, *broken)


def _margin(scores: NDArray[np.float64], best: int) -> NDArray[np.float64]:
    """By how much each λ is worse than the best beyond the noise, (L,); not above 0 where it is not distinguishable."""
    behind = scores[:, [best]] - scores
    count = len(scores)
    if count == 1:
        return np.asarray(behind[0])
    errors = behind.std(0, ddof=1) / np.sqrt(count)
    return np.asarray(behind.mean(0) - student.ppf((1 + LEVEL) / 2, count - 1) * errors)


def _intervals(values: NDArray[np.float64], margin: NDArray[np.float64]) -> tuple[tuple[tuple[float, float], ...], ...]:
    """Of each coordinate of λ (L, P) the stretches with a margin of at most 0; (L,)."""
    if values.shape[1] > 1:
        kept = values[margin <= 0]
        return tuple(((float(low), float(high)),) for low, high in zip(kept.min(0), kept.max(0), strict=True))
    order = np.argsort(values[:, 0], kind="stable")
    line, beyond = values[order, 0], margin[order]
    inside = np.flatnonzero(beyond <= 0)
    runs = np.split(inside, np.flatnonzero(np.diff(inside) > 1) + 1)
    return (tuple((_edge(line, beyond, run[0], -1), _edge(line, beyond, run[-1], 1)) for run in runs),)


def _edge(line: NDArray[np.float64], beyond: NDArray[np.float64], at: int, towards: int) -> float:
    """Where the margin crosses 0 on the way from a point inside to its neighbour outside."""
    other = at + towards
    if not 0 <= other < len(line):
        return float(line[at])
    share = -beyond[at] / (beyond[other] - beyond[at])
    return float(line[at] + share * (line[other] - line[at]))
