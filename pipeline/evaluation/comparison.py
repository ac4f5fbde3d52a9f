"""How two samples of conditional outputs are compared: in the same way throughout a sweep.

- "matched": deterministic networks on shared conditions. Rows of equal conditions are compared: the mean squared error.
- "conditional": several draws a condition on shared conditions. The exact W₂² within every condition, averaged.
- "joint": everything else: one draw a condition from stochastic networks, or conditions that the values of λ do not
  share. Comparing row by row would reward a collapse there: E|y − y'|² is smallest for y at the mean. So outputs and
  continuous conditions are compared as one joint sample, by the exact W₂² of points (y, x / x_unit); x_unit scales
  every condition to the outputs' mean standard deviation, and categorical conditions still split it into groups.
"""

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pipeline.data.harvest import Harvest
from pipeline.data.samples import group_rows
from pipeline.data.schema import Schema
from pipeline.evaluation.distances import Distance, Kind, Weights, distances_of, spread
from pipeline.evaluation.support import Support
from pipeline.shapes import FloatArray
from pipeline.transport.column_kinds import on_circles
from pipeline.transport.coupling import Coupling, conditional_coupling

LARGEST_GROUP = 2000
"""Rows of a group beyond which W₂² is sliced, and other distances and couplings take evenly spaced rows: the cost of
exact transport grows like n³, that of pairs like n²."""


@dataclass(frozen=True, eq=False)
class Sample:
    """Outputs (n, D) at conditions (n, C), with weights (n,) summing to 1, or None where all weigh the same."""

    outputs: FloatArray
    conditions: FloatArray
    weight: Weights = None

    def rows(self, index: NDArray[np.intp]) -> "Sample":
        """Some of the rows, their weights summing to 1 again."""
        weight = None if self.weight is None else self.weight[index] / self.weight[index].sum()
        return Sample(self.outputs[index], self.conditions[index], weight)


