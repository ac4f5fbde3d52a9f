"""The rounds of an evaluation: the samples of every λ in each redraw, and how each λ is reached.

All methods are compared with the same samples of the truth, start from the same samples of the anchors, and draw by the
same seeds, whether they are evaluated in one process or in several.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from pipeline.data.harvest import Harvest
from pipeline.data.mesh import Mesh, Value
from pipeline.data.values import numbers, value_of
from pipeline.errors import DataError
from pipeline.evaluation.comparison import Comparison, Sample
from pipeline.evaluation.places import Place, linear_mesh, nearest, place_between, place_of
from pipeline.evaluation.scores import Score


@dataclass(frozen=True, eq=False)
class Route:
    """How a λ is reached. own, linear, start: as of `Situation`."""

    own: Place
    linear: Place
    start: int


def routes(mesh: Mesh, values: tuple[Value, ...]) -> dict[Value, Route]:
    """The routes to all λ but the first anchor, in their order."""
    straight, parents = linear_mesh(mesh), {child: parent for parent, child in mesh.tree(0)}
    found = {}
    for value in values:
        place = numbers(value)
        if place not in mesh.vertices:
            own = place_of(mesh, place)
            start = own.corners[0] if len(place) == 1 else nearest(mesh, place)
            found[value] = Route(own, place_of(straight, place), start)
        elif (vertex := mesh.vertices.index(place)) in parents:
            own = place_between(mesh, parents[vertex], vertex)
            found[value] = Route(own, own, parents[vertex])
    return found


@dataclass(frozen=True, eq=False)
class Draws:
    """The samples of one round: in the first the truth is the harvest itself; all else comes from its networks."""

    score: Harvest
    comparison: Comparison
    seed: int
    number: int
    fresh: bool

    def truth(self, index: int) -> Sample:
        """The sample that methods are compared with at the λ of that index, or start from."""
        if self.number:
            return self._drawn(index, 0)
        return Sample(self.score.outputs[index], self.score.conditions[index])

    def second(self, index: int) -> Callable[[], Sample] | None:
        """A function that draws another sample of the same network; None without networks, or without draws."""
        return partial(self._drawn, index, 1) if self.fresh else None

    def own_seed(self, index: int) -> int:
        """A seed for a method's own draws."""
        return int(np.random.SeedSequence([self.seed, self.number, index, 2]).generate_state(1)[0])

    def _drawn(self, index: int, which: int) -> Sample:
        assert self.score.networks is not None
        x = self.score.conditions[index]
        entropy = int(np.random.SeedSequence([self.seed, self.number, index, which]).generate_state(1)[0])
        return Sample(self.score.networks[index].outputs(x, 1, entropy)[:, 0], x)


def draws_of(score: Harvest, comparison: Comparison, redraws: int, seed: int) -> list[Draws]:
    """The draws of every round; one round where samples cannot be drawn afresh: without networks, or without draws."""
    fresh = score.networks is not None and not comparison.deterministic
    return [Draws(score, comparison, seed, number, fresh) for number in range(redraws if fresh else 1)]


def check_anchors_in(score: Harvest, mesh: Mesh) -> None:
    """Raise DataError unless a score harvest holds every anchor."""
    if missing := [a for a in map(value_of, mesh.vertices) if a not in score.values]:
        raise DataError(
            f"the score harvest lacks the anchors {missing} (it holds {list(score.values)}); "
            "harvest every anchor of the surrogate"
        )


def score_of(comparison: Comparison, value: Value, method: str, sample: Sample, truth: Sample) -> Score:
    """All figures of one method's sample at λ = value, against a sample of the truth."""
    errors = comparison.errors(sample, truth)
    return Score(
        hyperparameter=value,
        method=method,
        error=float(np.mean(errors)),
        spread=comparison.spread(sample),
        truth_spread=comparison.spread(truth),
        distances={d.name: comparison.distance(d, sample, truth) for d in comparison.distances[1:]},
        by_condition=tuple(errors.tolist()),
    )
