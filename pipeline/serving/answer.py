"""An answer: the surrogate's samples at the rows and the λ of a request, and what is to be said of them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.data.schema import Schema
from pipeline.errors import ConfigurationError, DataError, HyperparameterError
from pipeline.serving.frames import Base, Table, read_table, sample_frame
from pipeline.serving.parameters import LAMBDA, Asked, list_names, read_params
from pipeline.surrogate.answering import Answering
from pipeline.transport.scaling import MARGIN

MOVES = 1000
"""Pairs of (own λ, asked λ) in one request; each is a call of `transport`."""

Point = dict[str, NDArray[np.float64]]
"""One λ a row, (N,), by the hyperparameters' names."""


def answer(surrogate: Answering, data: Any, params: Mapping[str, Any], most_rows: int) -> pd.DataFrame:
    """The rows of an answer, as `frames.sample_frame` has them: by input row, then λ, then draw.

    data: as `frames.read_table` takes it. most_rows: limit of rows × values of λ × draws. Raises a SweepError that says
    what is wrong with the request, and where.
    """
    schema = surrogate.schema
    asked, table = read_params(params, schema), read_table(data, schema)
    points = points_of(asked, table, schema)
    check_size(len(table), len(points), asked.draws, most_rows)
    if table.base is not None and asked.draws != 1:
        raise ConfigurationError(f"draws = {asked.draws} with outputs of one's own: a row has one; leave draws out")
    if asked.strict:
        check_trusted(surrogate, table, points)
    samples = np.empty((len(table), len(points), asked.draws, len(schema.outputs)))
    for m, point in enumerate(points):
        samples[:, m] = _samples(surrogate, table, point, asked)
    check_finite(samples, schema)
    return sample_frame(samples, schema.outputs, _told(surrogate, table, points, asked))


def points_of(asked: Asked, table: Table, schema: Schema) -> list[Point]:
    """The M λ that are asked for, each one a row, from the parameters' lists and the table's columns.

    Lists go together, the first values, then the second; a list of one value stands for all. Raises ConfigurationError
    where a hyperparameter is given twice, or not at all, or where lists differ in length.
    """
    lists = list_names(schema)
    for name, parameter in lists.items():
        if name in asked.values and name in table.values:
            raise ConfigurationError(f"{name} is given twice: as a column and as a parameter; give one of them")
        if name not in asked.values and name not in table.values:
            single = f", or the parameter {{{LAMBDA!r}: number}}" if len(lists) == 1 else ""
            raise ConfigurationError(
                f"{name} is not given: add a column {name!r}, or the parameter {{{parameter!r}: [numbers]}}{single}"
            )
    lengths = {name: len(values) for name, values in asked.values.items()}
    count = max(lengths.values(), default=1)
    if wrong := {name: length for name, length in lengths.items() if length not in (1, count)}:
        raise ConfigurationError(
            f"lists of different lengths: {lengths}; give each {count} values, or one, not {wrong}"
        )
    return [
        {
            name: np.full(len(table), _at(asked.values[name], m)) if name in asked.values else table.values[name]
            for name in lists
        }
        for m in range(count)
    ]


def _at(values: tuple[float, ...], number: int) -> float:
    return values[number if len(values) > 1 else 0]


def check_size(rows: int, points: int, draws: int, most_rows: int) -> None:
    """ConfigurationError where an answer would be larger than this server's limit."""
    if rows * points * draws > most_rows:
        of_lambda = f" × {points} values of λ" if points > 1 else ""
        raise ConfigurationError(
            f"{rows} rows{of_lambda} × {draws} draws are more than the {most_rows} rows that an answer may have; ask "
            "in portions (metadata['answer_rows'] is the limit of this model)"
        )


def check_trusted(surrogate: Answering, table: Table, points: list[Point]) -> None:
    """HyperparameterError where rows are outside the harvest's range, or nothing certifies them."""
    if (far := np.flatnonzero(surrogate.distance(table.conditions) > MARGIN)).size:
        distance = surrogate.distance(table.conditions[far[:1]])[0]
        raise HyperparameterError(
            f"row {far[0]} lies {distance:.3g} standard deviations outside the range of the harvest's conditions; "
            f"up to {MARGIN:g} are trusted; ask without strict to get an answer anyway"
        )
    if table.base is None and surrogate.certificate:
        return  # `sample` refuses, and knows the reasons
    for point in points:
        if (doubted := np.flatnonzero(~_trusted(surrogate, table, point))).size:
            where = ", ".join(f"{name} = {values[doubted[0]]:g}" for name, values in point.items())
            reason = "the certificate does not trust it" if surrogate.certificate else "there is no certificate"
            raise HyperparameterError(
                f"row {doubted[0]}: {where} is not trusted ({reason}); ask at an anchor, or without strict"
            )


