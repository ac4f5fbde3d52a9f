"""What a surrogate's page shows: its answers at some conditions over all λ, and the truth where some is known."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.data.harvest import Harvest
from pipeline.data.mesh import Value
from pipeline.data.samples import check_columns
from pipeline.data.schema import Column, Schema
from pipeline.data.values import named, numbers, value_of
from pipeline.errors import ConfigurationError, DataError
from pipeline.evaluation.comparison import Comparison
from pipeline.report.explorer import ANSWERED, CONDITIONS, DRAWS, IMAGES, Explorer, axes_of, thinned, why_none
from pipeline.report.panels import Panel
from pipeline.report.steps import STEPS, Axis, Extent
from pipeline.report.style import describe, spaced
from pipeline.shapes import FloatArray

if TYPE_CHECKING:
    from pipeline.surrogate import Surrogate

MOST_CONDITIONS = 50
"""Conditions that a page offers at most; what does not fit is thinned further."""


@dataclass(frozen=True, eq=False)
class Shown:
    """A surrogate at conditions (N, C). truth: a harvest that has all of them, or None; its other λ are held out."""

    surrogate: "Surrogate"
    conditions: FloatArray
    truth: Harvest | None = None

    @classmethod
    def of(cls, surrogate: "Surrogate", conditions: FloatArray | None = None, truth: Harvest | None = None) -> "Shown":
        """Conditions (N, C) as given, else evenly spaced ones of the truth.

        Raises ConfigurationError for a surrogate that no page can show, DataError for conditions or a truth that do not
        belong to it, and for neither.
        """
        if reason := why_none(surrogate):
            raise ConfigurationError(f"there is no page {reason}; use `explain` or `sample`")
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
        return cls(surrogate, distinct[spaced(len(distinct), MOST_CONDITIONS)], truth)

    @cached_property
    def explorer(self) -> Explorer:
        """The interactive part: all that fits into a page. ConfigurationError where not one condition does."""
        columns = self.surrogate.schema.conditions
        panels = [Panel(describe(x, columns), x) for x in self.conditions]
        score = self._score
        comparison = Comparison.of(_without(score, self._held_out), deterministic=self.surrogate.deterministic)

        def made(extent: Extent) -> Explorer:
            shown = [panels[i] for i in spaced(len(panels), extent.conditions)]
            axes = axes_of(self.surrogate, score, extent.steps)
            return Explorer(self.surrogate, score, comparison, shown, axes, extent.draws)

        found = thinned(made, Extent(STEPS, self.draws, len(panels)))
        if found is None:
            raise ConfigurationError(
                f"there is no page: the {len(self.surrogate.schema.outputs)} outputs are more than one can hold; use "
                "`explain` or `sample`"
            )
        return found

    @property
    def draws(self) -> int:
        """Draws of a condition."""
        if self.surrogate.deterministic:
            return 1
        return IMAGES if self.surrogate.schema.picture == "image" else DRAWS

    def document(self, *, live: bool) -> dict[str, Any]:
        """The data of the page; live: a server answers for conditions that are not in it."""
        columns = self.surrogate.schema.conditions
        given = [_condition(panel) for panel in self.explorer.panels]
        warned = self._warned(self.explorer)
        texts = list(dict.fromkeys(text for panel in warned for some in panel for text in some))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # they stand on the page
            document = self.explorer.document
        return {
            **document,
            "texts": texts,
            "warned": [[[texts.index(text) for text in some] for some in panel] for panel in warned],
            "given": [x.tolist() for x in given],
            "columns": [_column(column, np.array([x[i] for x in given])) for i, column in enumerate(columns)],
            "live": live,
        }

    def answer(self, condition: Sequence[float]) -> dict[str, Any]:
        """What the page adds for one more condition (C,): its parts of the document, over the same λ.

        Raises DataError for a condition that the surrogate does not take.
        """
        columns = self.surrogate.schema.conditions
        if len(condition) != len(columns):
            raise DataError(f"condition: {len(condition)} values; expected {[column.name for column in columns]}")
        row = np.array([condition], np.float64)
        if not np.isfinite(row).all():
            raise DataError(f"condition: {list(condition)}; finite numbers are needed")
        one = Shown.of(self.surrogate, row)
        explorer = replace(one.explorer, axes=_unlabelled(self.explorer.axes), draws=self.explorer.draws)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # they stand beside the answer
            found = explorer.document
        parts = {key: found[key][0] for key in ANSWERED}
        (warned,) = one._warned(explorer)
        return {"title": found["conditions"][0], "given": row[0].tolist(), **parts, "warned": warned}

    @cached_property
    def _held_out(self) -> list[Value]:
        """The λ of the truth that are no anchors and lie between them."""
        if self.truth is None:
            return []
        own = set(map(value_of, self.surrogate.mesh.vertices))
        return [value for value in self.truth.values if value not in own and self._is_inside(value)]

    def _is_inside(self, value: Value) -> bool:
        place = numbers(value)
        axes = self.surrogate.mesh.axes
        return all(a.values[0] <= v <= a.values[-1] for a, v in zip(axes, place, strict=True))

    @cached_property
    def _score(self) -> Harvest:
        """The anchors' own outputs at the conditions, and the truth's at held-out λ, as one harvest."""
        names = [column.name for column in self.surrogate.schema.hyperparameters]
        rows = {}
        for vertex in map(value_of, self.surrogate.mesh.vertices):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # `_warned` collects them
                outputs = self.surrogate.sample(self.conditions, named(vertex, names), draws=self.draws)
            rows[vertex] = (outputs.reshape(-1, outputs.shape[-1]), np.repeat(self.conditions, self.draws, axis=0))
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

    def _warned(self, explorer: Explorer) -> list[list[list[str]]]:
        """What the surrogate warns of, by panel and λ."""
        names = [column.name for column in self.surrogate.schema.hyperparameters]
        return [
            [_warnings(self.surrogate, _condition(panel), named(point, names)) for point in explorer.points]
            for panel in explorer.panels
        ]


def _warnings(surrogate: "Surrogate", condition: FloatArray, value: float | dict[str, float]) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        surrogate.sample(condition[None], value)
    return list(dict.fromkeys(str(warning.message) for warning in caught))


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


def _unlabelled(axes: Sequence[Axis]) -> list[Axis]:
    """The same values of λ, none of them held out: nothing is known to be true there."""
    return [replace(axis, held_out=()) for axis in axes]


def _column(column: Column, shown: FloatArray) -> dict[str, Any]:
    """What the page must know to ask for a value of a condition's column. scale: what differences are measured in."""
    return {
        "name": column.name,
        "units": column.units,
        "categories": list(column.categories),
        "scale": 0.0 if column.kind == "categorical" else float(shown.std()) or 1.0,
    }
