import warnings

import numpy as np
import pytest

from pipeline.data.harvest import Harvest
from pipeline.evaluation.methods.catalog import all_methods
from pipeline.evaluation.methods.variants import METHODS, settings_of
from pipeline.surrogate.config import SurrogateConfig
from pipeline.transport.variant import VARIANTS, terms_of
from tests.clouds import MOMENT, moment
from tests.evaluation.methods.situations import fitting

BY_NAME = {method.name: method for method in METHODS}


def test_every_variant_is_a_dear_baseline_of_its_own_look():
    assert tuple(BY_NAME) == tuple(VARIANTS)
    assert {(m.role, m.cost) for m in METHODS} == {("baseline", "dear")}
    others = [(m.colour, m.marker) for m in all_methods()]
    assert len(set(others)) == len(others)


def test_straight_paths_and_the_linear_clock_are_the_line_between_the_true_ends():
    x = np.random.default_rng(0).normal(size=(30, 2))
    ends = [x, np.stack([x[:, 1] ** 2, 3 - x[:, 0]], axis=1)]
    harvest = Harvest.from_arrays((1.0, 3.0), ends, [x] * 2, deterministic=True)
    fitted = BY_NAME["K_I"].fit(fitting(harvest, deterministic=True, clock="linear"))
    for value, s in ((1.0, 0.0), (1.5, 0.25), (3.0, 1.0)):
        expected = (1 - s) * ends[0] + s * ends[1]
        np.testing.assert_allclose(fitted.sample(x, value, 2, 0), np.repeat(expected[:, None], 2, 1), atol=1e-5)


@pytest.mark.parametrize("name", list(VARIANTS))
def test_settings_keep_all_that_is_not_another_variants(name):
    given = SurrogateConfig(variant="K_I", interpolation="pchip", clock="log", alpha=0.3, path_steps=7)
    made = settings_of(name, given, ["a"])
    expected = {"variant": name, "interpolation": "linear"}
    assert made.model_dump() == {**given.model_dump(), **expected}


def test_a_list_of_straight_hyperparameters_does_not_turn_a_variant_into_straight_lines():
    given = SurrogateConfig(variant="K_theta", straight=("a", "b"))
    assert settings_of("K_theta", given, ["a", "b"]).straight == "auto"
    assert settings_of("K_theta", given, ["a", "b", "c"]).straight == ("a", "b")
    assert settings_of("K_I", given, ["a", "b", "c"]).straight == "auto"


def test_a_fitted_variant_is_the_one_that_it_is_called(cloud):
    for name in ("K_I-U", "NLOT"):
        settings = moment().model_dump() | {"clock": "linear"}
        fitted = BY_NAME[name].fit(fitting(cloud, deterministic=False, **settings))
        assert fitted.surrogate.config.variant == name
        assert (fitted.surrogate._parts.lagrangian.potential is not None) == terms_of(name).potential


def test_a_harvest_without_networks_is_asked_in_silence(cloud):
    fitted = BY_NAME["K_I"].fit(fitting(cloud, deterministic=False, **MOMENT.model_dump()))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = fitted.sample(cloud.conditions[0][:4], 0.3, 2, 0)
    assert found.shape == (4, 2, 2)