def _samples(surrogate: Answering, table: Table, point: Point, asked: Asked) -> NDArray[np.float64]:
    """Outputs (N, draws, D) at one λ a row."""
    if table.base is not None:
        return _moved(surrogate, table.conditions, table.base, np.stack(list(point.values()), axis=1))[:, None]
    try:
        drawn = surrogate.sample(table.conditions, _given(point), asked.draws, asked.seed, strict=asked.strict)
        return np.asarray(drawn, np.float64)
    except DataError:
        _blame(surrogate, table)
        raise


def _moved(
    surrogate: Answering, conditions: NDArray[np.float64], base: Base, target: NDArray[np.float64]
) -> NDArray[np.float64]:
    """One's own outputs moved to λ = target (N, P): (N, D), a call of `transport` for every pair of λ."""
    pairs, group = np.unique(np.hstack([base.source, target]), axis=0, return_inverse=True)
    if len(pairs) > MOVES:
        raise ConfigurationError(
            f"{len(pairs)} different pairs of λ to move outputs between are more than the {MOVES} of one request; ask "
            "in portions, or give rows that share their λ"
        )
    size, result = target.shape[1], np.empty_like(base.outputs)
    for number, pair in enumerate(pairs.tolist()):
        rows = np.flatnonzero(group.reshape(-1) == number)
        source, end = (value[0] if size == 1 else tuple(value) for value in (pair[:size], pair[size:]))
        result[rows] = surrogate.transport(base.outputs[rows], conditions[rows], source, end)
    return result


def _blame(surrogate: Answering, table: Table) -> None:
    """DataError names the row at which an anchor's own network has no finite answer; nothing where all have."""
    for outputs in surrogate.matched(table.conditions, range(len(surrogate.vertices))):
        check_finite(outputs[:, None], surrogate.schema)


def check_finite(samples: NDArray[np.floating], schema: Schema) -> None:
    """DataError names row and column of samples (N, M, draws, D) that are not finite."""
    if not (finite := np.isfinite(samples)).all():
        row, *_, column = np.argwhere(~finite)[0].tolist()
        raise DataError(
            f"the answer to row {row} is not finite in column {schema.outputs[column].name!r}: its condition is too "
            "far from those of the harvest"
        )


def _told(surrogate: Answering, table: Table, points: list[Point], asked: Asked) -> dict[str, NDArray[Any]]:
    """Columns (N, M) beside the outputs, as they are asked for."""
    told: dict[str, NDArray[Any]] = {}
    if asked.listed:
        told |= {name: np.stack([point[name] for point in points], axis=1) for name in points[0]}
    if asked.bands:
        told |= _bands(surrogate, table, points)
    if asked.paths:
        found = [surrogate.answering(table.conditions, _given(point)) for point in points]
        for p, name in enumerate(points[0]):
            for word, side in zip(("left", "right", "position"), zip(*found, strict=True), strict=True):
                told[f"{word}_{name}"] = np.stack([values[:, p] for values in side], axis=1)
    return told


def _bands(surrogate: Answering, table: Table, points: list[Point]) -> dict[str, NDArray[Any]]:
    """Whether rows are trusted, their distance from the harvest, and the certificate's region around λ."""
    distance = surrogate.distance(table.conditions)
    trusted = np.stack([_trusted(surrogate, table, point) for point in points], axis=1)
    told: dict[str, NDArray[Any]] = {
        "trusted": trusted & (distance <= MARGIN)[:, None],
        "distance": np.repeat(distance[:, None], len(points), axis=1),
    }
    if regions := surrogate.certificate:
        edges = np.array([region.high for region in regions[:-1]])
        values = np.stack([next(iter(point.values())) for point in points], axis=1)
        number = np.searchsorted(edges, values)
        told["band_low"] = np.array([region.low for region in regions])[number]
        told["band_high"] = np.array([region.high for region in regions])[number]
    return told


def _trusted(surrogate: Answering, table: Table, point: Point) -> NDArray[np.bool_]:
    return surrogate.trusted(table.conditions, _given(point))


def _given(point: Point) -> Any:
    """One λ a row as the surrogate takes it: an array, or a mapping of several hyperparameters."""
    return next(iter(point.values())) if len(point) == 1 else point
