"""README's first picture: what it draws is what the surrogate serves and what the networks say."""

import numpy as np
import pytest

from tests.evaluation.oracles import VALUES, ConstantVelocity, forecast_harvest
from tests.paths import CHECKOUT
from tools import curves


@pytest.fixture(scope="module")
def score():
    return forecast_harvest(rows=7)


@pytest.fixture(scope="module")
def surrogate(score):
    return ConstantVelocity(deterministic=True, schema=score.schema)


def test_curves_pass_through_every_network_where_the_surrogate_is_exact(surrogate, score):
    found = curves.curves(surrogate, score, np.array([0, 3, 6]))
    at = np.searchsorted(found.grid, found.values)
    np.testing.assert_array_equal(found.grid[at], VALUES)
    np.testing.assert_allclose(found.served[:, at], found.trained, atol=1e-6)
    assert found.values[found.seen].tolist() == list(surrogate.anchors)


def test_contexts_are_ranked_by_the_error_at_held_out_values(surrogate, score):
    order = [4, 0, 6, 2, 5, 1, 3]
    outputs = [y.copy() for y in score.outputs]
    for k, value in enumerate(VALUES):
        if value not in surrogate.anchors:
            outputs[k][order] += np.arange(7)[:, None]
        else:
            outputs[k] += 100 * np.arange(7)[:, None]  # what happens at anchors counts for nothing
    drifting = type(score).from_arrays(VALUES, outputs, score.conditions, schema=score.schema)
    assert curves.ranked(surrogate, drifting).tolist() == order


def test_the_picture_is_small_and_the_same_bytes_every_time(surrogate, score, tmp_path):
    found = curves.curves(surrogate, score, np.array([1, 2]))
    for name in ("first.png", "second.png"):
        curves.draw(found, ["one", "another"], score.schema, tmp_path / name)
    first = (tmp_path / "first.png").read_bytes()
    assert first == (tmp_path / "second.png").read_bytes()
    assert first.startswith(b"\x89PNG")


def test_readme_shows_it():
    assert f"]({curves.PICTURE.relative_to(CHECKOUT)})" in (CHECKOUT / "README.md").read_text(encoding="utf-8")
    assert curves.PICTURE.stat().st_size < 200_000
