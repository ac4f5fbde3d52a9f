"""Names, units, kinds and bounds of a harvest's columns: what travels from the networks to the consumer."""

import math
from typing import Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

Kind = Literal["continuous", "categorical", "circular", "simplex"]
LOWER_ANGLE, UPPER_ANGLE = -math.pi, math.pi
"""The range of a circular column without bounds, in radians."""


PARAMETERS: dict[str, int | bool] = {
    "draws": 1,
    "seed": 0,
    "strict": False,
    "return_bands": False,
    "return_paths": False,
}
"""The parameters of a served model beside λ, and their defaults."""


class Column(BaseModel):
    """One column of the outputs or of the conditions.

    units: as shown to a consumer ("" where there is none). kind: "continuous", or "categorical" for whole-number
    codes; of outputs also "circular" for an angle, whose lower and upper are the same direction (−π and π where there
    are no bounds), and "simplex" for a probability: all simplex columns of a row sum to 1. lower, upper: bounds that a
    value never leaves (None: unbounded); transported outputs respect them. categories: the labels of the codes 0, 1, …
    of a categorical condition that has some; conditions may then be given by either.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str
    units: str = ""
    kind: Kind = "continuous"
    lower: float | None = None
    upper: float | None = None
    categories: tuple[str, ...] = ()

    @model_serializer(mode="wrap")
    def _without_categories_as_ever(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without categories where there are none: files and digests of codes alone stay what they were."""
        document: dict[str, Any] = handler(self)
        if not self.categories:
            del document["categories"]
        return document

    def label(self, code: float) -> str:
        """A code as a person knows it."""
        return repr(self.categories[int(code)]) if 0 <= code < len(self.categories) else f"{code:g}"

    @model_validator(mode="after")
    def _categories_are_of_codes(self) -> Self:
        if self.categories and (self.kind != "categorical" or len(set(self.categories)) < len(self.categories)):
            raise ValueError(
                f"column {self.name!r}: categories = {list(self.categories)} of kind = {self.kind!r}; distinct labels "
                "of a categorical column are needed"
            )
        return self

    @field_validator("lower", mode="before")
    @classmethod
    def _no_lower(cls, value: Any) -> Any:
        return None if value == -math.inf else value  # JSON knows no infinity

    @field_validator("upper", mode="before")
    @classmethod
    def _no_upper(cls, value: Any) -> Any:
        return None if value == math.inf else value

    @model_validator(mode="before")
    @classmethod
    def _kind_has_bounds(cls, values: Any) -> Any:
        """Bounds that follow from the kind, where none are given."""
        kind = values.get("kind") if isinstance(values, dict) else None
        ranges = {"circular": (LOWER_ANGLE, UPPER_ANGLE), "simplex": (0.0, 1.0)}
        if kind == "categorical" and len(labels := values.get("categories", ())) > 1:
            ranges["categorical"] = (0.0, len(labels) - 1.0)
        given = [values.get(bound) for bound in ("lower", "upper")] if kind in ranges else [0.0]
        if any(bound is not None for bound in given):
            return values
        return {**values, **dict(zip(("lower", "upper"), ranges[str(kind)], strict=True))}

    @model_validator(mode="after")
    def _circle_is_closed(self) -> Self:
        if self.kind == "circular" and (self.lower is None or self.upper is None):
            raise ValueError(
                f"column {self.name!r}: a circular column has lower and upper, which are the same direction, or "
                f"neither (−π and π); received lower = {self.lower}, upper = {self.upper}"
            )
        return self

    @property
    def period(self) -> float:
        """What may be added to a circular value without changing it; 0 for other kinds."""
        return 0.0 if self.kind != "circular" or self.lower is None or self.upper is None else self.upper - self.lower

    @model_validator(mode="after")
    def _bounds_are_ordered(self) -> Self:
        if self.lower is not None and self.upper is not None and not self.lower < self.upper:
            raise ValueError(f"column {self.name!r}: lower = {self.lower} must lie below upper = {self.upper}")
        return self


