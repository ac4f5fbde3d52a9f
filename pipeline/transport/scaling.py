"""Standardised units: what a fitted surrogate's scales do to outputs and conditions, on tensors or NumPy arrays.

`transport.standardise` finds the scales; this module needs no torch.
"""

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.data.schema import Schema
from pipeline.errors import DataError
from pipeline.transport import ops
from pipeline.transport.column_kinds import nearest_turn, to_simplex, wrapped
from pipeline.transport.condition import Condition, ConditionShape

if TYPE_CHECKING:
    from torch import Tensor

MARGIN = 0.5
"""How far outside the harvest's range, in standard deviations, conditions are used as they are."""
FITTED = ("output_mean", "output_scale", "condition_mean", "condition_scale", "condition_lower", "condition_upper")
"""The scales that a harvest determines; what else a scaling knows, its schema says."""
LARGEST = float(np.finfo(np.float64).max)


class Scaling:
    """Maps outputs and conditions to standardised units and back.

    output_mean, output_scale: (D,); lower, upper, start, period: (D,), of the schema's bounds and circles.
    condition_mean, condition_scale, condition_lower, condition_upper: one number a continuous column. All float64:
    float32 cannot resolve a spread of 1 at offsets of 10⁸.
    """

    output_mean: "Tensor"
    output_scale: "Tensor"
    lower: "Tensor"
    upper: "Tensor"
    start: "Tensor"
    period: "Tensor"
    condition_mean: "Tensor"
    condition_scale: "Tensor"
    condition_lower: "Tensor"
    condition_upper: "Tensor"

    @classmethod
    def of_arrays(cls, schema: Schema, codes: Sequence[Sequence[float]], fitted: Mapping[str, NDArray[Any]]) -> Self:
        """A scaling on NumPy arrays; fitted: arrays by the names of FITTED; KeyError where one is missing."""
        scaling = cls()
        scaling.name_columns(schema, codes)
        for name, values in (*((name, fitted[name]) for name in FITTED), *declared(schema).items()):
            setattr(scaling, name, values)
        return scaling

    def name_columns(self, schema: Schema, codes: Sequence[Sequence[float]]) -> None:
        """Set what the schema says of columns; codes: those that the harvest holds, a list a categorical column."""
        self.schema = schema
        self.categorical = [i for i, c in enumerate(schema.conditions) if c.kind == "categorical"]
        self.continuous = [i for i, c in enumerate(schema.conditions) if c.kind == "continuous"]
        self.codes = [list(column) for column in codes]
        self.simplex = list(schema.simplex)
        self.circular = [i for i, c in enumerate(schema.outputs) if c.kind == "circular"]

    @property
    def shape(self) -> ConditionShape:
        """What conditions look like to the networks."""
        return ConditionShape(len(self.continuous), tuple(len(c) for c in self.codes))

    def condition(self, conditions: "Tensor") -> Condition:
        """Encode conditions (N, C); DataError for a code that the harvest does not hold.

        Continuous columns beyond the harvest's range by more than MARGIN standard deviations are clipped to that
        distance, with a UserWarning: there are no samples out there.
        """
        values = (conditions[:, _columns(self.continuous)] - self.condition_mean) / self.condition_scale
        nearer = values.clip(self.condition_lower, self.condition_upper)
        if bool((far := values != nearer).any()):
            flags = far.any(0).tolist()
            names = [self.schema.conditions[i].name for i, flag in zip(self.continuous, flags, strict=True) if flag]
            warnings.warn(
                f"conditions: columns {names} lie more than {MARGIN:g} standard deviations outside the harvest's range "
                "in some rows; they are clipped to that distance",
                UserWarning,
                stacklevel=2,
            )
        return Condition(ops.single(nearer), self.categories(conditions))

    def distance(self, conditions: "Tensor") -> "Tensor":
        """How far conditions (N, C) lie outside the harvest's range, (N,): 0 inside; in standard deviations, Euclidean.

        A distance beyond float64 is its largest number.
        """
        values = (conditions[:, _columns(self.continuous)] - self.condition_mean) / self.condition_scale
        below = (self.condition_lower + MARGIN - values).clip(0)
        above = (values - (self.condition_upper - MARGIN)).clip(0)  # at most one of both is not 0
        return ops.norm(below + above).clip(0, LARGEST)

    def categories(self, conditions: "Tensor") -> "Tensor":
        """Indices (N, categorical columns) of the codes in conditions (N, C); DataError as `condition`."""
        indices = []
        for i, known in zip(self.categorical, self.codes, strict=True):
            column = ops.double(conditions[:, i])
            index = ops.position_in(known, column)
            if bool((wrong := ops.taken(known, index) != column).any()):
                name = self.schema.conditions[i].name
                raise DataError(
                    f"conditions: column {name!r} holds the code {column[wrong][0].item():g}, "
                    f"which no anchor's sample has; known codes are {known}"
                )
            indices.append(index)
        codes: Tensor = ops.stack(indices, -1) if indices else ops.no_codes(conditions)
        return codes

    def standardise(self, outputs: "Tensor") -> "Tensor":
        """Outputs (…, D) in their own units, float64 → standardised, float32."""
        return ops.single((ops.double(outputs) - self.output_mean) / self.output_scale)

    def restore(self, outputs: "Tensor") -> "Tensor":
        """Standardised outputs (…, D) → their own units, float64, valid."""
        return self.valid(ops.double(outputs) * self.output_scale + self.output_mean)

    def valid(self, outputs: "Tensor") -> "Tensor":
        """Outputs (…, D) in their own units: within bounds, angles in [lower, upper), probabilities summing to 1."""
        turned = wrapped(outputs, self.start, self.period) if self.circular else outputs
        values: Tensor = turned.clip(self.lower, self.upper)
        if self.simplex:
            values[..., self.simplex] = to_simplex(values[..., self.simplex])
        return values

    @property
    def standard_period(self) -> "Tensor":
        """The periods (D,) in standardised units; 0 where an output does not wrap."""
        return self.period / self.output_scale

    def shorter(self, start: "Tensor", end: "Tensor") -> "Tensor":
        """Standardised ends (…, D), circular ones on the turn nearest to their starts (…, D)."""
        if not self.circular:
            return end
        return ops.single(nearest_turn(ops.double(end), ops.double(start), self.standard_period))


