"""Dividing a harvest that was handed in: rows to fit on, and rows to compute scores on."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pipeline.data.harvest import Harvest
from pipeline.data.mesh import Value, outside_hull
from pipeline.data.samples import group_rows
from pipeline.data.values import in_words, numbers
from pipeline.errors import DataError

Mask = NDArray[np.bool_]


def check_anchors_in(harvest: Harvest, anchors: Sequence[Value]) -> None:
    """Raise DataError unless the anchors are values of the harvest, and its other values lie in their hull."""
    values = list(harvest.values)
    if missing := [a for a in anchors if a not in values]:
        raise DataError(f"sweep.anchors: {missing} are not in the harvest; it contains {values}")
    names = [column.name for column in harvest.schema.hyperparameters]
    outside = outside_hull([numbers(v) for v in values], [numbers(a) for a in anchors], names)
    if outside and len(names) == 1:
        raise DataError(
            f"sweep.anchors = {list(anchors)}: the held-out {[v for (v,) in outside]} lie outside the anchors' range; "
            "the surrogate does not extrapolate: make the least and the greatest value anchors"
        )
    if outside:
        raise DataError(
            f"sweep.anchors: the held-out {[in_words(v, names) for v in outside]} lie outside the anchors' hull; the "
            "surrogate does not extrapolate: make the outermost values anchors"
        )


def split_harvest(harvest: Harvest, fraction: float, seed: int) -> tuple[Harvest, Harvest]:
    """Hold back about `fraction` of the conditions, and return the harvests (fit, score), both with every λ.

    All rows of one condition go to the same side, at every λ, so that scores are computed in contexts that the fit has
    not seen. That is done within each combination of the categorical columns; where such a combination has one context
    only (all columns categorical, or no conditions at all), its rows are divided instead, because a category that the
    fit has not seen cannot be scored. Outcomes stay with the fit. Raises DataError where a side would be empty at some
    λ.
    """
    rng = np.random.default_rng(seed)
    masks = [np.zeros(len(x), dtype=bool) for x in harvest.conditions]
    contexts = harvest.groups
    strata = group_rows(*(x[:, list(harvest.categorical)] for x in harvest.conditions))
    for stratum in np.unique(np.concatenate(strata)):
        members = [s == stratum for s in strata]
        inside = np.unique(np.concatenate([c[m] for c, m in zip(contexts, members, strict=True)]))
        if len(inside) > 1:
            held_back = rng.choice(inside, size=_share(len(inside), fraction), replace=False)
            for mask, context in zip(masks, contexts, strict=True):
                mask |= np.isin(context, held_back)
        else:
            for mask, member in zip(masks, members, strict=True):
                rows = np.flatnonzero(member)
                if len(rows) > 1:
                    mask[rng.choice(rows, size=_share(len(rows), fraction), replace=False)] = True
    for value, mask in zip(harvest.values, masks, strict=True):
        if mask.all() or not mask.any():
            raise DataError(
                f"λ = {value}: its {len(mask)} rows cannot be divided into rows to fit on and rows to score on "
                f"(dataset.score_fraction = {fraction}); harvest more conditions or more draws"
            )
    fit, score = _rows(harvest, [~mask for mask in masks]), _rows(harvest, masks)
    return replace(fit, outcomes=harvest.outcomes), score


def _share(count: int, fraction: float) -> int:
    return min(max(round(fraction * count), 1), count - 1)


def _rows(harvest: Harvest, masks: list[Mask]) -> Harvest:
    return Harvest.from_arrays(
        harvest.hyperparameter,
        [y[mask] for y, mask in zip(harvest.outputs, masks, strict=True)],
        [x[mask] for x, mask in zip(harvest.conditions, masks, strict=True)],
        networks=harvest.networks,
        schema=harvest.schema,
    )