@dataclass(frozen=True, eq=False)
class Comparison:
    """A way of comparing, and what it needs to know about the conditions.

    kind: see the module. categorical: (C,) booleans. condition_unit: (C,), what a condition is divided by where it
    serves as a coordinate. period: (D,), of circular outputs, else 0: these are compared as points of a circle as long
    as the period, so that distances are chords of the short way round. deterministic: whether a condition has one
    output; its conditions may still differ between λ, and then the samples are compared jointly. bounds: lower ones and
    upper ones of the output columns (2, D), infinite where there are none. observed: the outputs of all λ of the
    harvest. sliced: whether W₂² is taken sliced, since a group of some λ is large; one measure serves all methods and
    all λ.
    """

    kind: Kind
    categorical: NDArray[np.bool_]
    condition_unit: NDArray[np.float64]
    bounds: NDArray[np.float64]
    observed: Sample
    sliced: bool
    period: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    deterministic: bool = False

    @classmethod
    def of(cls, harvest: Harvest, *, deterministic: bool) -> "Comparison":
        """The comparison for a harvest of all λ, whose networks are deterministic or not."""
        groups, shared = harvest.groups, harvest.shared
        several = all(np.bincount(g)[g].min() > 1 for g in groups)
        kind: Kind = "joint" if not shared else "matched" if deterministic else "conditional" if several else "joint"
        x, y = np.concatenate(harvest.conditions), np.concatenate(harvest.outputs)
        scale = y.std(axis=0, dtype=np.float64).mean() or 1.0
        deviation = x.std(axis=0, dtype=np.float64) / scale
        units = np.where(deviation > 0, deviation, 1.0)
        made = cls(
            kind,
            np.array(harvest.categorical, dtype=bool),
            units,
            _bounds(harvest.schema),
            Sample(y, x),
            sliced=False,
            period=np.array(harvest.schema.periods),
            deterministic=deterministic,
        )
        return replace(made, sliced=kind != "matched" and made._largest_group(harvest) > LARGEST_GROUP)

    def _largest_group(self, harvest: Harvest) -> int:
        samples = (Sample(y, x) for y, x in zip(harvest.outputs, harvest.conditions, strict=True))
        return max(int(np.bincount(group_rows(self._keys(sample))[0]).max()) for sample in samples)

    @cached_property
    def distances(self) -> tuple[Distance, ...]:
        """The distances that apply: the error, then the others; no check of bounds where no column has any."""
        other = "few" if self.sliced else "many"
        found = (d for d in distances_of(self.kind) if d.rows != other)
        return tuple(d for d in found if d.second != "bounds" or np.isfinite(self.bounds).any())

    @cached_property
    def supports(self) -> dict[bytes, Support]:
        """The observed support of every group, by its key."""
        keys = self._keys(self.observed)
        (groups,) = group_rows(keys)
        outputs = self._outputs(self.observed)
        first = np.unique(groups, return_index=True)[1]
        return {keys[row].tobytes(): Support.of(outputs[groups == groups[row]]) for row in first}

    @property
    def measure(self) -> str:
        """The label of the error."""
        return self.distances[0].label

    def errors(self, sample: Sample, truth: Sample) -> FloatArray:
        """The error by condition (G,), in the order of the sorted conditions; "joint": by category.

        Every method asked at the same conditions has its errors in the same order, so that they can be paired.
        """
        return self._by_group(self.distances[0], sample, truth)

    def error(self, sample: Sample, truth: Sample) -> float:
        """The mean of `errors`."""
        return float(np.mean(self.errors(sample, truth)))

    def distance(self, distance: Distance, sample: Sample, truth: Sample) -> float:
        """Any distance, averaged over the groups; "matched" takes all rows of outputs as one group."""
        return distance.figure(np.mean(self._by_group(distance, sample, truth), axis=0))

    def spread(self, sample: Sample) -> float:
        """Mean over the groups of the outputs' spread; "matched" takes all rows of outputs as one group."""
        (groups,) = group_rows(self._keys(sample))
        parts = [sample.rows(np.flatnonzero(groups == g)) for g in np.unique(groups)]
        return float(np.mean([spread(self._outputs(part), part.weight) for part in parts]))

    def coupling(self, left: Sample, right: Sample) -> Coupling:
        """Pairs between the samples of two anchors: known ones ("matched"), or exact transport in every group."""
        if self.kind == "matched":
            partner = match_rows(left.conditions, right.conditions)
            return Coupling(np.arange(len(partner)), partner, np.full(len(partner), 1 / len(partner)))
        if self.sliced:
            return self._thinned_coupling(left, right)
        return conditional_coupling(self._points(left), self._keys(left), self._points(right), self._keys(right))

    def _thinned_coupling(self, left: Sample, right: Sample) -> Coupling:
        """The coupling of evenly spaced rows: always the same ones of a sample, so that couplings can be chained."""
        rows, others = _thinned(self._keys(left)), _thinned(self._keys(right))
        few = replace(self, sliced=False).coupling(left.rows(rows), right.rows(others))
        return replace(few, left=rows[few.left], right=others[few.right])

    def _keys(self, sample: Sample) -> FloatArray:
        """Rows with equal keys form a group, (n, ·)."""
        if self.kind == "matched":
            return sample.conditions[:, :0]
        return sample.conditions if self.kind == "conditional" else sample.conditions[:, self.categorical]

    def _points(self, sample: Sample) -> FloatArray:
        """The coordinates in which distances are measured, (n, ·)."""
        if self.kind != "joint":
            return self._outputs(sample)
        return np.concatenate(
            [self._outputs(sample), (sample.conditions / self.condition_unit)[:, ~self.categorical]], axis=1
        )

    def _outputs(self, sample: Sample) -> FloatArray:
        """Outputs (n, ·), circular ones as cosine and sine on a circle as long as the period."""
        return on_circles(sample.outputs, self.period)

    def _by_group(self, distance: Distance, sample: Sample, truth: Sample) -> FloatArray:
        """What `Distance.between` gives, group by group (G, …)."""
        if distance.by_row:
            return _by_condition(distance, *(replace(s, outputs=self._outputs(s)) for s in (sample, truth)))
        groups, truth_groups = group_rows(self._keys(sample), self._keys(truth))
        few = (lambda rows: rows) if distance.rows == "many" else evenly
        pairs = (
            (sample.rows(few(np.flatnonzero(groups == g))), truth.rows(few(np.flatnonzero(truth_groups == g))))
            for g in np.unique(groups)
        )
        return np.array([self._between(distance, a, b) for a, b in pairs])

    def _between(self, distance: Distance, sample: Sample, truth: Sample) -> float | NDArray[np.float64]:
        """A distance of one group of a method's sample, to what it is compared with."""
        if distance.second == "bounds":
            return distance.between(sample.outputs, self.bounds, sample.weight, None)
        if distance.second == "observed":
            support = self.supports[self._keys(sample)[0].tobytes()]
            return distance.between(self._outputs(sample), support, sample.weight, None)
        points = self._outputs if distance.check else self._points
        return distance.between(points(sample), points(truth), sample.weight, truth.weight)


def _bounds(schema: Schema) -> NDArray[np.float64]:
    """Bounds (2, D) of the output columns; a circular column has none: its ends are one direction."""
    columns = [(None, None) if c.kind == "circular" else (c.lower, c.upper) for c in schema.outputs]
    return np.array([[-np.inf if a is None else a, np.inf if b is None else b] for a, b in columns]).T


def _by_condition(distance: Distance, sample: Sample, truth: Sample) -> FloatArray:
    """A distance between rows of equal conditions, one value a condition (G,)."""
    matched = truth.outputs[match_rows(sample.conditions, truth.conditions)]
    (groups,) = group_rows(sample.conditions)
    order = np.argsort(groups, kind="stable")
    ends = np.flatnonzero(np.diff(groups[order])) + 1
    return np.array([distance.between(sample.outputs[rows], matched[rows]) for rows in np.split(order, ends)])


def _thinned(keys: FloatArray) -> NDArray[np.intp]:
    """The numbers of at most LARGEST_GROUP evenly spaced rows a group, ascending."""
    (groups,) = group_rows(keys)
    return np.sort(np.concatenate([evenly(np.flatnonzero(groups == g)) for g in np.unique(groups)]))


def match_rows(conditions: FloatArray, others: FloatArray) -> NDArray[np.intp]:
    """For every row of conditions (n, C) the first row of `others` (m, C) that equals it; all must occur there."""
    groups, other_groups = group_rows(conditions, others)
    names, first = np.unique(other_groups, return_index=True)
    return first[np.searchsorted(names, groups)]


def evenly(rows: NDArray[np.intp]) -> NDArray[np.intp]:
    """At most LARGEST_GROUP of the rows, evenly spaced."""
    if len(rows) <= LARGEST_GROUP:
        return rows
    return rows[np.linspace(0, len(rows) - 1, LARGEST_GROUP).round().astype(np.intp)]
