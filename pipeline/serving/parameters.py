"""The parameters of `predict`: λ, draws, their seed, and what else is to be said of an answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from pipeline.data.schema import PARAMETERS, Schema
from pipeline.errors import ConfigurationError

LAMBDA = "hyperparameter"
"""The parameter that is one number λ, where there is one hyperparameter."""
LAMBDAS = "hyperparameters"
"""The parameter that is a list of λ, where the sweep's own name for it is that of another parameter."""


@dataclass(frozen=True)
class Asked:
    """What the parameters ask.

    values: λ by the hyperparameter's name, several of which are a list that is answered one after another; a name that
    is missing has to be a column. listed: whether λ came as lists, so that the answer says which row is of which λ.
    strict: whether answers that the certificate does not trust are refused. bands, paths: whether the answer says how
    far it is trusted, and which anchors answered.
    """

    values: Mapping[str, tuple[float, ...]]
    listed: bool
    draws: int
    seed: int
    strict: bool
    bands: bool
    paths: bool


def list_names(schema: Schema) -> dict[str, str]:
    """The parameter that lists values of each hyperparameter, by the hyperparameter's name: its own name."""
    names = [column.name for column in schema.hyperparameters]
    return {name: LAMBDAS if name in (LAMBDA, *PARAMETERS) else name for name in names}


def parameter_names(schema: Schema) -> tuple[str, ...]:
    """Every parameter that holds λ: `hyperparameter` where there is one of them, then lists by their own names."""
    lists = tuple(list_names(schema).values())
    return (LAMBDA, *lists) if len(lists) == 1 else lists


def middle(vertices: Sequence[tuple[float, ...]]) -> tuple[float, ...]:
    """The anchor in the middle: of an even number on a line, the lower of the middle two.

    vertices: the anchors, K of P numbers. Of several hyperparameters it is the anchor nearest to the middle of every
    one's values, each scaled by its range.
    """
    values = [sorted({vertex[p] for vertex in vertices}) for p in range(len(vertices[0]))]
    centre = [column[(len(column) - 1) // 2] for column in values]
    scale = [column[-1] - column[0] for column in values]

    def distance(vertex: tuple[float, ...]) -> float:
        return sum(((v - m) / s) ** 2 for v, m, s in zip(vertex, centre, scale, strict=True))

    return min(vertices, key=distance)


def read_params(params: Mapping[str, Any], schema: Schema) -> Asked:
    """What is asked; ConfigurationError for unknown parameters, null, draws < 1, seed < 0 and λ given twice.

    A list that is empty, and null for λ, are as good as left out.
    """
    check_known(params, schema)
    settings = {**PARAMETERS, **params}
    if nulls := [name for name in PARAMETERS if settings[name] is None]:
        raise ConfigurationError(f"parameter {nulls[0]!r} is null; give a value, or leave it out")
    draws, seed = int(settings["draws"]), int(settings["seed"])
    if draws < 1:
        raise ConfigurationError(f"draws = {draws}; must be at least 1")
    if seed < 0:
        raise ConfigurationError(f"seed = {seed}; must be 0 or greater")
    values, listed = _read_values(settings, schema)
    return Asked(
        values,
        listed,
        draws,
        seed,
        strict=bool(settings["strict"]),
        bands=bool(settings["return_bands"]),
        paths=bool(settings["return_paths"]),
    )


def check_known(params: Mapping[str, Any], schema: Schema) -> None:
    """ConfigurationError names a parameter that is none of this model's, and the one that was meant."""
    known = [*parameter_names(schema), *PARAMETERS]
    if unknown := [str(name) for name in params if name not in known]:
        meant = get_close_matches(unknown[0], known, n=1)
        hint = f" (did you mean {meant[0]!r}?)" if meant else ""
        raise ConfigurationError(f"parameters {unknown} are unknown{hint}; this model has {known}")


def _read_values(settings: Mapping[str, Any], schema: Schema) -> tuple[dict[str, tuple[float, ...]], bool]:
    """λ by the hyperparameter's name, and whether any came as a list."""
    values: dict[str, tuple[float, ...]] = {}
    lists = list_names(schema)
    for name, parameter in lists.items():
        given = settings.get(parameter)
        given = [] if given is None else given
        # Only MLflow insists on lists; who calls the model itself may give a number.
        numbers = list(given) if isinstance(given, list | tuple) or hasattr(given, "__len__") else [given]
        if any(number is None for number in numbers):
            raise ConfigurationError(f"parameter {parameter!r} holds null; numbers are needed")
        if numbers:
            values[name] = tuple(float(number) for number in numbers)
    listed, single = bool(values), settings.get(LAMBDA)
    if len(lists) == 1 and single is not None:
        ((name, parameter),) = lists.items()
        if listed:
            raise ConfigurationError(f"λ is given twice: as {LAMBDA!r} and as {parameter!r}; give one of them")
        values[name] = (float(single),)
    return values, listed
