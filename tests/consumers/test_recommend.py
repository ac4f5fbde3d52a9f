import numpy as np
import pytest

from pipeline.consumers.objective import read_objective
from pipeline.consumers.recommend import Problem, recommend
from pipeline.data.harvest import Harvest
from pipeline.errors import ConfigurationError, DataError
from pipeline.surrogate import Surrogate
from pipeline.surrogate.config import SurrogateConfig
from pipeline.surrogate.regions import Region

pytestmark = pytest.mark.filterwarnings("ignore:this surrogate carries no networks")
ANCHORS = (0.0, 0.5, 1.0)
LINE = SurrogateConfig(variant="K_I", clock="linear")
NAMES = {"hyperparameter": ["a", "b"], "outputs": ["u", "v"], "conditions": ["x"]}
X = np.linspace(-0.3, 0.3, 41)[:, None]


def line(noise=0.0, draws=1, seed=0):
    """Outputs y = 2 λ + x, plus noise that is equal at every λ: the truth is known, and the surrogate is exact."""
    x = np.repeat(X, draws, axis=0)
    error = noise * np.random.default_rng(seed).normal(size=x.shape)
    outputs = [2 * a + x + error for a in ANCHORS]
    harvest = Harvest.from_arrays(
        ANCHORS,
        outputs,
        [x] * 3,
        deterministic=noise == 0,
        names={"hyperparameter": "s", "outputs": ["y"], "conditions": ["x"]},
    )
    return Surrogate.fit(harvest, LINE)


@pytest.fixture(scope="module")
def exact():
    return line()


@pytest.fixture(scope="module")
def noisy():
    return line(noise=0.3, draws=24)


def problem(surrogate, text, conditions=X, **settings):
    names = {"x", "y", "s", *settings.get("columns", {})}
    return Problem(surrogate, read_objective(text, names), conditions, **settings)


def test_the_best_value_of_every_row(exact):
    found = recommend(problem(exact, "(y - 1) ** 2"), [np.array([i]) for i in range(len(X))])
    values = np.array([one.value[0] for one in found])
    np.testing.assert_allclose(values, (1 - X[:, 0]) / 2, atol=2e-4)
    assert max(one.mean for one in found) < 1e-6
    assert all(one.standard_error == 0 and one.rows.tolist() == [i] for i, one in enumerate(found))


def test_the_best_value_of_all_rows_and_its_interval(exact):
    (found,) = recommend(problem(exact, "(y - 1) ** 2"))
    assert found.value[0] == pytest.approx(0.5, abs=2e-4)
    assert found.mean == pytest.approx(float(np.mean(X**2)), rel=1e-3)
    # (2 λ + x − 1)² differs between λ and ½ by d² + 2 d x, d = 2 λ − 1: mean d², standard error 2 d sd(x) / √n.
    (((low, high),),) = found.intervals
    reach = 2.0211 * 2 * float(X.std(ddof=1)) / np.sqrt(len(X)) / 2  # Student's t at 97.5 % with 40 degrees of freedom
    assert (low, high) == (pytest.approx(0.5 - reach, abs=2e-3), pytest.approx(0.5 + reach, abs=2e-3))


def test_maximising_is_minimising_the_negative(exact):
    (least,) = recommend(problem(exact, "abs(y - 0.7)"))
    (most,) = recommend(problem(exact, "-abs(y - 0.7)", maximise=True))
    assert (most.value, most.intervals) == (least.value, least.intervals)
    assert most.mean == pytest.approx(-least.mean)


def test_groups_columns_and_the_hyperparameter_itself(exact):
    goal = np.where(X[:, 0] < 0, 0.4, 1.2)
    groups = [np.flatnonzero(X[:, 0] < 0), np.flatnonzero(X[:, 0] >= 0)]
    low, high = recommend(problem(exact, "(y - x - goal) ** 2 + 0 * s", columns={"goal": goal}), groups)
    assert (low.value[0], high.value[0]) == (pytest.approx(0.2, abs=2e-4), pytest.approx(0.6, abs=2e-4))
    (priced,) = recommend(problem(exact, "(y - x - 1) ** 2 + 2 * s"))  # (2 s − 1)² + 2 s is least at s = ¼
    assert priced.value[0] == pytest.approx(0.25, abs=1e-3)


def test_a_function_serves_as_an_objective(exact):
    (found,) = recommend(Problem(exact, lambda columns: (columns["y"] - columns["x"] - 0.3) ** 2, X))
    assert found.value[0] == pytest.approx(0.15, abs=2e-4)


