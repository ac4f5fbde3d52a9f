"""Answers, without MLflow: what is refused, and what the numbers are."""

import numpy as np
import pandas as pd
import pytest

from pipeline import Harvest, Surrogate, SurrogateConfig
from pipeline.data.schema import Column, Schema
from pipeline.errors import ConfigurationError, DataError, HyperparameterError
from pipeline.serving.answer import answer
from pipeline.surrogate import answering
from pipeline.surrogate.barriers import Barrier, Mixture
from pipeline.surrogate.regions import Region

MOST = 10_000
FRAME = pd.DataFrame({"category": [0, 3, 0]})
REGIONS = (Region(0.0, 0.5, "trusted", ("tested",)), Region(0.5, 1.0, "untested", ("nothing is held out here",)))


class Line:
    """y = λ + x, and a count of the outputs that it computed."""

    family = "line"

    def __init__(self, value):
        self.value, self.computed = value, 0

    def outputs(self, conditions, draws, seed):
        self.computed += len(conditions) * draws
        return np.repeat((conditions[:, None, :] + self.value).astype(np.float32), draws, axis=1)

    def save(self, folder):
        raise NotImplementedError


@pytest.fixture(scope="module")
def lines():
    """A deterministic surrogate of y = λ + x, x in [0, 10], from networks at 0 and 1."""
    x = np.linspace(0, 10, 21)[:, None]
    networks = [Line(0.0), Line(1.0)]
    schema = Schema(
        hyperparameter=Column(name="level"),
        outputs=(Column(name="y"),),
        conditions=(Column(name="x"),),
        deterministic=True,
    )
    harvest = Harvest.from_arrays(
        [0.0, 1.0], [n.outputs(x, 1, 0)[:, 0] for n in networks], [x, x], networks=networks, schema=schema
    )
    return Surrogate.fit(harvest, SurrogateConfig(variant="K_I", clock="linear"))


def ask(surrogate, data, most=MOST, **params):
    return answer(surrogate, data, params, most)


def outputs(frame):
    return frame[["east", "north"]].to_numpy()


def test_a_list_is_answered_for_every_row_and_its_draws_belong_together(fitted_surrogate):
    found = ask(fitted_surrogate, FRAME, s=[0.5, 0.2], draws=2, seed=3)
    assert found.columns.tolist() == ["row", "draw", "s", "east", "north"]
    assert found["row"].tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert found["s"].tolist() == [0.5, 0.5, 0.2, 0.2] * 3
    for value in (0.5, 0.2):
        single = ask(fitted_surrogate, FRAME, hyperparameter=value, draws=2, seed=3)
        assert single.columns.tolist() == ["row", "draw", "east", "north"]
        assert np.array_equal(outputs(found[found["s"] == value]), outputs(single))


def test_a_column_is_one_value_a_row(fitted_surrogate):
    found = ask(fitted_surrogate, FRAME.assign(s=[0.5, 0.2, 0.9]), draws=2, seed=3)
    expected = fitted_surrogate.sample(FRAME.to_numpy(float), np.array([0.5, 0.2, 0.9]), draws=2, seed=3)
    assert np.array_equal(outputs(found), expected.reshape(-1, 2))


@pytest.mark.parametrize("anchor", [0.0, 0.5, 1.0])
def test_draws_are_continuous_at_anchors(fitted_surrogate, anchor):
    inside = [v for v in (anchor - 1e-5, anchor, anchor + 1e-5) if 0 <= v <= 1]
    found = ask(fitted_surrogate, FRAME, s=inside, draws=40)
    for value in inside:
        near, at = (outputs(found[found["s"] == v]) for v in (value, anchor))
        np.testing.assert_allclose(near, at, atol=1e-3)


@pytest.mark.parametrize(
    ("params", "column"), [({}, None), ({"hyperparameter": 0.2}, 0.2), ({"s": [0.1, 0.2], "hyperparameter": 0.1}, None)]
)
def test_lambda_has_to_be_given_once(fitted_surrogate, params, column):
    data = FRAME if column is None else FRAME.assign(s=column)
    with pytest.raises(ConfigurationError, match=r"s is not given: add a column 's', or the parameter|given twice"):
        ask(fitted_surrogate, data, **params)


def test_no_rows_give_no_rows(fitted_surrogate):
    found = ask(fitted_surrogate, FRAME.iloc[:0], s=[0.1, 0.2], return_bands=True, return_paths=True)
    assert len(found) == 0
    assert {"east", "trusted", "left_s"} <= set(found.columns)


def test_an_answer_has_a_limit(fitted_surrogate):
    with pytest.raises(ConfigurationError, match=r"3 rows × 1000000000 draws are more than the 10000 rows"):
        ask(fitted_surrogate, FRAME, hyperparameter=0.2, draws=10**9)
    with pytest.raises(ConfigurationError, match=r"3 rows × 2 values of λ × 2 draws are more than the 11"):
        ask(fitted_surrogate, FRAME, most=11, s=[0.1, 0.2], draws=2)
    assert len(ask(fitted_surrogate, FRAME, most=12, s=[0.1, 0.2], draws=2)) == 12


def test_equal_draws_are_computed_once(lines):
    before = [network.computed for network in lines.networks]
    found = ask(lines, [[1.0], [2.0]], hyperparameter=0.5, draws=5000)
    assert [network.computed - b for network, b in zip(lines.networks, before, strict=True)] == [2, 2]
    assert len(found) == MOST
    np.testing.assert_allclose(found["y"], np.repeat([1.5, 2.5], 5000), atol=1e-4)


