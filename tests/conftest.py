"""A small harvest, quickly fitted surrogates and an empty MLflow store, for tests of what comes after the fit."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, settings

from pipeline.data.harvest import Harvest
from pipeline.data.schema import Column, Schema
from pipeline.families.semicircles.family import SemicircleNetwork
from pipeline.surrogate import Surrogate
from pipeline.surrogate.config import SurrogateConfig
from pipeline.tracking.store import open_store

# On a busy machine examples take long, and nothing is wrong with them.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")

torch.set_num_threads(1)  # a second thread gains nothing on tensors as small as these

pytest_plugins = ["tests.clouds", "tests.stores"]

ANCHORS = (0.0, 0.5, 1.0)
QUICK = SurrogateConfig(variant="K_I", clock="linear", map_steps=5)


@pytest.fixture(scope="session")
def small_harvest() -> Harvest:
    """Semicircles at three anchors, with their networks: ten draws of four categories."""
    categories = np.arange(4.0)[:, None]
    networks = [SemicircleNetwork(s) for s in ANCHORS]
    schema = Schema(
        hyperparameter=Column(name="s"),
        outputs=(Column(name="east", units="m"), Column(name="north", units="m")),
        conditions=(Column(name="category", kind="categorical", lower=0, upper=3),),
        deterministic=False,
    )
    return Harvest.from_arrays(
        ANCHORS,
        [n.outputs(categories, 10, 0).reshape(-1, 2) for n in networks],
        [np.repeat(categories, 10, axis=0)] * len(ANCHORS),
        networks=networks,
        schema=schema,
    )


@pytest.fixture(scope="session")
def fitted_surrogate(quick_fit) -> Surrogate:
    """A surrogate of the small harvest, fitted for a moment: its answers are valid, not good."""
    return quick_fit(0)


@pytest.fixture(scope="session")
def quick_fit(small_harvest):
    """Fit a surrogate of the small harvest for a moment, with another seed for another digest."""

    def fit(seed: int) -> Surrogate:
        return Surrogate.fit(small_harvest, QUICK, seed=seed)

    return fit


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory) -> Path:
    """A database with MLflow's tables: making them takes seconds, copying them none."""
    root = tmp_path_factory.mktemp("empty_store")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        open_store(root).client().search_registered_models()
    return root / "mlflow.db"
