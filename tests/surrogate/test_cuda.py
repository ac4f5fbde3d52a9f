"""A surrogate on a GPU: fitted there, moved there, and loaded there, it answers as on the CPU."""

import numpy as np
import pytest
import torch

from pipeline.data.harvest import Harvest
from pipeline.surrogate import Surrogate
from pipeline.surrogate.config import SurrogateConfig

pytestmark = [
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
    pytest.mark.filterwarnings("ignore:this surrogate carries no networks"),
]
BRIEF = {"path_steps": 60, "coupling_rounds": 2, "map_steps": 100}
X = np.linspace(-1, 1, 60)[:, None]


def draws(dimension=2, anchors=(0.0, 0.5, 1.0), count=60, zeros=False) -> Harvest:
    rng = np.random.default_rng(0)
    y = [np.abs(rng.normal(size=(2 * count, dimension))) + 2 * a for a in anchors]
    if zeros:
        y = [np.maximum(values - 1.2, 0) for values in y]
    x = [np.repeat([[0.0], [1.0]], count, axis=0)] * len(anchors)
    return Harvest.from_arrays(anchors, y, x, "categorical", deterministic=False)


def deterministic(dimension=3) -> Harvest:
    anchors = (0.1, 0.5, 0.9)
    y = [np.sin((1 + a) * X + np.arange(dimension)) for a in anchors]
    return Harvest.from_arrays(anchors, y, [X] * 3, deterministic=True)


def several() -> Harvest:
    rng = np.random.default_rng(0)
    vertices = [(a, b) for a in (0.0, 0.5, 1.0) for b in (0.0, 1.0)]
    y = [rng.normal(size=(80, 2)) * (1 + b) + 3 * a for a, b in vertices]
    return Harvest.from_arrays(vertices, y, [np.zeros((80, 0))] * 6, deterministic=False)


def angles() -> Harvest:
    rng = np.random.default_rng(0)
    y = [((np.pi * a + rng.vonmises(0, 9, (80, 1)) + np.pi) % (2 * np.pi)) - np.pi for a in (0.0, 0.5, 1.0)]
    bounds = {"y0": (-np.pi, np.pi)}
    none = [np.zeros((80, 0))] * 3
    return Harvest.from_arrays([0, 0.5, 1], y, none, deterministic=False, output_kind="circular", bounds=bounds)


CASES = {
    "straight": (draws, {"variant": "K_I"}),
    "curved": (draws, {"variant": "K_theta-U", **BRIEF}),
    "atoms": (lambda: draws(zeros=True), {"variant": "K_I"}),
    "components": (lambda: draws(20), {"variant": "K_theta-U", **BRIEF}),
    "deterministic": (deterministic, {"variant": "K_theta", **BRIEF}),
    "several": (several, {"variant": "K_theta-U", **BRIEF}),
    "angles": (angles, {"variant": "K_I"}),
}


def answers(surrogate: Surrogate, harvest: Harvest) -> list[np.ndarray]:
    """Answers inside the first cell, by `sample`, and by `transport` from the first anchor."""
    first, last = harvest.values[0], harvest.values[-1]
    value = tuple(0.3 * a + 0.7 * b for a, b in zip(np.atleast_1d(first), np.atleast_1d(last), strict=True))
    target = value if len(value) > 1 else value[0]
    x, y = harvest.conditions[0][::7], harvest.outputs[0][::7] + 0.01
    return [surrogate.sample(x, target, draws=3), surrogate.transport(y, x, first, target)]


@pytest.mark.parametrize("case", CASES)
def test_moved_to_the_gpu_it_answers_the_same(case):
    harvest, settings = CASES[case][0](), SurrogateConfig.model_validate(CASES[case][1])
    surrogate = Surrogate.fit(harvest, settings)
    on_cpu = answers(surrogate, harvest)
    for there, here in zip(answers(surrogate.to("cuda"), harvest), on_cpu, strict=True):
        np.testing.assert_allclose(there, here, atol=2e-4 * np.abs(here).max())


@pytest.mark.parametrize("case", CASES)
def test_fitted_on_the_gpu_it_is_as_good_and_loads_on_the_cpu(case, tmp_path):
    harvest, settings = CASES[case][0](), SurrogateConfig.model_validate(CASES[case][1])
    surrogate = Surrogate.fit(harvest, settings, device="cuda")
    assert surrogate.device.type == "cuda"
    surrogate.save(tmp_path / "bundle")
    loaded = Surrogate.load(tmp_path / "bundle")
    assert loaded.device.type == "cpu"
    other = Surrogate.fit(harvest, settings)
    spread = np.concatenate(harvest.outputs).std()
    for there, here, cpu in zip(
        answers(surrogate, harvest), answers(loaded, harvest), answers(other, harvest), strict=True
    ):
        np.testing.assert_allclose(there, here, atol=2e-4 * np.abs(here).max())
        # Training differs by rounding, which paths amplify: the same answers up to a fraction of the outputs' spread.
        assert np.sqrt(np.mean((here - cpu) ** 2)) < 0.3 * spread


def test_tensors_on_the_gpu_come_back_there():
    surrogate = Surrogate.fit(deterministic(), SurrogateConfig(variant="K_I"), device="cuda")
    x = torch.tensor(X, dtype=torch.float32, device="cuda")
    found = surrogate.sample(x, 0.3)
    assert found.device.type == "cuda"
    assert found.dtype == torch.float32
