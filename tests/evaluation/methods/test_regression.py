import numpy as np
import pytest
import torch

from pipeline.data.harvest import Harvest
from pipeline.evaluation.methods import regression
from pipeline.evaluation.methods.regression import METHOD, energy_scores
from tests.evaluation.methods.situations import fitting, shuffled

CONTEXTS = np.random.default_rng(0).normal(size=(120, 2))
ANCHORS = (2.0, 3.0, 4.0)


def law(value, x=CONTEXTS):
    """Linear in λ."""
    return np.stack([x[:, 0] + 2 * value, 10 - x[:, 1] * value], axis=1)


def forecasts(**options):
    return Harvest.from_arrays(ANCHORS, [law(a) for a in ANCHORS], [CONTEXTS] * 3, deterministic=True, **options)


def clouds(rows=300):
    """One Gaussian of two categories: its mean is λ, or −λ, and its deviation 1 + λ."""
    rng = np.random.default_rng(1)
    codes = np.arange(rows)[:, None] % 2
    sign = 1 - 2 * codes
    outputs = [sign * a + (1 + a) * rng.normal(size=(rows, 1)) for a in (0.0, 0.5, 1.0)]
    return Harvest.from_arrays((0.0, 0.5, 1.0), outputs, [codes] * 3, "categorical")


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(regression, "STEPS", 20)


@pytest.mark.slow
def test_a_law_that_is_linear_in_lambda_is_recovered_between_the_anchors():
    fitted = METHOD.fit(fitting(forecasts(), deterministic=True))
    inner = CONTEXTS[np.abs(CONTEXTS).max(1) < 1.5]
    found = fitted.sample(inner, 2.5, 1, 0)[:, 0]
    assert np.sqrt(np.mean((found - law(2.5, inner)) ** 2)) < 0.05 * law(2.5).std()


@pytest.mark.slow
def test_draws_have_the_mean_and_the_deviation_of_the_truth():
    fitted = METHOD.fit(fitting(clouds(1000), deterministic=False))
    found = fitted.sample(np.array([[0.0], [1.0]]), 0.75, 4000, 0)[..., 0]
    np.testing.assert_allclose(found.mean(1), [0.75, -0.75], atol=0.25)
    np.testing.assert_allclose(found.std(1), 1.75, rtol=0.15)


def test_the_energy_score_is_that_of_its_definition_and_unbiased():
    outputs = torch.tensor([[[0.0], [2.0], [6.0]]])
    # E|Y − y| = (1 + 1 + 5) / 3; E|Y − Y'| over distinct draws = (2 + 6 + 4) / 3
    torch.testing.assert_close(energy_scores(outputs, torch.tensor([[1.0]])), torch.tensor([7 / 3 - 2.0]))


def test_a_point_mass_at_the_target_scores_nothing_and_the_gradient_there_is_finite():
    outputs = torch.zeros(2, 4, 3, requires_grad=True)
    score = energy_scores(outputs, torch.zeros(2, 3))
    score.sum().backward()
    torch.testing.assert_close(score, torch.zeros(2), atol=1e-5, rtol=0)
    assert outputs.grad.isfinite().all()


@pytest.mark.parametrize("deterministic", [True, False])
def test_fits_depend_on_the_seed_alone_and_leave_the_global_generator_as_it_is(short, deterministic):
    harvest = forecasts() if deterministic else clouds()
    state, x = torch.get_rng_state(), harvest.conditions[0][:9]
    one, again, other = (METHOD.fit(fitting(harvest, deterministic=deterministic, seed=s)) for s in (3, 3, 4))
    assert torch.equal(state, torch.get_rng_state())
    value = harvest.values[0] + 0.2
    np.testing.assert_array_equal(one.sample(x, value, 2, 5), again.sample(x, value, 2, 5))
    assert not np.array_equal(one.sample(x, value, 2, 5), other.sample(x, value, 2, 5))


@pytest.mark.parametrize("deterministic", [True, False])
def test_the_order_of_rows_does_not_matter(short, deterministic):
    harvest = forecasts() if deterministic else clouds()
    x, value = harvest.conditions[0][:9], harvest.values[0] + 0.2
    one, other = (METHOD.fit(fitting(h, deterministic=deterministic)) for h in (harvest, shuffled(harvest)))
    np.testing.assert_array_equal(one.sample(x, value, 2, 5), other.sample(x, value, 2, 5))


def test_draws_belong_to_their_condition_and_not_to_its_row(short):
    fitted = METHOD.fit(fitting(clouds(), deterministic=False))
    x = np.array([[0.0], [1.0]])
    np.testing.assert_allclose(fitted.sample(x[::-1], 0.3, 4, 5)[::-1], fitted.sample(x, 0.3, 4, 5), rtol=1e-5)
    doubled = fitted.sample(np.array([[0.0], [0.0]]), 0.3, 4, 5)
    assert len(np.unique(doubled)) == 8


def test_outputs_stay_within_bounds_and_angles_on_their_circle(short):
    x = CONTEXTS[:, :1]
    outputs = [np.hstack([np.clip(x * a, 0, 1), np.arctan2(x, a)]) for a in ANCHORS]
    harvest = Harvest.from_arrays(
        ANCHORS, outputs, [x] * 3, deterministic=True, output_kind=["continuous", "circular"], bounds={"y0": (0.0, 1.0)}
    )
    found = METHOD.fit(fitting(harvest, deterministic=True)).sample(4 * x, 2.7, 1, 0)
    assert found.shape == (120, 1, 2)
    assert (found[..., 0].min() >= 0, found[..., 0].max() <= 1) == (True, True)
    assert np.abs(found[..., 1]).max() <= np.pi


def test_several_hyperparameters_are_inputs_like_one(short):
    anchors = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    harvest = Harvest.from_arrays(anchors, [CONTEXTS + a for a in anchors], [CONTEXTS] * 4, deterministic=True)
    assert METHOD.fit(fitting(harvest, deterministic=True)).sample(CONTEXTS, (0.5, 0.2), 3, 0).shape == (120, 3, 2)
