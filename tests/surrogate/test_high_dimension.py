"""Many outputs: transport acts on leading components, whatever the number of outputs."""

import os
import subprocess
import sys

import numpy as np
import pytest

from pipeline.data.harvest import Harvest
from pipeline.surrogate import Surrogate
from tests.clouds import ANCHORS, moment
from tests.paths import CHECKOUT

MEMORY = """
import resource
from benchmarks.high_dimension import ANCHORS, GreatCircles
from pipeline.surrogate import Surrogate
from tests.clouds import moment

harvest = GreatCircles(784).harvest(ANCHORS, 100, 0)
for variant in ("K_I", "K_theta-U"):
    fitted = Surrogate.fit(harvest, moment(variant=variant))
    fitted.sample(harvest.conditions[0], 0.3)
    fitted.transport(harvest.outputs[0], harvest.conditions[0], 0.2, 0.8)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)
"""


def bent(dimension: int, rows: int = 60) -> Harvest:
    """Draws of two conditions about a curve of three directions in R^D, with a little noise in all directions."""
    rng = np.random.default_rng(0)
    frame, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(dimension, 3)))
    x = np.repeat([[0.0], [1.0]], rows, axis=0)
    outputs = []
    for value in ANCHORS:
        curve = np.column_stack([2 * value + x[:, 0], value**2 + 0 * x[:, 0], x[:, 0]])
        inner = curve + rng.normal(0, 0.3, (len(x), 3))
        outputs.append(inner @ frame.T + rng.normal(0, 0.01 / np.sqrt(dimension), (len(x), dimension)))
    return Harvest.from_arrays(ANCHORS, outputs, [x] * 3, "categorical", deterministic=False)


@pytest.fixture(scope="module", params=[("K_I", 256), ("K_theta-U", 256), ("K_theta-U", 12)], ids=str)
def fitted(request) -> tuple[Surrogate, Harvest]:
    variant, dimension = request.param
    harvest = bent(dimension)
    return Surrogate.fit(harvest, moment(variant=variant)), harvest


@pytest.mark.filterwarnings("ignore:this surrogate carries no networks")
def test_samples_are_exact_at_the_anchors_and_vary_in_between(fitted):
    surrogate, harvest = fitted
    for value, own in zip(ANCHORS, harvest.outputs, strict=True):
        found = surrogate.sample(harvest.conditions[0], value)[:, 0]
        np.testing.assert_array_equal(np.sort(found, axis=0), np.sort(own, axis=0))
    assert surrogate.sample(harvest.conditions[0], 0.3).std() > 0


def test_transport_goes_to_the_mean_of_the_other_anchor_and_returns(fitted):
    surrogate, harvest = fitted
    x, start = harvest.conditions[0], harvest.outputs[0]
    moved = surrogate.transport(start, x, 0.0, 0.5)
    for category in (0, 1):
        rows = x[:, 0] == category
        gap = moved[rows].mean(0) - harvest.outputs[1][rows].mean(0)
        assert np.linalg.norm(gap) < 0.15 * np.linalg.norm(harvest.outputs[1][rows].mean(0) - start[rows].mean(0))
    np.testing.assert_allclose(surrogate.transport(moved, x, 0.5, 0.0), start, atol=2e-3)


def test_the_share_of_variance_is_stored(fitted, tmp_path):
    surrogate, harvest = fitted
    assert 0.99 < surrogate.variance_share < 1
    surrogate.save(tmp_path / "s")
    loaded = Surrogate.load(tmp_path / "s")
    assert loaded.variance_share == surrogate.variance_share
    assert loaded.digest == surrogate.digest
    x, y = harvest.conditions[0], harvest.outputs[0]
    np.testing.assert_array_equal(loaded.transport(y, x, 0.2, 0.9), surrogate.transport(y, x, 0.2, 0.9))
    np.testing.assert_array_equal(loaded.log_density(y, x), surrogate.log_density(y, x))


def test_few_rows_and_many_are_answered_alike(fitted):
    """Few rows are moved on NumPy arrays, many by torch."""
    surrogate, harvest = fitted
    x, y = np.tile(harvest.conditions[0], (10, 1)), np.tile(harvest.outputs[0], (10, 1))
    few = surrogate.transport(y[:5], x[:5], 0.0, 0.4)
    np.testing.assert_allclose(surrogate.transport(y, x, 0.0, 0.4)[:5], few, atol=1e-4)


def test_deterministic_outputs_of_many_columns():
    """An affine family: lines between the anchors are the truth."""
    rng = np.random.default_rng(0)
    x, frame = rng.normal(size=(80, 2)), rng.normal(size=(2, 300))
    outputs = [(1 + value) * x @ frame + value for value in ANCHORS]
    harvest = Harvest.from_arrays(ANCHORS, outputs, [x] * 3, deterministic=True)
    surrogate = Surrogate.fit(harvest, moment(clock="linear"))
    moved = surrogate.transport(outputs[0], x, 0.0, 0.75)
    np.testing.assert_allclose(moved, 1.75 * x @ frame + 0.75, atol=0.02 * np.abs(outputs[0]).max())


@pytest.mark.slow
def test_784_outputs_take_less_than_2_gib():
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(CHECKOUT)}
    command = [sys.executable, "-W", "ignore", "-c", MEMORY]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 2
