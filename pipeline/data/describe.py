"""A schema from what a caller says of columns: names, units, kinds and bounds, each of its own accord."""

from collections.abc import Mapping, Sequence

from pydantic import ValidationError

from pipeline.data.schema import Column, Kind, Schema
from pipeline.errors import ConfigurationError
from pipeline.settings import explain

Bounds = dict[str, tuple[float | None, float | None]]


def kinds_of(kind: Kind | Sequence[Kind], count: int, side: str) -> list[Kind]:
    """The kinds of `count` columns of a side, of one for all or of one a column."""
    kinds = [kind] * count if isinstance(kind, str) else list(kind)
    if len(kinds) != count:
        raise ConfigurationError(f"{side}_kind has {len(kinds)} entries for {count} {side} columns")
    return kinds


def default_names(coordinates: int, outputs: int, conditions: int) -> dict[str, list[str]]:
    """The names of as many hyperparameters, outputs and conditions that nobody named."""
    several = [f"hyperparameter{i}" for i in range(coordinates)]
    names = {"hyperparameter": several if coordinates > 1 else ["hyperparameter"]}
    for side, letter, count in (("outputs", "y", outputs), ("conditions", "x", conditions)):
        names[side] = [f"{letter}{i}" for i in range(count)]
    return names


def describe(
    size: int,
    kinds: tuple[Sequence[Kind], Sequence[Kind]],
    names: Mapping[str, Sequence[str] | str],
    limits: tuple[dict[str, str] | None, Bounds | None],
    categories: Mapping[int, tuple[str, ...]],
) -> Schema:
    """The schema of as many hyperparameters (size), and columns (kinds: of outputs, of conditions).

    limits: units and bounds by column name. categories: labels of the conditions that have some, by number. Raises
    ConfigurationError where it does not fit.
    """
    units, bounds = dict(limits[0] or {}), dict(limits[1] or {})
    output_kinds, condition_kinds = kinds
    default = default_names(size, len(output_kinds), len(condition_kinds))
    if strangers := sorted(set(names) - set(default)):
        raise ConfigurationError(f"names: unknown {strangers}; hyperparameter, outputs and conditions are known")
    given = {field: names.get(field, known) for field, known in default.items()}
    labels = {field: [label] if isinstance(label, str) else [str(n) for n in label] for field, label in given.items()}
    for field, known in default.items():
        if len(labels[field]) != len(known):
            raise ConfigurationError(f"names[{field!r}] has {len(labels[field])} entries for {len(known)} columns")
    hyperparameters = labels["hyperparameter"]
    columns = {*hyperparameters, *labels["outputs"], *labels["conditions"]}
    for field, mapping in (("units", units), ("bounds", bounds)):
        if unknown := sorted(set(mapping) - columns):
            raise ConfigurationError(f"{field}: {unknown} are not columns; known columns: {sorted(columns)}")

    def column(name: str, column_kind: Kind = "continuous", known: tuple[str, ...] = ()) -> Column:
        lower, upper = bounds.get(name, (None, None))
        label = units.get(name, "")
        return Column(name=name, units=label, kind=column_kind, lower=lower, upper=upper, categories=known)

    try:
        return Schema(
            hyperparameter=column(hyperparameters[0]),
            further_hyperparameters=tuple(column(n) for n in hyperparameters[1:]),
            outputs=tuple(column(n, k) for n, k in zip(labels["outputs"], output_kinds, strict=True)),
            conditions=tuple(
                column(n, k, categories.get(i, ()))
                for i, (n, k) in enumerate(zip(labels["conditions"], condition_kinds, strict=True))
            ),
        )
    except ValidationError as error:
        raise ConfigurationError(explain(error, "columns")) from error
