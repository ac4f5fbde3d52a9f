"""Network maps regressed on coupled pairs: exact where the truth is affine, seeded, saved with a surrogate."""

import numpy as np
import pytest
import torch

from pipeline.surrogate import Surrogate
from pipeline.transport.condition import Condition, ConditionShape
from pipeline.transport.config import PairedConfig
from pipeline.transport.fit_network_maps import fit_network_maps
from pipeline.transport.network_maps import NetworkMaps
from pipeline.transport.pairs import Pairs
from tests.clouds import moment


def pairs(shape: ConditionShape, rows: int = 200) -> Pairs:
    """Pairs (y, y A + x B + b) with random conditions of the shape."""
    generator = torch.Generator().manual_seed(0)
    y = torch.randn(rows, 2, generator=generator)
    x = torch.randn(rows, shape.continuous, generator=generator)
    codes = torch.zeros(rows, len(shape.codes), dtype=torch.long)
    end = y @ torch.tensor([[0.0, 1.0], [-1.0, 0.2]]) + x.sum(1, keepdim=True) + 0.5
    return Pairs(y, end, Condition(x, codes), torch.full((rows,), 1 / rows))


@pytest.mark.parametrize("shape", [ConditionShape(0, ()), ConditionShape(2, ()), ConditionShape(0, (1,))])
def test_an_affine_truth_is_met_and_inverted(shape):
    pair = pairs(shape)
    maps = NetworkMaps(1, 2, shape, (8,), torch.Generator().manual_seed(0))
    curve = fit_network_maps(maps, [pair], PairedConfig(map_steps=20), torch.Generator().manual_seed(0))
    assert len(curve) == 20
    with torch.no_grad():
        image = maps(pair.start, pair.condition, 0)
    torch.testing.assert_close(image, pair.end, rtol=0, atol=1e-3)
    torch.testing.assert_close(maps.inverse(pair.end, pair.condition, 0), pair.start, rtol=0, atol=1e-2)


def test_equal_seeds_give_equal_maps():
    def made() -> dict[str, torch.Tensor]:
        maps = NetworkMaps(1, 2, ConditionShape(2, ()), (8,), torch.Generator().manual_seed(0))
        fit_network_maps(maps, [pairs(ConditionShape(2, ()))], PairedConfig(map_steps=60), torch.Generator())
        return maps.state_dict()

    first, second = made(), made()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_draws_on_curved_paths_have_networks_and_straight_ones_a_closed_form(cloud, tmp_path):
    curved, straight = (Surrogate.fit(cloud, moment(variant=v)) for v in ("K_theta-U", "K_I"))
    assert isinstance(curved._parts.maps, NetworkMaps)
    assert not isinstance(straight._parts.maps, NetworkMaps)
    curved.save(tmp_path / "s")
    y, x = cloud.outputs[0], cloud.conditions[0]
    again = Surrogate.load(tmp_path / "s")
    np.testing.assert_array_equal(again.transport(y, x, 0.0, 0.8), curved.transport(y, x, 0.0, 0.8))