def test_two_best_values_are_two_stretches(exact):
    # All rows are alike to this objective, so that nothing is left to chance: both zeros, and nothing between them.
    (found,) = recommend(problem(exact, "where(abs(y - x - 1) > 0.5, 0, 1)"))
    ((low, high),) = found.intervals
    assert low == (0.0, pytest.approx(0.25, abs=0.02))
    assert high == (pytest.approx(0.75, abs=0.02), 1.0)


def test_draws_tell_what_is_distinguishable(noisy):
    few, many = (recommend(problem(noisy, "(y - 1) ** 2", X[20:21], draws=draws, seed=3))[0] for draws in (4, 24))
    for found in (few, many):
        (((low, high),),) = found.intervals
        assert low <= 0.5 + 0.05
        assert high >= 0.5 - 0.05
        assert low <= found.value[0] <= high
    assert np.diff(many.intervals[0][0]) < np.diff(few.intervals[0][0])
    assert many.standard_error > 0


def test_few_conditions_are_taken_as_they_are_and_many_stand_for_others(exact, noisy):
    (few,) = recommend(problem(exact, "(y - 1) ** 2", X[:9]))
    ((low, high),) = few.intervals[0]
    assert (few.standard_error, high - low) == (0, pytest.approx(0, abs=1e-3))  # nothing is left to chance
    (many,) = recommend(problem(exact, "(y - 1) ** 2", X[:10]))
    assert many.standard_error > 0
    (drawn,) = recommend(problem(noisy, "(y - 1) ** 2", X[18:23], draws=24))
    (single,) = recommend(problem(noisy, "(y - 1) ** 2", X[20:21], draws=24))
    assert 0 < drawn.standard_error < single.standard_error


def test_a_row_answers_alike_alone_and_among_others(noisy):
    rows = [np.array([i]) for i in (3, 17, 30)]
    together = recommend(problem(noisy, "(y - 1) ** 2"), rows)
    for i, one in zip((3, 17, 30), together, strict=True):
        (alone,) = recommend(problem(noisy, "(y - 1) ** 2", X[i : i + 1]))
        assert alone.value[0] == pytest.approx(one.value[0], abs=1e-3)
        assert alone.mean == pytest.approx(one.mean, rel=1e-3)


def test_blocks_change_nothing(noisy, monkeypatch):
    (whole,) = recommend(problem(noisy, "(y - 1) ** 2", draws=8))
    monkeypatch.setattr("pipeline.consumers.recommend.POINTS", 2_000)
    (parts,) = recommend(problem(noisy, "(y - 1) ** 2", draws=8))
    assert parts.value == pytest.approx(whole.value, abs=1e-6)
    assert parts.mean == pytest.approx(whole.mean, rel=1e-6)


def test_the_certificate_is_heeded(exact):
    assert recommend(problem(exact, "(y - x - 0.5) ** 2"))[0].trusted is None
    regions = (Region(0.0, 0.5, "trusted", ("tested at 0.25",)), Region(0.5, 1.0, "untested", ("nothing held out",)))
    certified = exact.certified(regions)
    (inside,) = recommend(problem(certified, "(y - x - 0.5) ** 2"))
    (outside,) = recommend(problem(certified, "(y - x - 1.5) ** 2"))
    assert (inside.trusted, inside.objections) == (True, ())
    assert (outside.trusted, outside.objections) == (False, ("untested from 0.5 to 1: nothing held out",))


def test_what_has_no_answer_is_refused(exact, noisy):
    with pytest.raises(DataError, match=r"objective is -?inf in row 0 at λ = \[0\.0\]"):
        recommend(problem(exact, "1 / (s - s) + y"))
    with pytest.raises(DataError, match="conditions have no rows"):
        problem(exact, "y", X[:0])
    with pytest.raises(ConfigurationError, match=r"draws = 1; at least 2 are needed"):
        problem(noisy, "y", draws=1)


def test_two_hyperparameters_are_a_grid():
    vertices = [(a, b) for a in ANCHORS for b in ANCHORS]
    outputs = [np.hstack([a + X, 2 * b - X]) for a, b in vertices]
    harvest = Harvest.from_arrays(vertices, outputs, [X] * 9, deterministic=True, names=NAMES)
    surrogate = Surrogate.fit(harvest, SurrogateConfig(variant="K_I", clocks={"a": "linear", "b": "linear"}))
    objective = read_objective("(u - x - 0.3) ** 2 + (v + x - 1.3) ** 2", {"u", "v", "x"})
    (found,) = recommend(Problem(surrogate, objective, X))
    assert found.value == pytest.approx((0.3, 0.65), abs=0.01)
    assert found.trusted is None
    for value, ((low, high),) in zip(found.value, found.intervals, strict=True):
        assert low <= value <= high