def test_blocks_change_nothing(fitted_surrogate, monkeypatch):
    rows = pd.DataFrame({"category": [0, 1, 2, 3] * 50})
    whole = ask(fitted_surrogate, rows, hyperparameter=0.3, draws=3)
    monkeypatch.setattr(answering, "BLOCK", 30)
    np.testing.assert_allclose(
        outputs(ask(fitted_surrogate, rows, hyperparameter=0.3, draws=3)), outputs(whole), atol=1e-5
    )


@pytest.mark.filterwarnings("ignore:conditions. columns", "ignore:overflow", "ignore:invalid value")
def test_an_answer_that_is_not_finite_names_row_and_column(lines):
    for value in (0.0, 0.5):
        with pytest.raises(DataError, match=r"the answer to row 1 is not finite in column 'y'"):
            ask(lines, [[1.0], [1e308]], hyperparameter=value)


@pytest.mark.filterwarnings("ignore:conditions. columns")
def test_distance_from_the_harvest(lines):
    deviation = np.linspace(0, 10, 21).std()
    found = ask(lines, [[5.0], [10 + deviation], [-1e6]], hyperparameter=1.0, return_bands=True)
    np.testing.assert_allclose(found["distance"], [0, 1, 1e6 / deviation], atol=1e-6)
    assert found["trusted"].tolist() == [True, False, False]  # λ is an anchor
    with pytest.raises(HyperparameterError, match=r"row 2 lies 3.3e\+05 standard deviations outside the range"):
        ask(lines, [[5.0], [9.0], [-1e6]], hyperparameter=1.0, strict=True)


def test_without_a_certificate_anchors_alone_are_trusted(lines):
    assert ask(lines, [[1.0]], level=[0.0, 0.5, 1.0], return_bands=True)["trusted"].tolist() == [True, False, True]
    assert len(ask(lines, [[1.0]], level=[0.0, 1.0], strict=True)) == 2
    with pytest.raises(HyperparameterError, match=r"row 0: level = 0.5 is not trusted \(there is no certificate\)"):
        ask(lines, [[1.0]], level=[0.0, 0.5], strict=True)


def test_the_certificates_region_is_told(fitted_surrogate):
    certified = fitted_surrogate.certified(REGIONS)
    with pytest.warns(UserWarning, match="untested"):
        found = ask(certified, {"category": [1]}, s=[0.2, 0.5, 0.7, 1.0], return_bands=True)
    assert found["trusted"].tolist() == [True, True, False, True]
    assert found["band_low"].tolist() == [0, 0, 0.5, 0.5]
    assert found["band_high"].tolist() == [0.5, 0.5, 1, 1]
    assert found["distance"].tolist() == [0] * 4


def test_the_anchors_that_answered_are_told(fitted_surrogate):
    found = ask(fitted_surrogate, {"category": [1]}, s=[0.0, 0.25, 0.5, 0.75], return_paths=True, draws=2)[::2]
    assert found["left_s"].tolist() == [0, 0, 0.5, 0.5]
    assert found["right_s"].tolist() == [0, 0.5, 0.5, 1]
    np.testing.assert_allclose(found["position_s"], [0, 0.5, 0, 0.5])


def test_a_broken_interval_is_one_networks(fitted_surrogate):
    ridge = Mixture(0.5, 0.25, 0.0, 9.0, 9.0, 0.1)
    broken = fitted_surrogate.with_barriers(
        [Barrier((0.0, 0.5), "reward", 2, (ridge,), (1.0, -1.0)), Barrier((0.5, 1.0), "reward", 2, ())]
    )
    with pytest.warns(UserWarning, match="s: "):
        found = ask(broken, {"category": [1]}, s=[0.1, 0.4], return_paths=True)
    assert found["left_s"].tolist() == found["right_s"].tolist() == [0.5, 0.0]
    assert found["position_s"].tolist() == [0, 0]


def test_outputs_of_ones_own_are_moved(fitted_surrogate):
    own = np.array([[1.0, 0.2], [0.3, -1.0], [0.5, 0.5]])
    data = FRAME.assign(base_east=own[:, 0], base_north=own[:, 1], base_s=[0.0, 0.5, 0.0])
    found = ask(fitted_surrogate, data, s=[0.5, 0.75])
    for value in (0.5, 0.75):
        moved = outputs(found[found["s"] == value])
        for rows, source in (([0, 2], 0.0), ([1], 0.5)):
            expected = fitted_surrogate.transport(own[rows], FRAME.to_numpy(float)[rows], source, value)
            np.testing.assert_allclose(moved[rows], expected, atol=1e-6)
    with pytest.raises(ConfigurationError, match="draws = 2 with outputs of one's own"):
        ask(fitted_surrogate, data, hyperparameter=0.5, draws=2)
    with pytest.raises(HyperparameterError, match=r"row 0: s = 0\.75 is not trusted"):
        ask(fitted_surrogate.certified(REGIONS), data, hyperparameter=0.75, strict=True)


def test_moves_have_a_limit(fitted_surrogate):
    rows = pd.DataFrame({"category": 0, "base_east": 1.0, "base_north": 0.0, "base_s": 0.0}, index=range(1001))
    with pytest.raises(ConfigurationError, match="1001 different pairs of λ"):
        ask(fitted_surrogate, rows.assign(s=np.linspace(0.1, 0.9, 1001)))
