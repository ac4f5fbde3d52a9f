import numpy as np
import pytest
import torch

from pipeline.data.harvest import Harvest
from pipeline.transport.anchor_samples import anchor_samples, draw_nearest, is_deterministic
from pipeline.transport.standardise import Standardiser

X = np.array([[0.0], [1.0], [2.0], [0.0]])
Y = np.array([[1.0, 2], [3, 4], [5, 6], [1, 2]])


def harvest(y=Y, x=X, y1=None, x1=None, kind="continuous", **kwargs) -> Harvest:
    return Harvest.from_arrays([0, 1], [y, y if y1 is None else y1], [x, x if x1 is None else x1], kind, **kwargs)


def test_one_output_a_condition_is_deterministic():
    assert is_deterministic(harvest())
    assert is_deterministic(harvest(x1=X[::-1], y1=Y[::-1]))


def test_two_outputs_of_one_condition_are_draws():
    assert not is_deterministic(harvest(y1=Y + np.array([[0], [0], [0], [0.1]])))


def test_categories_alone_are_draws():
    assert not is_deterministic(harvest(kind="categorical"))
    assert not is_deterministic(harvest(x=np.zeros((4, 0))))


def test_conditions_that_are_not_shared_are_taken_for_draws():
    assert not is_deterministic(harvest(x1=X + 0.5))


@pytest.mark.parametrize("said", [True, False])
def test_the_schema_has_the_last_word(said):
    assert is_deterministic(harvest(deterministic=said)) is said
    assert is_deterministic(harvest(x1=X + 0.5, deterministic=said)) is said


def test_equal_conditions_have_equal_groups_across_anchors():
    made = harvest(x1=X[::-1].astype(np.float32), y1=Y[::-1])
    left, right = anchor_samples(made, Standardiser.of(made), torch.device("cpu"))
    assert left.group.tolist() == right.group.flip(0).tolist()
    assert len(set(left.group.tolist())) == 3
    assert left.outputs.dtype == left.condition.values.dtype == torch.float32


def drawn(wanted, draws=200, x=X, y=Y, kind="continuous", seed=0) -> np.ndarray:
    made = harvest(x=x, y=y, kind=kind)
    scaling = Standardiser.of(made)
    outputs, known, asked = (torch.tensor(v, dtype=torch.float64) for v in (y, x, wanted))
    return draw_nearest(outputs, known, asked, scaling, draws, seed).numpy()


def test_draws_are_those_of_the_nearest_condition_and_all_of_them():
    y = np.arange(4.0)[:, None]
    found = drawn([[0.1], [5.0], [1.2]], y=y)
    assert found.shape == (3, 200, 1)
    assert [sorted({*row.ravel()}) for row in found] == [[0.0, 3.0], [2.0], [1.0]]
    assert found[0].mean() == pytest.approx(1.5, abs=0.4)  # both as often


def test_many_draws_of_equal_conditions_are_all_reached():
    rng = np.random.default_rng(0)
    x = np.repeat(rng.normal(size=(6, 12)) * 30, 50, axis=0)
    y = np.arange(300.0)[:, None]
    found = drawn(x[::50], draws=2000, x=x, y=y)
    for k, row in enumerate(found):
        assert {*row.ravel()} == {*range(50 * k, 50 * k + 50)}


def test_no_conditions_and_categories():
    assert {*drawn(np.zeros((1, 0)), x=np.zeros((4, 0)), y=np.arange(4.0)[:, None]).ravel()} == {0, 1, 2, 3}
    found = drawn([[2.0], [0.0]], kind="categorical", y=np.arange(4.0)[:, None])
    assert [sorted({*row.ravel()}) for row in found] == [[2.0], [0.0, 3.0]]


def test_arrays_that_cannot_be_written_to_are_copied(recwarn):
    y, x = Y.astype(np.float32), X.astype(np.float32)
    y.flags.writeable = x.flags.writeable = False
    made = harvest(y=y, x=x)
    (left, _) = anchor_samples(made, Standardiser.of(made), torch.device("cpu"))
    left.outputs.zero_()
    assert y.any()
    assert not recwarn.list


def test_seeds_decide():
    wanted = np.zeros((1, 0))
    x, y = np.zeros((40, 0)), np.arange(40.0)[:, None]
    same = drawn(wanted, x=x, y=y, seed=3), drawn(wanted, x=x, y=y, seed=3)
    np.testing.assert_array_equal(*same)
    assert not np.array_equal(same[0], drawn(wanted, x=x, y=y, seed=4))


def test_rows_are_drawn_independently():
    x, y = np.zeros((40, 0)), np.arange(40.0)[:, None]
    found = drawn(np.zeros((2, 0)), x=x, y=y, draws=50)
    assert not np.array_equal(found[0], found[1])
