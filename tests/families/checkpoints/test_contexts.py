import numpy as np
import pandas as pd
import pytest

from pipeline.data.schema import Column
from pipeline.errors import DataError
from pipeline.families.checkpoints.contexts import SCORE_SHARE, divide, read_contexts

X = Column(name="x")
KIND = Column(name="kind", kind="categorical", lower=0, upper=2)


def rows(contexts):
    return {tuple(row) for row in np.asarray(contexts).tolist()}


@pytest.fixture
def mixed():
    rng = np.random.default_rng(0)
    return np.stack([rng.normal(size=60).astype(np.float32), np.repeat([0.0, 1.0, 2.0], [30, 29, 1])], axis=1)


def test_every_kind_of_file_holds_the_same(tmp_path):
    table = pd.DataFrame({"kind": [0, 1, 2], "other": ["a", "b", "c"], "x": [0.5, -1.0, 2.0]})
    table.to_csv(tmp_path / "a.csv", index=False)
    table.to_parquet(tmp_path / "a.parquet")
    np.savez(tmp_path / "a.npz", x=table["x"].to_numpy(), kind=table["kind"].to_numpy())
    for name in ("a.csv", "a.parquet", "a.npz"):
        contexts = read_contexts(tmp_path / name, [X, KIND])
        np.testing.assert_array_equal(contexts, [[0.5, 0], [-1, 1], [2, 2]])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("gone.csv", None, r"gone.csv does not exist; set train.conditions"),
        ("a.txt", b"x,kind\n1,1\n", r"suffix '.txt'; conditions are read from .parquet, .csv and .npz"),
        ("a.csv", b"x\n1\n", r"a.csv: columns \['kind'\] are missing; it holds \['x'\]"),
        ("a.csv", b"", "a.csv cannot be read as csv"),
        ("a.csv", b"x,kind\none,1\n", r"columns \['x', 'kind'\] are not valid conditions .*finite numbers are needed"),
        ("a.csv", b"x,kind\n,1\n", r"a.csv\[0, 0\] = nan"),
        ("a.csv", b"x,kind\n0,0.5\n", "'kind' is categorical but contains 0.5"),
        ("a.csv", b"x,kind\n0,3\n", r"'kind' contains 3.0, outside its bounds \[0.0, 2.0\]"),
        ("a.parquet", b"x", "a.parquet cannot be read as parquet"),
        ("a.npz", b"x", "a.npz cannot be read as npz"),
    ],
)
def test_what_is_no_table_of_conditions_is_refused(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_contexts(tmp_path / name, [X, KIND])


def test_file_that_was_cut_off_is_refused(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", x=np.random.default_rng(0).normal(size=500), kind=np.zeros(500))
    content = (tmp_path / "a.npz").read_bytes()
    for size in (len(content) // 2, len(content) - 30):
        (tmp_path / "a.npz").write_bytes(content[:size])
        with pytest.raises(DataError, match=r"a.npz cannot be read as npz"):
            read_contexts(tmp_path / "a.npz", [X, KIND])


def test_arrays_that_would_be_unpickled_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.array([{}], dtype=object), kind=np.zeros(1))
    with pytest.raises(DataError, match="Object arrays cannot be loaded when allow_pickle=False"):
        read_contexts(tmp_path / "a.npz", [X, KIND])


def test_splits_are_disjoint_within_every_category(mixed):
    fit, score = (divide(mixed, [X, KIND], split, 100, 0) for split in ("fit", "score"))
    single = {tuple(row) for row in mixed[mixed[:, 1] == 2].tolist()}
    assert rows(fit) & rows(score) == single  # the one context of its category is in both
    assert rows(fit) | rows(score) == rows(mixed)
    assert [int((score[:, 1] == k).sum()) for k in range(3)] == [round(SCORE_SHARE * 30), round(SCORE_SHARE * 29), 1]


def test_few_contexts_still_have_every_category(mixed):
    for split in ("fit", "score"):
        few = divide(mixed, [X, KIND], split, 5, 3)
        assert len(few) == 5
        assert set(few[:, 1]) == {0, 1, 2}
        np.testing.assert_array_equal(few, divide(mixed, [X, KIND], split, 5, 3))
    assert rows(divide(mixed, [X, KIND], "fit", 5, 4)) != rows(divide(mixed, [X, KIND], "fit", 5, 3))


def test_few_contexts_keep_the_shares_of_the_categories():
    contexts = np.stack([np.arange(1000.0), np.repeat([0.0, 1.0], [900, 100])], axis=1)
    for split in ("fit", "score"):
        few = divide(contexts, [X, KIND], split, 100, 0)
        assert [int((few[:, 1] == k).sum()) for k in (0, 1)] == [90, 10]


def test_categories_alone_are_in_both_splits():
    contexts = np.array([[2.0], [0.0], [1.0], [0.0]])
    for split in ("fit", "score"):
        np.testing.assert_array_equal(divide(contexts, [KIND], split, 9, 0), [[0], [1], [2]])


def test_repeated_contexts_count_once_and_one_alone_has_no_second_half():
    contexts = np.array([[1.0], [1.0], [2.0]])
    fit, score = (divide(contexts, [X], split, 9, 0) for split in ("fit", "score"))
    assert rows(fit) | rows(score) == {(1.0,), (2.0,)}
    assert not rows(fit) & rows(score)


def test_without_conditions_there_is_one_context():
    assert divide(np.zeros((1, 0)), [], "score", 9, 0).shape == (1, 0)
