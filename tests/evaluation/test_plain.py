"""Plain methods as surrogates: they answer as the methods do."""

import numpy as np
import pytest

from pipeline.evaluation.evaluate import evaluate
from pipeline.evaluation.plain import SETTINGS, plain_settings
from pipeline.evaluation.scores import SURROGATE
from pipeline.surrogate import Surrogate
from pipeline.surrogate.config import SurrogateConfig
from tests.evaluation.test_advice import harvest


@pytest.mark.parametrize("method", SETTINGS)
def test_the_surrogate_of_a_method_has_the_errors_of_the_method(method):
    score = harvest(lambda value, x: np.sin(3 * value + x) + value**2 * x)
    plain = Surrogate.fit(score.select((0.0, 0.5, 1.0)), plain_settings(method, SurrogateConfig()), seed=0)
    found = evaluate(plain, score)
    for value in (0.25, 0.75):
        assert found.at(SURROGATE, value).error == pytest.approx(found.at(method, value).error, rel=1e-3)


def test_other_methods_are_no_surrogates():
    assert plain_settings("nearest_anchor", SurrogateConfig()) is None
