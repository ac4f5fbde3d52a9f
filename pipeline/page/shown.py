"""What a surrogate's page shows: its answers at some conditions over all λ, and the truth where some is known.

A file holds all of its answers. A page that is served asks for more: for further conditions, and, where there are more
λ than a file can hold, for a line of them at a time, along the hyperparameter that is being moved.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.data.harvest import Harvest
from pipeline.data.mesh import Grid, Value
from pipeline.data.samples import check_columns
from pipeline.data.schema import Column, Schema
from pipeline.data.values import numbers, value_of
from pipeline.errors import ConfigurationError, DataError, HyperparameterError
from pipeline.evaluation.comparison import Comparison
from pipeline.evaluation.places import place_of
from pipeline.page.warned import unwarned, warned
from pipeline.report.explorer import ANSWERED, ASKED, CONDITIONS, DRAWS, IMAGES, Explorer, thinned, why_none
from pipeline.report.panels import Panel
from pipeline.report.steps import STEPS, Axis, Extent, axes_of, combinations, fine_axes_of
from pipeline.report.style import describe, spaced
from pipeline.shapes import FloatArray

if TYPE_CHECKING:
    from pipeline.surrogate import Surrogate

MOST_CONDITIONS = 50
"""Conditions that a page offers at most; what does not fit is thinned further."""
SERVE = "`page --serve` answers at any λ"


@dataclass(frozen=True, eq=False)
class Shown:
    """A surrogate at conditions (N, C). truth: a harvest that has all of them, or None; its other λ are held out.

    live: the page is served, and asks for what it does not hold.
    """

    surrogate: "Surrogate"
    conditions: FloatArray
    truth: Harvest | None = None
    live: bool = False

    @classmethod
    def of(
        cls,
        surrogate: "Surrogate",
        conditions: FloatArray | None = None,
        truth: Harvest | None = None,
        *,
        live: bool = False,
    ) -> "Shown":
        """Conditions (N, C) as given, else evenly spaced ones of the truth.

        Raises ConfigurationError for a surrogate that no file can show, DataError for conditions or a truth that do not
        belong to it, and for neither.
        """
        if not live and not isinstance(surrogate.mesh, Grid):
            raise ConfigurationError(
                "there is no file for scattered anchors: its sliders would need a grid of answers, on which neither "
                f"anchors nor held-out values lie; {SERVE}"
            )
        if truth is not None and (theirs := _names(truth.schema)) != (own := _names(surrogate.schema)):
            raise DataError(f"the truth has the columns {theirs}, the surrogate {own}; give a harvest of its sweep")
        if conditions is None:
            if truth is None:
                raise DataError("a page needs conditions: give a table of them, or a harvest as the truth")
            distinct = np.unique(truth.conditions[0], axis=0)
            conditions = distinct[spaced(len(distinct), CONDITIONS)]
        columns = surrogate.schema.conditions
        if conditions.ndim != 2 or not len(conditions) or conditions.shape[1] != len(columns):
            raise DataError(
                f"conditions have shape {conditions.shape}; at least one row of {[c.name for c in columns]} is needed"
            )
        check_columns(conditions, columns, "conditions")
        distinct = np.unique(np.asarray(conditions, np.float64), axis=0)
        return cls(surrogate, distinct[spaced(len(distinct), MOST_CONDITIONS)], truth, live)

    @property
    def by_lines(self) -> bool:
        """Whether answers are asked for a line at a time: there are more λ than a page holds."""
        return self.live and bool(why_none(self.surrogate))

    @cached_property
    def explorer(self) -> Explorer:
        """The interactive part: all that fits into a page. ConfigurationError where not one condition does."""
        columns = self.surrogate.schema.conditions
        panels = [Panel(describe(x, columns), x) for x in self.conditions]
        score = self._score
        comparison = Comparison.of(_without(score, self._held_out), deterministic=self.surrogate.deterministic)

        def made(extent: Extent) -> Explorer:
            shown = [panels[i] for i in spaced(len(panels), extent.conditions)]
            axes = self._axes(extent.steps)
            points = score.values if self.by_lines else combinations(axes)
            return Explorer(self.surrogate, score, comparison, shown, axes, points, extent.draws)

        found = thinned(made, Extent(1 if self.by_lines else STEPS, self.draws, len(panels)))
        if found is None:
            raise ConfigurationError(
                f"there is no page: the {len(self.surrogate.schema.outputs)} outputs are more than one can hold; use "
                "`explain` or `sample`"
            )
        return found

    def _axes(self, steps: int) -> list[Axis]:
        """The sliders' values; ConfigurationError where a file would hold the anchors alone."""
        mesh = self.surrogate.mesh
        if self.by_lines:
            return fine_axes_of(mesh, self._score)
        axes = axes_of(mesh, self._score, steps)
        if all(len(axis.values) == len(axis.anchors) for axis in axes):
            raise ConfigurationError(
                f"there is no file for {len(axes)} hyperparameters with {len(mesh.vertices)} anchors: it could hold no "
                f"value between them; {SERVE}"
            )
        return axes

    @property
    def extent(self) -> str:
        """How many λ a file of several hyperparameters holds, in words; "" where there is nothing to say."""
        axes = self.explorer.axes
        if self.live or len(axes) == 1:
            return ""
        counts = " × ".join(str(len(axis.values)) for axis in axes)
        return (
            f"The sliders stand at {counts} values, {len(self.explorer.points)} in all: at each the file has the "
            "surrogate's own answer, and it interpolates none. Served, a page answers between them."
        )

    @property
    def draws(self) -> int:
        """Draws of a condition."""
        if self.surrogate.deterministic:
            return 1
        return IMAGES if self.surrogate.schema.picture == "image" else DRAWS

    @property
    def document(self) -> dict[str, Any]:
        """The data of the page."""
        columns = self.surrogate.schema.conditions
        given = [_condition(panel) for panel in self.explorer.panels]
        found = warned(self.surrogate, np.array(given), self.explorer.points)
        texts = list(dict.fromkeys(text for panel in found for some in panel for text in some))
        with unwarned():
            document = self.explorer.document
        return {
            **document,
            "texts": texts,
            "warned": [[[texts.index(text) for text in some] for some in panel] for panel in found],
            "given": [x.tolist() for x in given],
            "columns": [_column(column, np.array([x[i] for x in given])) for i, column in enumerate(columns)],
            "live": self.live,
            "lines": self.by_lines,
        }

    def answer(self, condition: Sequence[float]) -> dict[str, Any]:
        """What the page adds for one more condition (C,): its parts of the document, over the same λ.

        Raises DataError for a condition that the surrogate does not take.
        """
        one = self._at(condition)
        found = self._parts(one, self.explorer.points, ANSWERED)
        return {"title": one.explorer.panels[0].title, "given": list(map(float, condition)), **found}

    def line(self, condition: Sequence[float], at: Sequence[float], along: int) -> dict[str, Any]:
        """The answers at a condition (C,) along one coordinate of λ = `at` (P,), at the values of its slider.

        points: those λ that lie between the anchors, with the parts of the document that belong to them; refused: the
        others, each with the reason. Raises DataError for a condition that the surrogate does not take or for another
        number of coordinates, HyperparameterError where nothing of the line lies between the anchors.
        """
        axes = self.explorer.axes
        if len(at) != len(axes) or not 0 <= along < len(axes) or not np.isfinite(at).all():
            names = [axis.column.name for axis in axes]
            raise DataError(f"line: at {list(at)} along {along}; one of {len(axes)} finite numbers {names} is needed")
        line = [value_of((*at[:along], value, *at[along + 1 :])) for value in axes[along].values.tolist()]
        refused = {point: reason for point in line if (reason := self._refusal(point))}
        inside = [point for point in line if point not in refused]
        if not inside:
            raise HyperparameterError(next(iter(refused.values())))
        found = self._parts(self._at(condition), inside, ASKED)
        return {"refused": [[list(numbers(point)), reason] for point, reason in refused.items()], **found}

    def _at(self, condition: Sequence[float]) -> "Shown":
        """The same page of one condition (C,), of which no truth is known."""
        columns = self.surrogate.schema.conditions
        if len(condition) != len(columns):
            raise DataError(f"condition: {len(condition)} values; expected {[column.name for column in columns]}")
        row = np.array([condition], np.float64)
        if not np.isfinite(row).all():
            raise DataError(f"condition: {list(condition)}; finite numbers are needed")
        return Shown.of(self.surrogate, row, live=self.live)

    def _parts(self, one: "Shown", points: Sequence[Value], keys: Sequence[str]) -> dict[str, Any]:
        """The parts of the document that are one condition's, at some λ."""
        explorer = replace(one.explorer, axes=self.explorer.axes, points=points, draws=self.explorer.draws)
        with unwarned():
            answers = explorer.answers
        (texts,) = warned(self.surrogate, one.conditions, points)
        of_points = {key: answers[key] for key in ("points", "around")}
        return of_points | {key: answers[key][0] for key in keys} | {"warned": texts}

    def _refusal(self, value: Value) -> str:
        """Why the surrogate has no answer at a λ; "" where it has one."""
        try:
            place_of(self.surrogate.mesh, numbers(value))
        except HyperparameterError as error:
            return str(error)
        return ""

    @cached_property
    def _held_out(self) -> list[Value]:
        """The λ of the truth that are no anchors and lie between them."""
        if self.truth is None:
            return []
        own = set(map(value_of, self.surrogate.mesh.vertices))
        return [value for value in self.truth.values if value not in own and not self._refusal(value)]

    @cached_property
    def _score(self) -> Harvest:
        """The anchors' own outputs at the conditions, and the truth's at held-out λ, as one harvest."""
        rows, vertices, count = {}, self.surrogate.mesh.vertices, len(self.conditions)
        names = [column.name for column in self.surrogate.schema.hyperparameters]
        asked = dict(zip(names, np.repeat(np.array(vertices, np.float64), count, axis=0).T, strict=True))
        tiled, equal = np.tile(self.conditions, (len(vertices), 1)), np.zeros(count * len(vertices), np.intp)
        with unwarned():
            drawn = self.surrogate.sample(tiled, asked, draws=self.draws, occurrence=equal)
        conditions = np.repeat(self.conditions, self.draws, axis=0)
        for vertex, outputs in zip(vertices, np.split(drawn, len(vertices)), strict=True):
            rows[value_of(vertex)] = (outputs.reshape(-1, outputs.shape[-1]), conditions)
        for value in self._held_out:
            rows[value] = self._true(value)
        values = sorted(rows)
        return Harvest.from_arrays(
            np.array(values), *zip(*(rows[value] for value in values), strict=True), schema=self.surrogate.schema
        )

    def _true(self, value: Value) -> tuple[FloatArray, FloatArray]:
        """The truth's rows at a held-out λ; DataError where it lacks a condition."""
        assert self.truth is not None
        k = self.truth.values.index(value)
        y, x = self.truth.outputs[k], self.truth.conditions[k]
        found = [np.flatnonzero((x == condition).all(axis=1)) for condition in self.conditions]
        for condition, chosen in zip(self.conditions, found, strict=True):
            if not len(chosen):
                where = describe(condition, self.surrogate.schema.conditions)
                raise DataError(
                    f"the truth has nothing at {where} and λ = {value}; give conditions that it has, or leave one of "
                    "the two away"
                )
        chosen = np.concatenate(found)
        return y[chosen], x[chosen]


def _without(score: Harvest, held_out: Sequence[Value]) -> Harvest:
    """A harvest without some of its λ."""
    kept = [k for k, value in enumerate(score.values) if value not in held_out]
    outputs, conditions = ([of[k] for k in kept] for of in (score.outputs, score.conditions))
    return Harvest.from_arrays(score.hyperparameter[kept], outputs, conditions, schema=score.schema)


def _names(schema: Schema) -> list[str]:
    return [column.name for column in (*schema.hyperparameters, *schema.conditions, *schema.outputs)]


def _condition(panel: Panel) -> FloatArray:
    assert panel.condition is not None  # every panel of a page is one condition
    return panel.condition


def _column(column: Column, shown: FloatArray) -> dict[str, Any]:
    """What the page must know to ask for a value of a condition's column. scale: what differences are measured in."""
    return {
        "name": column.name,
        "units": column.units,
        "categories": list(column.categories),
        "scale": 0.0 if column.kind == "categorical" else float(shown.std()) or 1.0,
    }
