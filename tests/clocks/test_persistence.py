import numpy as np
import pytest

from pipeline.clocks.persistence import INSIDE, Persistence, find_persistence
from pipeline.data.harvest import Harvest

ROWS = 60
PAST = np.random.default_rng(0).normal(0, 5, ROWS)


def forecaster(
    below: float | np.ndarray = 1.0, above: float | np.ndarray = 3.0, *, kind="continuous", outputs=1, **kwargs
) -> Harvest:
    """Two quantiles, so far below and above their past, which stands in the second of three columns."""
    rng = np.random.default_rng(1)
    x = np.stack([rng.normal(size=ROWS), PAST, rng.normal(0, 5, ROWS)], 1)
    if kind != "continuous":
        x = x.round()
    past = np.repeat(x[:, 1:2], outputs, axis=1)
    ys = [past - np.reshape(below, (-1, 1)), past + np.reshape(above, (-1, 1))]
    return Harvest.from_arrays((0.1, 0.9), ys, [x, x], kind, deterministic=True, **kwargs)


def found(harvest: Harvest) -> Persistence:
    persistence = find_persistence(harvest)
    assert persistence is not None
    return persistence


@pytest.mark.parametrize(("below", "above"), [(1.0, 3.0), (1.0, 1.0), (3.0, 0.2)])
@pytest.mark.parametrize("outputs", [1, 3])
def test_position_of_the_past_is_found(below, above, outputs):
    persistence = found(forecaster(below, above, outputs=outputs))
    assert persistence.position == pytest.approx(below / (below + above), abs=1e-6)
    np.testing.assert_allclose(persistence.positions, below / (below + above), rtol=0, atol=1e-4)
    assert sorted(persistence.rows) == list(range(ROWS))


def test_every_condition_has_its_own_position_and_the_common_one_is_weighted_by_squared_ways():
    below, above = np.random.default_rng(2).uniform(0.5, 1.5, (2, ROWS))
    persistence = found(forecaster(below, above))
    each, ways = below / (below + above), below + above
    np.testing.assert_allclose(persistence.positions, each[persistence.rows], rtol=0, atol=1e-4)
    assert persistence.position == pytest.approx(np.sum(each * ways**2) / np.sum(ways**2), abs=1e-6)


def test_position_is_the_nearest_on_the_way_of_many_outputs():
    # Outputs that do not pass through the past: the foot of the perpendicular.
    rng = np.random.default_rng(3)
    start = PAST[:, None] - 1 + rng.normal(0, 0.1, (ROWS, 2))
    end = PAST[:, None] + 2 + rng.normal(0, 0.1, (ROWS, 2))
    x = PAST[:, None]
    persistence = found(Harvest.from_arrays((0.1, 0.9), [start, end], [x, x], deterministic=True))
    grid = np.linspace(0, 1, 20_001)
    for row, position in zip(persistence.rows[:5], persistence.positions[:5], strict=True):
        line = (1 - grid)[:, None] * start[row] + grid[:, None] * end[row]
        assert position == pytest.approx(grid[((PAST[row] - line) ** 2).sum(1).argmin()], abs=1e-4)


def test_positions_of_single_conditions_stay_inside():
    below, above = np.full(ROWS, 1.0), np.full(ROWS, 1.0)
    below[:2] = [-0.1, 2.1]  # outputs that all lie above their past, or below
    above[:2] = [2.1, -0.1]
    persistence = found(forecaster(below, above))
    positions = dict(zip(persistence.rows.tolist(), persistence.positions, strict=True))
    assert (positions[0], positions[1]) == INSIDE


def test_condition_without_a_way_has_the_common_position():
    below, above = np.full(ROWS, 1.0), np.full(ROWS, 3.0)
    below[0] = above[0] = 0.0
    persistence = found(forecaster(below, above))
    assert persistence.positions[persistence.rows == 0] == pytest.approx(persistence.position)
    assert persistence.position == pytest.approx(0.25, abs=1e-6)


