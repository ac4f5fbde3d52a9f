"""Leading principal components: what they hold, what they leave out, and how that is carried."""

import numpy as np
import pytest
import torch

from pipeline.transport.anchor_samples import AnchorSamples
from pipeline.transport.components import MOST, MOST_STRAIGHT, Components, Reduced, fit_rest, reduce_samples
from pipeline.transport.condition import Condition, ConditionShape

NONE = ConditionShape(0, ())
START, END = ((0, 1), torch.zeros(1)), ((0, 1), torch.ones(1))


def no_condition(rows: int) -> Condition:
    return Condition(torch.zeros(rows, 0), torch.zeros(rows, 0, dtype=torch.long))


def anchors(*outputs: torch.Tensor) -> list[AnchorSamples]:
    return [AnchorSamples(y, no_condition(len(y)), torch.zeros(len(y), dtype=torch.long)) for y in outputs]


def near_a_plane(dimension: int, rank: int = 3, thickness: float = 0.0, level: float = 0.0, rows: int = 400):
    """Gaussian samples of unit variance in `rank` random directions, and of standard deviation `thickness` in all."""
    rng = np.random.default_rng(dimension + rows)
    frame, _ = np.linalg.qr(np.random.default_rng(7).normal(size=(dimension, rank + 1)))
    y = rng.normal(size=(rows, rank)) @ frame[:, :rank].T + thickness * rng.normal(size=(rows, dimension))
    return torch.tensor(y + level * frame[:, rank], dtype=torch.float32)


def reduced(*outputs: torch.Tensor, straight: bool = False) -> tuple[Components, Reduced]:
    found = reduce_samples(anchors(*outputs), NONE, "auto", straight)
    assert found.components is not None
    return found.components, found


def test_a_plane_is_found_and_held_exactly():
    y = near_a_plane(40)
    components, found = reduced(y, y)
    assert found.dimension == components.rank == 3
    assert float(components.share) == pytest.approx(1, abs=1e-5)
    torch.testing.assert_close(components.basis.T @ components.basis, torch.eye(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(components.lift(components.leading(y)), y, atol=1e-4, rtol=0)


@pytest.mark.parametrize("dimension", [20, 100, 400])
def test_coordinates_are_of_order_one_in_any_dimension(dimension):
    y = 5 * near_a_plane(dimension)
    _, found = reduced(y, y)
    assert float(found.samples[0].outputs.var(0).mean()) == pytest.approx(1, rel=0.05)


def test_what_is_spread_over_all_directions_takes_the_most_components_allowed():
    y = torch.randn(500, 60, generator=torch.Generator().manual_seed(0))
    components, _ = reduced(y, y)
    assert components.rank == MOST
    assert float(components.share) < 0.5


@pytest.mark.parametrize(
    ("dimension", "count", "straight"),
    [(8, "auto", False), (MOST_STRAIGHT, "auto", True), (20, 20, False), (20, 50, True)],
)
def test_few_outputs_are_taken_as_they_are(dimension, count, straight):
    samples = anchors(near_a_plane(dimension), near_a_plane(dimension))
    found = reduce_samples(samples, NONE, count, straight)
    assert found.components is None
    assert found.samples == samples


def test_a_number_of_components_is_taken_at_its_word():
    found = reduce_samples(anchors(near_a_plane(30, rank=5)), NONE, 2, straight=True)
    assert found.dimension == 2


def test_the_rest_takes_mean_and_size_of_the_other_anchor_and_returns():
    left, right = near_a_plane(40, thickness=0.02), near_a_plane(40, thickness=0.05, level=0.1, rows=900)
    components, _ = reduced(left, right)
    fit_rest(components, anchors(left, right))
    moved = components.carried(left, no_condition(400), START, END)[:, 0]
    wanted = components.rest(right)
    torch.testing.assert_close(moved.mean(0), wanted.mean(0), atol=1e-4, rtol=0)
    size, size_there = (float((y - y.mean(0)).square().mean()) for y in (moved, wanted))
    assert size == pytest.approx(size_there, rel=0.02)
    leading = components.lift(components.leading(left))
    back = components.carried(leading + moved, no_condition(400), END, START)[:, 0]
    torch.testing.assert_close(back, components.rest(left), atol=1e-5, rtol=0)


def test_the_rest_is_linear_between_the_anchors():
    left, right = near_a_plane(40, thickness=0.02), near_a_plane(40, thickness=0.05, level=0.1)
    components, _ = reduced(left, right)
    fit_rest(components, anchors(left, right))
    at = ((0, 1), torch.tensor([0.0, 0.5, 1.0]))
    first, middle, last = components.carried(left, no_condition(400), START, at).unbind(1)
    torch.testing.assert_close(first, components.rest(left), atol=1e-6, rtol=0)
    torch.testing.assert_close(middle, 0.5 * (first + last), atol=1e-6, rtol=0)
