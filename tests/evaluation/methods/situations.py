"""Situations of methods, made without an evaluation; and how methods are fitted in tests."""

import numpy as np

from pipeline.data.anchors import Anchors
from pipeline.data.harvest import Harvest
from pipeline.data.mesh import Grid
from pipeline.evaluation.comparison import Comparison, Sample
from pipeline.evaluation.coupled import Coupled
from pipeline.evaluation.methods.method import Fitting, Paired, Situation
from pipeline.evaluation.places import place_of
from pipeline.surrogate.config import SurrogateConfig
from tests.evaluation.oracles import ConstantVelocity


def situation(harvest: Harvest, value: float, *, deterministic: bool) -> Situation:
    """λ = value between the anchors of a harvest, whose samples are the ends."""
    ends = tuple(Sample(y, x) for y, x in zip(harvest.outputs, harvest.conditions, strict=True))
    comparison = Comparison.of(harvest, deterministic=deterministic)
    place = place_of(Grid.line(Anchors(harvest.values)), (value,))
    return Situation(
        surrogate=ConstantVelocity(schema=harvest.schema, anchors=harvest.values),
        comparison=comparison,
        value=value,
        own=place,
        linear=place,
        start=place.corners[0],
        ends=ends,
        paired=lambda p: Paired(
            Coupled.along(p.tree, lambda a, b: comparison.coupling(ends[a], ends[b])), dict(enumerate(ends))
        ),
        fresh=None,
        served="sample",
        seed=0,
    )


def fitting(harvest: Harvest, *, deterministic: bool, seed: int = 0, **settings) -> Fitting:
    return Fitting(harvest, deterministic, SurrogateConfig(**settings), seed)


def shuffled(harvest: Harvest, seed: int = 0) -> Harvest:
    """The same rows in another order at every anchor."""
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(len(y)) for y in harvest.outputs]
    return Harvest.from_arrays(
        harvest.hyperparameter,
        [y[order] for y, order in zip(harvest.outputs, orders, strict=True)],
        [x[order] for x, order in zip(harvest.conditions, orders, strict=True)],
        networks=harvest.networks,
        schema=harvest.schema,
    )
