"""Recommendations for a table of conditions: rows grouped as asked, the answers as a table."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.consumers.objective import read_objective
from pipeline.consumers.recommend import Problem, Recommendation, recommend
from pipeline.consumers.tables import columns_of, read_table
from pipeline.errors import ConfigurationError, DataError
from pipeline.serving.frames import read_conditions

if TYPE_CHECKING:
    from pipeline.surrogate import Surrogate

OVERALL, ROW, GROUP = "overall", "row", "group="
"""What `per` may be: one λ for all rows, one for each, or one for each value of a column, group=COLUMN."""


def recommend_for(
    surrogate: "Surrogate", source: Path, objective: str, per: str, *, maximise: bool, draws: int, seed: int
) -> pd.DataFrame:
    """The best λ for the rows of a table, a line each: see `lines`.

    The objective is an expression over outputs, conditions, other columns of numbers in the table, and λ itself.
    Raises ConfigurationError for an objective or a grouping that cannot be, DataError for a table that cannot.
    """
    schema = surrogate.schema
    names = [column.name for column in schema.conditions]
    if missing := [name for name in names if name not in columns_of(source)]:
        raise DataError(f"{source}: columns {missing} are missing; conditions are {names}")
    frame = read_table(source, [column.name for column in schema.conditions if not column.categories])
    conditions = read_conditions(frame[names], schema.conditions)
    own = {column.name for column in (*schema.hyperparameters, *schema.outputs, *schema.conditions)}
    numbers = [str(n) for n in frame.columns if n not in own and pd.api.types.is_numeric_dtype(frame[n])]
    expression = read_objective(objective, {*own, *numbers})
    columns = {name: frame[name].to_numpy(np.float64) for name in numbers if name in expression.names}
    groups, labels = grouped(frame, per)
    problem = Problem(surrogate, expression, conditions, columns, maximise, draws, seed)
    return lines(surrogate, recommend(problem, groups), labels, per)


def grouped(frame: pd.DataFrame, per: str) -> tuple[list[NDArray[np.intp]], list[Any]]:
    """The rows of each group, and what it is called: "all", a row's number, or a value of the column."""
    if per == OVERALL:
        return [np.arange(len(frame))], ["all"]
    if per == ROW:
        return [np.array([i]) for i in range(len(frame))], list(range(len(frame)))
    column = per.removeprefix(GROUP)
    if not per.startswith(GROUP) or column not in frame.columns:
        raise ConfigurationError(f"--per {per}: {OVERALL}, {ROW} or {GROUP}COLUMN, a column of {list(frame.columns)}")
    found = frame.groupby(column, sort=True, dropna=False).indices
    return [np.asarray(rows, np.intp) for rows in found.values()], list(found)


def lines(surrogate: "Surrogate", found: Sequence[Recommendation], labels: Sequence[Any], per: str) -> pd.DataFrame:
    """A line a group: its label, rows, λ, objective, standard_error, indistinguishable λ, trusted, why.

    The label's column is "group", "row" or the grouping column's name. Of each hyperparameter NAME, NAME_low and
    NAME_high are the ends of what is not distinguishable from the best, and NAME_stretches the stretches between them.
    """
    names = [column.name for column in surrogate.schema.hyperparameters]
    told = []
    for one, label in zip(found, labels, strict=True):
        line = {per.removeprefix(GROUP) if per.startswith(GROUP) else "row" if per == ROW else "group": label}
        line |= {"rows": len(one.rows)} | dict(zip(names, one.value, strict=True))
        line |= {"objective": one.mean, "standard_error": one.standard_error}
        for name, stretches in zip(names, one.intervals, strict=True):
            line[f"{name}_low"], line[f"{name}_high"] = stretches[0][0], stretches[-1][1]
            line[f"{name}_stretches"] = "; ".join(f"{low:.4g} to {high:.4g}" for low, high in stretches)
        line |= {"trusted": one.trusted, "why_not": "; ".join(one.objections)}
        told.append(line)
    return pd.DataFrame(told)
