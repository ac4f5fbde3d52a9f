import numpy as np
import torch

from pipeline.families.policies.adam import Adam


def test_steps_are_those_of_torch():
    draws = np.random.default_rng(0)
    start, gradients = draws.normal(size=50).astype(np.float32), draws.normal(size=(200, 50)).astype(np.float32)
    gradients[:, :10] *= 1e-5  # where epsilon counts
    ours, theirs = start.copy(), torch.nn.Parameter(torch.from_numpy(start.copy()))
    adam, reference = Adam(ours, 1e-2), torch.optim.Adam([theirs], lr=1e-2, eps=1e-5)
    for gradient in gradients:
        adam.step(gradient)
        theirs.grad = torch.from_numpy(gradient.copy())
        reference.step()
    np.testing.assert_allclose(ours - start, theirs.detach().numpy() - start, rtol=1e-4, atol=1e-5)


def test_the_first_step_has_the_length_of_the_learning_rate():
    parameters = np.zeros(2, np.float32)
    Adam(parameters, 0.1).step(np.array([3.0, -0.2], np.float32))
    np.testing.assert_allclose(parameters, [-0.1, 0.1], rtol=1e-4)
