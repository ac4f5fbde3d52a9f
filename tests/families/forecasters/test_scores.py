import numpy as np
import pytest
import torch
from scipy.stats import norm

from pipeline.families.forecasters.pinball import pinball_loss as torch_loss
from pipeline.families.forecasters.scores import level_error, pinball_loss


def test_the_loss_is_the_one_of_training():
    forecast, truth = np.random.default_rng(0).standard_normal((2, 50, 3)).astype(np.float32)
    expected = float(torch_loss(torch.tensor(forecast), torch.tensor(truth), 0.2))
    assert pinball_loss(forecast, truth, 0.2) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.8])
def test_the_true_quantile_has_the_least_loss_its_closed_form_and_its_level(quantile):
    # Of N(0, 1) the loss of z = Φ⁻¹(q) is φ(z).
    truth, z = np.random.default_rng(1).standard_normal((200_000, 1)), norm.ppf(quantile)
    assert pinball_loss(np.full_like(truth, z), truth, quantile) == pytest.approx(norm.pdf(z), abs=0.005)
    for other in (z - 0.3, z + 0.3):
        assert pinball_loss(np.full_like(truth, other), truth, quantile) > norm.pdf(z)
        off = abs(norm.cdf(other) - quantile)
        assert level_error(np.full_like(truth, other), truth, quantile) == pytest.approx(off, abs=0.005)
    assert level_error(np.full_like(truth, z), truth, quantile) < 0.005