class Schema(BaseModel):
    """The columns of a harvest, and the name of λ.

    further_hyperparameters: the second and later coordinates of λ, where it is a vector. deterministic: True where one
    condition has one output (a forecaster), so that the coupling between anchors is known outright; False where outputs
    are draws; None where nobody said, and the surrogate judges from the samples. picture: how validation draws the
    outputs ("forecast": conditions, then outputs, are consecutive times; "image": outputs are the pixels of a square
    grey image, row by row from the top left). monotone: "increasing" where no output should fall as λ rises (λ is a
    quantile); validation counts where one does.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    hyperparameter: Column
    outputs: tuple[Column, ...]
    conditions: tuple[Column, ...]
    deterministic: bool | None = None
    picture: Literal["forecast", "scatter", "image"] = "scatter"
    monotone: Literal["increasing"] | None = None
    further_hyperparameters: tuple[Column, ...] = ()

    @property
    def hyperparameters(self) -> tuple[Column, ...]:
        """One column a coordinate of λ."""
        return (self.hyperparameter, *self.further_hyperparameters)

    @model_serializer(mode="wrap")
    def _one_hyperparameter_as_ever(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without the further hyperparameters where there are none: files and digests of one λ stay what they were."""
        document: dict[str, Any] = handler(self)
        if not self.further_hyperparameters:
            del document["further_hyperparameters"]
        return document

    @model_validator(mode="after")
    def _names_are_distinct(self) -> Self:
        names = [c.name for c in (*self.conditions, *self.outputs)]
        if repeated := sorted({n for n in names if names.count(n) > 1} | ({"row", "draw"} & set(names))):
            raise ValueError(
                f"column names {repeated} are repeated or reserved (row, draw); every column needs its own"
            )
        coordinates = [c.name for c in self.hyperparameters]
        if len(coordinates) == 1 and coordinates[0] in names:
            raise ValueError(
                f"column {coordinates[0]!r} is named as the hyperparameter is; rename one (names of from_arrays)"
            )
        if len(coordinates) > 1 and (
            repeated := sorted({n for n in coordinates if coordinates.count(n) > 1} | (set(coordinates) & set(names)))
        ):
            raise ValueError(f"hyperparameter names {repeated} are repeated or name columns; each needs its own")
        if len(coordinates) > 1 and (reserved := sorted(set(PARAMETERS) & set(coordinates))):
            raise ValueError(f"hyperparameter names {reserved} are parameters of a served model; choose others")
        return self

    @model_validator(mode="after")
    def _kinds_fit_their_side(self) -> Self:
        for column in (self.hyperparameter, *self.conditions):
            if column.kind in ("circular", "simplex"):
                raise ValueError(
                    f"column {column.name!r}: kind = {column.kind!r} is for outputs; give a condition that is an angle "
                    "as two columns, its cosine and its sine"
                )
        if len(self.simplex) == 1:
            name = self.outputs[self.simplex[0]].name
            raise ValueError(
                f"column {name!r} is the only simplex column; probabilities need two at least, which sum to 1"
            )
        return self

    @property
    def simplex(self) -> tuple[int, ...]:
        """The outputs that are probabilities and sum to 1, by number."""
        return tuple(i for i, c in enumerate(self.outputs) if c.kind == "simplex")

    @property
    def periods(self) -> tuple[float, ...]:
        """The period of every output, 0 where it does not wrap."""
        return tuple(c.period for c in self.outputs)

    @model_validator(mode="after")
    def _images_are_square(self) -> Self:
        if self.picture == "image" and math.isqrt(len(self.outputs)) ** 2 != len(self.outputs):
            raise ValueError(
                f"picture = 'image' with {len(self.outputs)} outputs: a square image has 1, 4, 9, 16, … pixels; "
                "set picture = 'scatter'"
            )
        return self
