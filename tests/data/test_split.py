import numpy as np
import pytest

from pipeline.data.harvest import Harvest
from pipeline.data.split import check_anchors_in, split_harvest
from pipeline.errors import DataError
from tests.sweeps import line_harvest


def rows(array: np.ndarray) -> set[bytes]:
    return {row.tobytes() for row in np.ascontiguousarray(array)}


def test_contexts_are_on_one_side_at_every_value():
    harvest = line_harvest(contexts=12, draws=3)
    fit, score = split_harvest(harvest, 0.25, 0)
    assert {len(x) for x in score.conditions} == {3 * 3}
    assert {len(x) for x in fit.conditions} == {9 * 3}
    held_back = rows(score.conditions[0])
    assert len(held_back) == 3
    for k in range(3):
        assert rows(score.conditions[k]) == held_back
        assert not held_back & rows(fit.conditions[k])


def test_outputs_stay_with_their_conditions_and_nothing_is_lost():
    harvest = line_harvest()
    parts = split_harvest(harvest, 0.5, 1)
    for k in range(3):
        whole = rows(np.hstack([harvest.outputs[k], harvest.conditions[k]]))
        split = [rows(np.hstack([part.outputs[k], part.conditions[k]])) for part in parts]
        assert split[0] | split[1] == whole
        assert not split[0] & split[1]


def test_rows_are_divided_within_categories():
    codes = np.repeat([[0], [1], [7]], [10, 20, 2], axis=0)
    y = np.arange(64.0).reshape(32, 2)
    fit, score = split_harvest(Harvest.from_arrays([0, 1], [y, y], [codes, codes], "categorical"), 0.25, 0)
    for k in range(2):
        assert np.unique(score.conditions[k], return_counts=True)[1].tolist() == [2, 5, 1]
        assert np.unique(fit.conditions[k], return_counts=True)[1].tolist() == [8, 15, 1]


def test_without_conditions_rows_are_divided():
    y, x = np.arange(40.0).reshape(20, 2), np.zeros((20, 0))
    fit, score = split_harvest(Harvest.from_arrays([0, 1], [y, y], [x, x]), 0.25, 0)
    assert [len(a) for a in fit.outputs] == [15, 15]
    assert [len(a) for a in score.outputs] == [5, 5]


def test_every_category_of_mixed_conditions_is_fitted_on():
    rng = np.random.default_rng(0)
    x = np.stack([np.repeat([0, 1, 2], [40, 10, 2]), rng.normal(size=52)], axis=1)
    harvest = Harvest.from_arrays([0, 1], [x, x], [x, x], ["categorical", "continuous"])
    fit, score = split_harvest(harvest, 0.25, 3)
    assert set(fit.conditions[0][:, 0]) == {0, 1, 2}
    assert np.unique(score.conditions[0][:, 0], return_counts=True)[1].tolist() == [10, 2, 1]


def test_conditions_need_not_be_shared():
    rng = np.random.default_rng(0)
    xs = [rng.normal(size=(n, 1)) for n in (50, 80)]
    fit, score = split_harvest(Harvest.from_arrays([0, 1], xs, xs), 0.2, 0)
    assert sum(map(len, score.outputs)) == round(0.2 * 130)
    assert not rows(np.concatenate(score.conditions)) & rows(np.concatenate(fit.conditions))


def test_seed_decides():
    harvest = line_harvest()
    scores = [split_harvest(harvest, 0.25, seed)[1].digest for seed in (0, 0, 1)]
    assert scores[0] == scores[1] != scores[2]


def test_too_few_rows_are_refused():
    one = np.zeros((1, 1))
    with pytest.raises(DataError, match=r"λ = 0.0: its 1 rows cannot be divided .*score_fraction = 0.25"):
        split_harvest(Harvest.from_arrays([0, 1], [one, one], [one, one]), 0.25, 0)


@pytest.mark.parametrize(
    ("anchors", "message"),
    [
        ([0.0, 0.7], r"sweep.anchors: \[0.7\] are not in the harvest; it contains \[0.0, 0.5, 1.0\]"),
        ([0.0, 0.5], r"the held-out \[1.0\] lie outside"),
        ([0.5, 1.0], r"the held-out \[0.0\] lie outside"),
    ],
)
def test_anchors_that_do_not_fit_are_refused(anchors, message):
    with pytest.raises(DataError, match=message):
        check_anchors_in(line_harvest((0.0, 0.5, 1.0)), anchors)
    check_anchors_in(line_harvest((0.0, 0.5, 1.0)), [0.0, 1.0])
