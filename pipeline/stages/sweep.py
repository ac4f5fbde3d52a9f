"""The section `sweep` of params.yaml: the values of λ, and those of them that are anchors.

One hyperparameter has numbers. Several have names: every λ is written `quantile=0.1,noise=0.5`, since DVC names its
stages by these texts. Grids and mappings, as presets write them, are expanded into such texts.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_serializer,
    model_validator,
)

from pipeline.data.anchors import check_anchors, check_ascending
from pipeline.data.mesh import Value, outside_hull
from pipeline.data.values import NAME, in_words, named, numbers, read_words
from pipeline.errors import ConfigurationError
from pipeline.settings import MOST_VALUES, Section
from pipeline.storage.yaml_text import nodes, sections

SHORT = ("grid", "held_out")
"""Keys that stand for values; `expanded` replaces them."""


def _number_or_read(given: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    """What `SweepSection._read` made of a text is checked; anything else must be a number, which DVC writes as one."""
    if isinstance(given, bool | str):
        raise ValueError("a λ is a number, without quotes")
    return given if isinstance(given, tuple) else handler(given)


if TYPE_CHECKING:
    Point = Value
else:  # a union of types would report a fault once for each of them
    Point = Annotated[float, WrapValidator(_number_or_read)]


class SweepSection(Section):
    """The values of λ: one network and one harvest each; those that are not anchors are held out.

    values is empty where the harvest comes from disk: then every other λ of that harvest is held out. names: of the
    hyperparameters, in their order, where there are several; it follows from the values. Accepts what `expanded` takes.
    """

    values: tuple[Point, ...] = Field(max_length=MOST_VALUES)
    anchors: tuple[Point, ...] = Field(max_length=MOST_VALUES)
    names: tuple[str, ...] = Field(default=(), exclude=True)

    @property
    def held_out(self) -> tuple[Value, ...]:
        """The values that are not anchors, in their order."""
        return tuple(v for v in self.values if v not in self.anchors)

    def value_of(self, text: str) -> Value:
        """The value that `text` writes; ConfigurationError where it is not one of sweep.values."""
        for value in self.values:
            if self._says(text, value):
                return value
        raise ConfigurationError(f"{text!r} is not one of sweep.values = {self.in_words()}; choose one of them")

    def hyperparameter_of(self, text: str) -> float | dict[str, float]:
        """As `value_of`, in the form that families take: a number, or a mapping of names."""
        return named(self.value_of(text), self.names)

    def in_words(self) -> list[float | str]:
        """The values as params.yaml writes them."""
        return [self._written(v) for v in self.values]

    def _written(self, value: Value) -> float | str:
        return in_words(value, self.names) if isinstance(value, tuple) else value

    def _says(self, text: str, value: Value) -> bool:
        try:
            if not isinstance(value, tuple):
                return float(text) == value
            return read_words(text) == named(value, self.names)
        except (ValueError, ConfigurationError):
            return False

    @model_validator(mode="before")
    @classmethod
    def _read(cls, given: Any) -> Any:
        """Texts, mappings and grids as tuples of numbers; what holds numbers alone is left as it is."""
        if isinstance(given, Mapping) and "names" in given:
            raise ValueError("sweep.names: unknown key; remove it: names stand in sweep.values")
        if not (isinstance(given, Mapping) and _has_names(given)):
            return given
        sections = expanded(given)
        points = {key: [_mapping(text, f"sweep.{key}") for text in sections[key]] for key in ("values", "anchors")}
        names = tuple((points["values"] or points["anchors"])[0])
        read = {key: [_ordered(point, names, key) for point in listed] for key, listed in points.items()}
        return {**read, "names": names}

    @model_serializer(mode="wrap")
    def _as_written(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        if not self.names:
            return dict(handler(self))
        return {key: [self._written(v) for v in getattr(self, key)] for key in ("values", "anchors")}

    @model_validator(mode="after")
    def _anchors_span_the_values(self) -> Self:
        if self.names:
            self._check_several()
        else:
            self._check_one()
        return self

    def _check_one(self) -> None:
        anchors = tuple(a for (a,) in map(numbers, self.anchors))
        check_anchors(anchors, "sweep.anchors")
        check_ascending(tuple(v for (v,) in map(numbers, self.values)), "sweep.values")
        if not self.values:
            return
        if missing := [a for a in anchors if a not in self.values]:
            raise ValueError(
                f"sweep.anchors: {missing} are not among sweep.values = {list(self.values)}; add them there"
            )
        if outside := [v for (v,) in map(numbers, self.held_out) if not anchors[0] < v < anchors[-1]]:
            raise ValueError(
                f"sweep.values: the held-out {outside} lie outside the anchors' range "
                f"[{anchors[0]}, {anchors[-1]}]; the surrogate "
                "does not extrapolate: remove them, or add anchors"
            )

    def _check_several(self) -> None:
        anchors, values = [numbers(a) for a in self.anchors], [numbers(v) for v in self.values]
        for key, listed in (("values", values), ("anchors", anchors)):
            if repeated := [v for v in listed if listed.count(v) > 1]:
                raise ValueError(f"sweep.{key}: {self._written(repeated[0])} is repeated; values must be unique")
        if len(anchors) <= len(self.names):
            raise ValueError(
                f"sweep.anchors = {[self._written(a) for a in anchors]}: at least {len(self.names) + 1} anchors are "
                f"required for {len(self.names)} hyperparameters"
            )
        if values and (missing := [self._written(a) for a in anchors if a not in values]):
            raise ValueError(f"sweep.anchors: {missing} are not among sweep.values; add them there")
        try:
            outside = outside_hull([v for v in values if v not in anchors], anchors, self.names)
        except ConfigurationError as error:
            raise ValueError(f"sweep.anchors: {error}") from error
        if outside:
            raise ValueError(
                f"sweep.values: the held-out {[self._written(v) for v in outside]} lie outside the anchors' hull; the "
                "surrogate does not extrapolate: remove them, or add anchors"
            )


def expanded(sweep: Mapping[str, Any]) -> dict[str, list[str]]:
    """The values and anchors of several hyperparameters as texts `quantile=0.1,noise=0.5`.

    values: grid (a mapping of names to numbers: every combination), then values, anchors and held_out, each λ once.
    anchors: as they are listed, a mapping standing for every combination; where there are none, all values but those
    held out. Raises ValueError, naming the field, for anything else.
    """
    if strangers := sorted(set(sweep) - {"values", "anchors", *SHORT}):
        raise ValueError(f"sweep.{strangers[0]}: unknown key; grid, values, anchors and held_out are known")
    listed = {key: _listed(sweep.get(key), f"sweep.{key}") for key in ("grid", "values", "anchors", "held_out")}
    from_disk = set(sweep) == {"values", "anchors"} and not listed["values"]
    every = [] if from_disk else _distinct([text for key in listed for text in listed[key]])
    anchors = listed["anchors"] if "anchors" in sweep else [v for v in every if v not in listed["held_out"]]
    if both := [a for a in anchors if a in listed["held_out"]]:
        raise ValueError(f"sweep.held_out: {both} are anchors; a value is one or the other")
    return {"values": every, "anchors": anchors}


def _has_names(sweep: Mapping[str, Any]) -> bool:
    if any(key in sweep for key in SHORT):
        return True
    entries = [sweep.get(key) for key in ("values", "anchors")]
    return any(
        isinstance(entry, Mapping)
        or (isinstance(entry, list | tuple) and any(isinstance(e, Mapping) or _looks_named(e) for e in entry))
        for entry in entries
    )


def _looks_named(entry: object) -> bool:
    return isinstance(entry, str) and "=" in entry


def _listed(entries: Any, field: str) -> list[str]:
    """The λ of one field as texts: of a mapping of names to lists every combination, else of every entry."""
    if entries is None:
        return []
    if isinstance(entries, Mapping):
        columns = {name: _numbers(column, f"{field}.{name}") for name, column in entries.items()}
        if (count := math.prod(map(len, columns.values()))) > MOST_VALUES:
            raise ValueError(f"{field} has {count:,} combinations, a network each; at most {MOST_VALUES:,} are taken")
        points = [dict(zip(columns, point, strict=True)) for point in product(*columns.values())]
    elif isinstance(entries, list | tuple):
        points = [_mapping(entry, field) for entry in entries]
    else:
        raise ValueError(f"{field} = {entries!r}: give a list of λ, or a mapping of names to lists")
    return [_text(point, field) for point in points]


def _numbers(column: Any, field: str) -> list[float]:
    if not isinstance(column, list | tuple) or not column:
        raise ValueError(f"{field} = {column!r}: give a list of numbers")
    return [_number(entry, field) for entry in column]


def _number(entry: Any, field: str) -> float:
    if isinstance(entry, bool) or not isinstance(entry, int | float) or not math.isfinite(entry):
        raise ValueError(f"{field}: {entry!r} is not a finite number")
    return float(entry)


def _mapping(entry: Any, field: str) -> dict[str, float]:
    if isinstance(entry, Mapping):
        return {str(name): _number(number, f"{field}.{name}") for name, number in entry.items()}
    if not isinstance(entry, str):
        raise ValueError(f"{field}: {entry!r} names no hyperparameter; write quantile=0.1,noise=0.5 or a mapping")
    try:
        return read_words(entry)
    except ConfigurationError as error:
        raise ValueError(f"{field}: {error}") from error


def _text(point: Mapping[str, float], field: str) -> str:
    if bad := [name for name in point if not NAME.fullmatch(name)]:
        raise ValueError(f"{field}: {bad[0]!r} is part of stages' names; use letters, digits and _ alone")
    if len(point) < 2:
        raise ValueError(f"{field}: {dict(point)} has one hyperparameter; list its values as plain numbers")
    return in_words(tuple(point.values()), tuple(point))


def _ordered(point: Mapping[str, float], names: Sequence[str], key: str) -> tuple[float, ...]:
    if tuple(point) != tuple(names):
        raise ValueError(
            f"sweep.{key}: {in_words(tuple(point.values()), tuple(point))} does not name {', '.join(names)}, in this "
            "order, as the first value does"
        )
    return tuple(point.values())


def _distinct(texts: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(texts))


def resolved(text: str) -> str:
    """params.yaml's text with its sweep section expanded, which DVC needs; all else, comments too, stays as it is.

    A text whose section holds plain lists, or that is no mapping with a section `sweep`, comes back as it was. Raises
    ValueError as `expanded` does.
    """
    section = sections(text).get("sweep")
    if not isinstance(section, dict) or not _has_names(section):
        return text
    key, value = next((key, value) for key, value in nodes(text).value if key.value == "sweep")
    lines = expanded(section)
    if section == lines:
        return text
    written = "".join(f"  {name}:\n" + "".join(f"    - {point}\n" for point in lines[name]) for name in lines)
    heading = "sweep:    # expanded, because DVC names its stages by these texts\n"
    return text[: key.start_mark.index] + heading + written.rstrip("\n") + text[_end(value) :]


def _end(node: Any) -> int:
    """Where the text of a YAML node ends: a block's own mark stands after the comments that follow it."""
    if isinstance(node.value, list) and node.value and not node.flow_style:
        last = node.value[-1]
        return _end(last[1] if isinstance(last, tuple) else last)
    return int(node.end_mark.index)
