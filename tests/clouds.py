"""Harvests of every kind, and surrogates that are fitted for a moment: their answers are valid, not good."""

from functools import cache

import numpy as np
import pytest

from pipeline.data.harvest import Harvest
from pipeline.families.semicircles.family import SemicircleNetwork
from pipeline.surrogate import Surrogate
from pipeline.surrogate.config import SurrogateConfig
from tests.moving import by_condition, moving

MOMENT = SurrogateConfig(
    alpha=0.05,
    path_steps=12,
    map_steps=30,
    coupling_rounds=1,
    outer_steps=3,
    batch_size=64,
    map_widths=(16, 16),
    path_widths=(16, 16),
    metric_widths=(16, 16),
    dual_widths=(16, 16),
    density_samples=64,
)
ANCHORS = (0.0, 0.5, 1.0)


def moment(**settings) -> SurrogateConfig:
    """Settings that fit in a moment."""
    return MOMENT.model_copy(update=settings)


def cloud_harvest(
    anchors=ANCHORS, rows=40, dimension=2, conditions=1, kind="continuous", scale=1.0, shift=0.0, seed=0, **kwargs
) -> Harvest:
    """Clouds that move along a bent line; four draws a condition, the same conditions at every anchor."""
    rng = np.random.default_rng(seed)
    shape = (rows // 4, conditions)
    contexts = rng.integers(0, 3, shape).astype(float) if kind == "categorical" else rng.normal(size=shape)
    x = np.repeat(contexts, 4, axis=0)
    ys = []
    for a in anchors:
        y = rng.normal(0, 0.3, (len(x), dimension))
        y[:, 0] += 2 * a + 0.3 * x.sum(1)
        y[:, -1] += a**2
        ys.append(scale * y + shift)
    return Harvest.from_arrays(anchors, ys, [x] * len(anchors), kind, **kwargs)


def circles_harvest(draws=20, anchors=ANCHORS, networks=True) -> Harvest:
    """Semicircles: four categories, their own networks."""
    categories = np.arange(4.0)[:, None]
    made = [SemicircleNetwork(s) for s in anchors]
    return Harvest.from_arrays(
        anchors,
        [n.outputs(categories, draws, 0).reshape(-1, 2) for n in made],
        [np.repeat(categories, draws, axis=0)] * len(anchors),
        "categorical",
        networks=made if networks else None,
    )


@pytest.fixture(scope="session")
def cloud() -> Harvest:
    return cloud_harvest()


@pytest.fixture(scope="session")
def cloud_surrogate(cloud) -> Surrogate:
    """Continuous conditions, no networks."""
    return Surrogate.fit(cloud, MOMENT)


@pytest.fixture(scope="session")
def circles() -> Harvest:
    return circles_harvest()


@pytest.fixture(scope="session")
def circles_surrogate(circles) -> Surrogate:
    """Categorical conditions, with networks."""
    return Surrogate.fit(circles, MOMENT)


@pytest.fixture(scope="session")
def skewed() -> Harvest:
    """Samples that move the later, the larger their condition is."""
    return moving(ANCHORS, "linear", by_condition, deterministic=False, draws=4)


@pytest.fixture(scope="session")
def skewed_surrogate(skewed) -> Surrogate:
    """A clock with a skew by condition, no networks."""
    return Surrogate.fit(skewed, MOMENT)


@pytest.fixture(scope="session")
def of_variant(cloud):
    """A surrogate of the cloud by variant and solver, fitted once."""

    @cache
    def fit(variant: str, solver: str) -> Surrogate:
        return Surrogate.fit(cloud, moment(variant=variant, solver=solver))

    return fit
