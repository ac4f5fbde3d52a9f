import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread

from pipeline.consumers.explain import draw, follow, read_condition, sparkline
from pipeline.data.harvest import Harvest
from pipeline.errors import ConfigurationError, DataError
from pipeline.surrogate import Surrogate
from pipeline.surrogate.config import SurrogateConfig
from pipeline.surrogate.regions import Region

pytestmark = pytest.mark.filterwarnings("ignore:this surrogate carries no networks")


def test_a_course_is_of_the_draws_that_sample_gives(fitted_surrogate):
    course = follow(fitted_surrogate, np.array([2.0]), steps=5, draws=16, seed=3)
    assert course.values.tolist() == [0.0, 0.25, 0.5, 0.75, 1.0]
    for value, draws, mean in zip(course.values, course.draws, course.mean, strict=True):
        expected = fitted_surrogate.sample(np.array([[2.0]]), value, draws=16, seed=3)[0]
        np.testing.assert_allclose(draws, expected, rtol=0, atol=1e-6)
        np.testing.assert_allclose(mean, expected.mean(0), rtol=0, atol=1e-6)
    assert ((course.low <= course.mean) & (course.mean <= course.high)).all()


def test_anchors_are_among_the_values(fitted_surrogate):
    assert follow(fitted_surrogate, np.array([2.0]), steps=4, draws=2).values.tolist() == pytest.approx(
        [0, 1 / 3, 0.5, 2 / 3, 1]
    )


def test_means_of_angles_are_directions():
    x = np.zeros((40, 1))
    rng = np.random.default_rng(0)
    outputs = [(np.pi + a + 0.1 * rng.normal(size=(40, 1)) + np.pi) % (2 * np.pi) - np.pi for a in (-0.2, 0.2)]
    harvest = Harvest.from_arrays((0.0, 1.0), outputs, [x, x], output_kind="circular", deterministic=False)
    course = follow(Surrogate.fit(harvest, SurrogateConfig(variant="K_I")), np.zeros(1), steps=3, draws=40)
    turned = (course.mean[:, 0] - np.pi + np.pi) % (2 * np.pi) - np.pi
    np.testing.assert_allclose(turned, [-0.2, 0.0, 0.2], atol=0.06)
    assert np.ptp(course.high - course.low) < 0.4


def test_of_several_hyperparameters_all_but_one_are_fixed():
    vertices, x = [(a, b) for a in (0.0, 1.0) for b in (0.0, 1.0)], np.zeros((4, 1))
    harvest = Harvest.from_arrays(
        vertices,
        [np.full((4, 1), a + 10 * b) for a, b in vertices],
        [x] * 4,
        deterministic=True,
        names={"hyperparameter": ["a", "b"]},
    )
    surrogate = Surrogate.fit(harvest, SurrogateConfig(variant="K_I", clocks={"a": "linear", "b": "linear"}))
    course = follow(surrogate, np.zeros(1), {"a": 0.5}, steps=3)
    assert course.name == "b"
    np.testing.assert_allclose(course.mean[:, 0], [0.5, 5.5, 10.5], atol=1e-4)
    for fixed in ({}, {"a": 0.5, "b": 0.5}, {"c": 0.5}, {"a": 0.1, "c": 1.0}):
        with pytest.raises(ConfigurationError, match="fix all but one of them"):
            follow(surrogate, np.zeros(1), fixed)


def test_sparklines():
    assert sparkline(np.array([0.0, 1.0, 2.0, 7.0])) == "▁▂▃█"
    assert sparkline(np.array([3.0, 3.0])) == "▅▅"


def test_a_row_of_a_table_is_a_condition(fitted_surrogate, tmp_path):
    pd.DataFrame({"other": "text", "category": [0, 3, 1]}).to_csv(tmp_path / "x.csv", index=False)
    assert read_condition(fitted_surrogate, tmp_path / "x.csv", 1).tolist() == [3.0]
    with pytest.raises(DataError, match="has 3 rows; there is no row 3, counted from 0"):
        read_condition(fitted_surrogate, tmp_path / "x.csv", 3)


def test_a_picture_is_drawn(fitted_surrogate, tmp_path):
    regions = (Region(0.0, 0.5, "trusted", ("tested",)), Region(0.5, 1.0, "untested", ("nothing is held out here",)))
    with pytest.warns(UserWarning, match="untested"):
        course = follow(fitted_surrogate.certified(regions), np.array([2.0]), steps=21)
    draw(fitted_surrogate.certified(regions), course, tmp_path / "course.png")
    picture = imread(tmp_path / "course.png")
    assert picture.shape[0] > 300 < picture.shape[1]
    assert picture[..., :3].std() > 0.05
    assert [path.name for path in tmp_path.iterdir()] == ["course.png"]