def declared(schema: Schema) -> dict[str, NDArray[np.float64]]:
    """What a schema says of outputs, by name: lower, upper, start and period, (D,) float64 each.

    Bounds are representable in float32, and never outside those of the schema; the upper end of a circular output is
    the next smaller float32, since it is the lower one.
    """
    upper = _rounded([c.upper for c in schema.outputs], np.inf)
    smaller = np.nextafter(upper.astype(np.float32), np.float32(-np.inf)).astype(np.float64)
    circular = np.array([c.kind == "circular" for c in schema.outputs])
    return {
        "lower": _rounded([c.lower for c in schema.outputs], -np.inf),
        "upper": np.where(circular, smaller, upper),
        "start": np.array([c.lower or 0.0 for c in schema.outputs], np.float64),
        "period": np.array([c.period for c in schema.outputs], np.float64),
    }


def _rounded(bounds: Sequence[float | None], none: float) -> NDArray[np.float64]:
    """Bounds as float32 has them, never outside the given ones."""
    exact = np.array([none if bound is None else bound for bound in bounds], np.float64)
    rounded = exact.astype(np.float32)
    outside = rounded > exact if none > 0 else rounded < exact
    return np.where(outside, np.nextafter(rounded, np.float32(-none)), rounded).astype(np.float64)


def _columns(indices: list[int]) -> list[int] | slice:
    """Neighbouring columns as a slice, which copies nothing."""
    together = bool(indices) and indices == list(range(indices[0], indices[0] + len(indices)))
    return slice(indices[0], indices[-1] + 1) if together else indices
