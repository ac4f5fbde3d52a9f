"""A model of two hyperparameters, as a consumer meets it."""

import sys

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException

from pipeline import Harvest, Surrogate, SurrogateConfig
from pipeline.registry.package import Candidate, describe, save_model, signature

GRID = [(a, b) for a in (0.0, 0.5, 1.0) for b in (0.0, 2.0)]


@pytest.fixture(scope="module")
def surrogate() -> Surrogate:
    x = np.linspace(0.0, 1.0, 8)[:, None]
    outputs = [np.hstack([x + a * b, x - b]) for a, b in GRID]
    harvest = Harvest.from_arrays(
        GRID,
        outputs,
        [x] * len(GRID),
        names={"hyperparameter": ["a", "b"], "conditions": ["x"], "outputs": ["east", "north"]},
        deterministic=True,
    )
    return Surrogate.fit(harvest, SurrogateConfig(variant="K_I", clock="linear"))


@pytest.fixture(scope="module")
def served(surrogate, tmp_path_factory):
    folder = tmp_path_factory.mktemp("several")
    surrogate.save(folder / "surrogate")
    save_model(folder / "model", Candidate(folder / "surrogate", surrogate, np.array([[0.0], [1.0]])))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", list(sys.path))
        yield mlflow.pyfunc.load_model(str(folder / "model"))


FRAME = pd.DataFrame({"x": [0.0, 1.0]})


def test_every_hyperparameter_is_a_parameter_of_its_own_name(surrogate):
    defaults = {param.name: param.default for param in signature(surrogate).params.params}
    assert (defaults["a"], defaults["b"]) == ([], [])
    assert "hyperparameter" not in defaults


def test_predictions_are_the_surrogates_samples(served, surrogate):
    with pytest.warns(UserWarning, match="no networks"):
        expected = surrogate.sample(FRAME.to_numpy(), {"a": 0.25, "b": 1.0}, draws=2, seed=3)
    found = served.predict(FRAME, params={"a": [0.25], "b": [1.0], "draws": 2, "seed": 3})
    assert found.columns.tolist() == ["row", "draw", "a", "b", "east", "north"]
    assert np.array_equal(found[["east", "north"]].to_numpy().reshape(2, 2, 2), expected)


def test_lists_go_together(served):
    found = served.predict(FRAME.iloc[1:], params={"a": [0.0, 0.5], "b": [2.0]})
    np.testing.assert_allclose(found[["a", "b", "east", "north"]], [[0, 2, 1, -1], [0.5, 2, 2, -1]], atol=1e-9)
    with pytest.raises(MlflowException, match="lists of different lengths"):
        served.predict(FRAME, params={"a": [0.0, 0.5], "b": [2.0, 1.0, 0.0]})


def test_one_as_a_column_and_the_other_as_a_parameter(served):
    found = served.predict(FRAME.assign(a=[0.0, 0.5]), params={"b": [0.0, 2.0]})
    np.testing.assert_allclose(found["east"], [0, 0, 1, 2], atol=1e-9)


def test_a_parameter_left_out_is_refused(served):
    with pytest.raises(
        MlflowException, match=r"a is not given: add a column 'a', or the parameter \{'a': \[numbers\]\}"
    ):
        served.predict(FRAME, params={"b": [2.0]})


def test_paths_are_told_of_every_hyperparameter(served):
    found = served.predict(FRAME, params={"a": [0.25], "b": [2.0], "return_paths": True, "return_bands": True})
    assert found.iloc[0][["left_a", "right_a", "left_b", "right_b"]].tolist() == [0, 0.5, 2, 2]
    assert not found["trusted"].any()
    assert "band_low" not in found


def test_own_outputs_are_moved_from_an_anchor(served):
    rows = FRAME.assign(base_east=[0.0, 1.0], base_north=[0.0, 1.0], base_a=0.0, base_b=0.0)
    found = served.predict(rows, params={"a": [1.0], "b": [2.0]})
    np.testing.assert_allclose(found[["east", "north"]], [[2, -2], [3, -1]], atol=1e-4)


def test_a_point_outside_the_hull_is_refused(served):
    with pytest.raises(MlflowException, match=r"a = 1.5 lies outside the anchors' range"):
        served.predict(FRAME, params={"a": [1.5], "b": [0.0]})


def test_metadata_name_the_hyperparameters_and_their_anchors(surrogate):
    told = describe(surrogate)
    assert [column["name"] for column in told["hyperparameters"]] == ["a", "b"]
    assert told["anchors"][1] == {"a": 0.0, "b": 2.0}
    assert "hyperparameter" not in told