def test_unit_of_the_quantity_and_order_of_rows_do_not_matter():
    harvest = forecaster(outputs=2)
    order = np.random.default_rng(4).permutation(ROWS)
    (y0, y1), (x, _) = harvest.outputs, harvest.conditions
    other = Harvest.from_arrays((0.1, 0.9), [1e4 * y0, 1e4 * y1[order]], [1e4 * x, 1e4 * x[order]], deterministic=True)
    assert found(other).position == pytest.approx(found(harvest).position, rel=1e-5)


def test_the_nearest_of_several_columns_counts():
    x = np.stack([PAST + 0.5, PAST + np.random.default_rng(5).normal(0, 0.3, ROWS)], 1)
    y = PAST[:, None]
    for columns in (x, x[:, ::-1]):
        harvest = Harvest.from_arrays((0.1, 0.9), [y - 1, y + 1], [columns] * 2, deterministic=True)
        assert found(harvest).position == pytest.approx(0.75, abs=1e-6)


def test_same_units_are_a_past_other_units_are_none():
    units = {"y0": "kW", "x0": "K", "x1": "kW", "x2": "kW"}
    assert find_persistence(forecaster(units=units)) is not None
    assert find_persistence(forecaster(units=units | {"x1": "K"})) is None
    assert find_persistence(forecaster(outputs=2, units={"y0": "kW", "y1": "K", "x1": "kW"})) is None


def test_categories_are_no_past():
    assert find_persistence(forecaster(kind=["continuous", "continuous", "continuous"])) is not None
    assert find_persistence(forecaster(kind=["continuous", "categorical", "continuous"])) is None


def test_unrelated_columns_are_no_past():
    rng = np.random.default_rng(6)
    x = rng.normal(size=(ROWS, 3))
    y = PAST[:, None]
    assert find_persistence(Harvest.from_arrays((0.1, 0.9), [y - 1, y + 1], [x] * 2, deterministic=True)) is None


def test_column_that_hardly_varies_is_no_past():
    # It lies on the way, but so would any number in between.
    x = np.random.default_rng(7).normal(0, 0.01, (ROWS, 1))
    y = np.random.default_rng(8).normal(0, 0.1, (ROWS, 1))
    assert find_persistence(Harvest.from_arrays((0.1, 0.9), [y - 1, y + 1], [x] * 2, deterministic=True)) is None


@pytest.mark.parametrize(("below", "above"), [(-1.0, 3.0), (3.0, -1.0), (0.01, 3.0)])
def test_past_that_lies_beyond_or_at_an_anchor_is_none(below, above):
    assert find_persistence(forecaster(below, above)) is None


def test_outputs_that_do_not_move_have_no_position():
    assert find_persistence(forecaster(0.0, 0.0)) is None


def test_conditions_that_are_not_shared_have_no_past():
    harvest = forecaster()
    x = harvest.conditions[0]
    other = Harvest.from_arrays((0.1, 0.9), harvest.outputs, [x, x + 1e-3], deterministic=True)
    assert find_persistence(other) is None


def test_of_a_condition_that_repeats_the_first_row_counts():
    harvest = forecaster()
    (y0, y1), (x, _) = harvest.outputs, harvest.conditions
    twice = Harvest.from_arrays(
        (0.1, 0.9), [np.concatenate([y0, y0 + 9]), y1], [np.concatenate([x, x]), x], deterministic=False
    )
    assert found(twice).position == pytest.approx(found(harvest).position)
    assert found(twice).rows.max() < ROWS


def test_harvest_without_conditions_has_no_past():
    ys = [np.zeros((5, 1)), np.ones((5, 1))]
    assert find_persistence(Harvest.from_arrays((0.1, 0.9), ys, [np.zeros((5, 0))] * 2, deterministic=False)) is None


def test_only_the_outermost_anchors_count():
    harvest = forecaster()
    (y0, y1), (x, _) = harvest.outputs, harvest.conditions
    three = Harvest.from_arrays((0.1, 0.5, 0.9), [y0, y0, y1], [x] * 3, deterministic=True)
    assert found(three).position == pytest.approx(found(harvest).position)
