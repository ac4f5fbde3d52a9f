"""The order of coordinates, decided by a vertex that was left out."""

from types import SimpleNamespace

import numpy as np
import pytest

from pipeline.data.harvest import Harvest
from pipeline.surrogate.config import SurrogateConfig
from pipeline.surrogate.order import choose_order

NINE = [(t, r) for t in (0.0, 0.5, 1.0) for r in (0.0, 1.0, 2.0)]
BOTH = ("turn", "radius")


@pytest.mark.parametrize("better", [BOTH, BOTH[::-1]])
def test_angles_are_compared_the_short_way_round(better):
    x = np.linspace(0, 1, 6)[:, None]
    harvest = Harvest.from_arrays(
        NINE,
        [np.full((6, 1), np.radians(179.0))] * len(NINE),
        [x] * len(NINE),
        deterministic=True,
        names={"hyperparameter": BOTH},
        output_kind="circular",
    )

    def fitted(_, config):
        angle = np.radians(-179.0 if config.order == better else 149.0)  # 2 and 30 degrees away
        return SimpleNamespace(sample=lambda x, value, draws, seed: np.full((len(x), 1, 1), angle))

    full = SimpleNamespace(config=SurrogateConfig(variant="K_theta", order=BOTH), deterministic=True)
    chosen, candidates = choose_order(harvest, full, fitted)
    assert chosen == better
    assert [c.chosen for c in candidates] == [better == BOTH, better != BOTH]
    errors = [c.error for c in candidates if c.error is not None]
    assert max(errors) > 100 * min(errors)
