import pytest

from pipeline.data.schema import Column, Schema
from pipeline.errors import ConfigurationError
from pipeline.serving.limits import default_limit, read_limit
from pipeline.serving.parameters import Asked, list_names, middle, parameter_names, read_params

ONE = Schema(hyperparameter=Column(name="quantile"), outputs=(Column(name="y"),), conditions=())
TWO = ONE.model_copy(update={"further_hyperparameters": (Column(name="noise"),)})
UNNAMED = ONE.model_copy(update={"hyperparameter": Column(name="hyperparameter")})
PLAIN = {"listed": False, "draws": 1, "seed": 0, "strict": False, "bands": False, "paths": False}


def test_names_of_the_parameters():
    assert parameter_names(ONE) == ("hyperparameter", "quantile")
    assert parameter_names(TWO) == ("quantile", "noise")
    assert list_names(UNNAMED) == {"hyperparameter": "hyperparameters"}


def test_the_middle_anchor():
    assert middle([(a,) for a in (0.01, 0.5, 0.99)]) == (0.5,)
    assert middle([(a,) for a in (0.0, 1.0, 2.0, 3.0)]) == (1.0,)
    assert middle([(q, s) for q in (0.1, 0.5, 0.9) for s in (0.0, 100.0)]) == (0.5, 0.0)
    assert middle([(0.0, 0.0), (1.0, 0.0), (0.0, 1.0)]) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, Asked(values={}, **PLAIN)),
        ({"hyperparameter": 1, "draws": 3}, Asked({"quantile": (1.0,)}, **PLAIN | {"draws": 3})),
        ({"hyperparameter": None, "quantile": []}, Asked({}, **PLAIN)),
        ({"quantile": [0.1, 0.9]}, Asked({"quantile": (0.1, 0.9)}, **PLAIN | {"listed": True})),
        ({"quantile": 0.5}, Asked({"quantile": (0.5,)}, **PLAIN | {"listed": True})),
        ({"strict": True, "return_bands": True, "return_paths": True, "seed": 2}, Asked({}, False, 1, 2, *[True] * 3)),
    ],
)
def test_what_is_asked(params, expected):
    assert read_params(params, ONE) == expected


def test_several_hyperparameters_have_lists_of_their_own():
    asked = read_params({"noise": [40], "quantile": [0.1, 0.2]}, TWO)
    assert asked.values == {"quantile": (0.1, 0.2), "noise": (40.0,)}


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"draws": 0}, "draws = 0; must be at least 1"),
        ({"seed": -1}, "seed = -1; must be 0 or greater"),
        ({"seed": None}, "parameter 'seed' is null"),
        ({"quantile": [None]}, "parameter 'quantile' holds null"),
        ({"quantil": [0.5]}, r"parameters \['quantil'\] are unknown \(did you mean 'quantile'\?\)"),
        ({"hyperparameter": 0.5, "quantile": [0.5]}, "given twice"),
    ],
)
def test_parameters_that_cannot_be_used(params, message):
    with pytest.raises(ConfigurationError, match=message):
        read_params(params, ONE)


def test_the_limit_of_an_answer():
    assert default_limit(ONE) == 4_000_000 // 3
    assert read_limit({}, 7) == 7
    assert read_limit({"SURROGATE_ANSWER_ROWS": "12"}, 7) == 12
    for text in ("0", "-1", "many", "1e3"):
        with pytest.raises(ConfigurationError, match="SURROGATE_ANSWER_ROWS = "):
            read_limit({"SURROGATE_ANSWER_ROWS": text}, 7)
