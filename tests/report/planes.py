"""Surrogates of several hyperparameters in closed form, and score harvests of them."""

from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import product

import numpy as np

from pipeline.data.harvest import Harvest
from pipeline.data.mesh import Simplices, axes_of, grid_of, locate_rows
from pipeline.data.schema import Column, Schema
from pipeline.report import style

GRID = tuple(product((0.0, 0.5, 1.0), (0.0, 2.0)))
SCATTERED = ((0.0, 0.0), (1.0, 0.0), (0.0, 2.0), (1.0, 2.0), (0.5, 0.8))
HELD_OUT = ((0.25, 1.0), (0.75, 1.0), (0.25, 0.5), (0.75, 0.5))
VELOCITY = np.array([[3.0, 4.0, -1.0], [1.0, -2.0, 0.5], [0.5, 0.5, 2.0]])
"""Of the outputs (columns) in every coordinate of λ (rows)."""


def schema_of(coordinates=2, outputs=2, *, deterministic=False, picture="scatter"):
    names = ("turn", "radius", "rate")[:coordinates]
    first, *others = (Column(name=name, units="K" if name == "turn" else "") for name in names)
    columns = 3 if deterministic else 1
    return Schema(
        hyperparameter=first,
        further_hyperparameters=tuple(others),
        outputs=tuple(Column(name=f"t+{i + 1}", units="m") for i in range(outputs)),
        conditions=tuple(
            Column(name=f"t-{columns - 1 - i}", kind="continuous" if deterministic else "categorical")
            for i in range(columns)
        ),
        deterministic=deterministic,
        picture=picture,
    )


def identity(values):
    return values


@dataclass(frozen=True)
class Drift:
    """y = noise + velocity · λ, and `miss` more of the first output between the anchors: exact where that is 0.

    The noise is the conditions' mean where networks are deterministic, else that of a row's number.
    """

    vertices: tuple = GRID
    schema: Schema = field(default_factory=schema_of)
    miss: float = 0.0
    networks: tuple | None = ()
    clock_base: str = "linear, linear"
    sampled_conditions: tuple = ()
    barriers: tuple | None = None
    history: dict = field(default_factory=dict)

    @property
    def deterministic(self):
        return bool(self.schema.deterministic)

    @property
    def mesh(self):
        axes = axes_of(self.vertices, [column.name for column in self.schema.hyperparameters])
        return grid_of(self.vertices, axes, tuple(range(len(axes)))) or Simplices(axes, self.vertices, identity)

    def moved(self, located):
        """What λ (N, P) adds to outputs, (N, D)."""
        shift = located @ VELOCITY[: located.shape[1], : len(self.schema.outputs)]
        off = [tuple(row) not in self.vertices for row in located.tolist()]
        shift[:, 0] += self.miss * np.array(off)
        return shift

    def sample(self, conditions, hyperparameter, draws=1, seed=0):
        count = len(conditions)
        shift = self.moved(locate_rows(hyperparameter, count, self.mesh.axes))[:, None]
        if self.deterministic:
            return conditions.mean(axis=1)[:, None, None] + np.broadcast_to(shift, (count, draws, shift.shape[2]))
        return np.random.default_rng(seed).standard_normal((count, draws, shift.shape[2])) + shift

    def matched(self, conditions, anchors, draws=1, seed=0):
        vertices = [np.array(self.mesh.vertices[k]) for k in anchors]
        return [self.sample(conditions, vertex, draws, seed) for vertex in vertices]

    def positions(self, conditions, hyperparameter):
        located = locate_rows(hyperparameter, len(conditions), self.mesh.axes)
        columns = [np.interp(v, a.values, range(len(a.values))) for v, a in zip(located.T, self.mesh.axes, strict=True)]
        return np.stack(
            [c - np.minimum(np.floor(c), len(a.values) - 2) for c, a in zip(columns, self.mesh.axes, strict=True)],
            axis=1,
        )

    def path(self, outputs, conditions, source, targets):
        start = outputs - self.moved(np.array([source]))
        return np.stack([start + self.moved(np.array([target])) for target in targets], axis=1)

    def transport(self, outputs, conditions, source, target):
        return self.path(outputs, conditions, source, [target])[:, 0]


def score_of(surrogate, held_out=HELD_OUT, rows=8):
    """The truth of a drift without its miss, at its anchors and the held-out λ: rows a condition of two, or rows."""
    exact, schema = Drift(surrogate.vertices, surrogate.schema), surrogate.schema
    values = (*surrogate.vertices, *held_out)
    if surrogate.deterministic:
        x = np.random.default_rng(1).standard_normal((rows, 3))
        outputs = [exact.sample(x, np.array([value]))[:, 0] for value in values]
    else:
        x = np.repeat(np.arange(2.0), rows)[:, None]
        outputs = [exact.sample(x, np.array([value]), seed=7)[:, 0] for value in values]
    return Harvest.from_arrays(np.array(values), outputs, [x] * len(values), schema=schema)


def watched(monkeypatch, *modules):
    """The figures that modules draw from now on, by file name; they are drawn and written as ever."""
    figures = {}

    @contextmanager
    def drawing(path, rows, columns, **settings):
        with style.drawing(path, rows, columns, **settings) as (figure, axes):
            figures[path.name] = (figure, axes)
            yield figure, axes

    for module in modules:
        monkeypatch.setattr(module, "drawing", drawing)
    return figures


def squares(ax):
    """The points of every line of squares."""
    return [np.column_stack(line.get_data()) for line in ax.lines if line.get_marker() == "s"]
