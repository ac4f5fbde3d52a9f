"""A certificate travels with the bundle, changes no output, and is heeded where λ is asked."""

import json
import warnings

import numpy as np
import pytest

from pipeline.data.harvest import Harvest
from pipeline.errors import BundleError, ConfigurationError, HyperparameterError
from pipeline.surrogate import Surrogate
from pipeline.surrogate.config import SurrogateConfig
from pipeline.surrogate.regions import Cluster, Doubt, Region, objections

X = np.linspace(-1, 1, 12)[:, None]
REGIONS = (
    Region(0.0, 0.4, "trusted", ("tested at 0.2",)),
    Region(0.4, 1.0, "not trusted", ("at 0.7 the error 3 is more than 1.5 times 1 (nearest anchor)",)),
    Region(1.0, 2.0, "untested", ("nothing is held out here",)),
)


@pytest.fixture(scope="module")
def plain():
    harvest = Harvest.from_arrays([0.0, 1.0, 2.0], [X, X + 1, X + 2], [X] * 3, deterministic=True)
    return Surrogate.fit(harvest, SurrogateConfig(variant="K_I", clock="linear"))


@pytest.fixture(scope="module")
def certified(plain):
    return plain.certified(REGIONS)


def said(surrogate, value, **options):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        surrogate.sample(X[:3], value, **options)
    return [str(w.message) for w in caught if "no networks" not in str(w.message)]


def test_it_changes_neither_outputs_nor_the_digest(plain, certified):
    assert certified.digest == plain.digest
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert np.array_equal(certified.sample(X, 0.7), plain.sample(X, 0.7))
    assert plain.certificate == ()


@pytest.mark.parametrize("value", [0.0, 0.2, 0.4, 1.0, 2.0])
def test_trusted_values_and_anchors_are_answered_in_silence(certified, value):
    assert said(certified, value) == []
    certified.sample(X[:3], value, strict=True)


def test_other_values_are_answered_with_a_warning_and_the_reason(certified):
    (warning,) = said(certified, 0.7)
    assert warning.endswith("not trusted from 0.4 to 1: at 0.7 the error 3 is more than 1.5 times 1 (nearest anchor)")
    assert said(certified, 1.5)[0].endswith("untested from 1 to 2: nothing is held out here")
    assert len(said(certified, np.array([0.2, 0.7, 1.5]))) == 2


def test_strict_refuses_them(certified):
    with pytest.raises(HyperparameterError, match=r"nothing is held out here; ask without strict"):
        certified.sample(X[:3], 1.5, strict=True)
    with pytest.raises(HyperparameterError, match=r"not trusted from 0.4 to 1"):
        certified.sample(X[:2], np.array([0.2, 0.7]), strict=True)


def test_without_a_certificate_nothing_is_refused(plain):
    assert said(plain, 0.7, strict=True) == []


def test_it_is_in_the_bundle(certified, tmp_path):
    certified.save(tmp_path / "surrogate")
    again = Surrogate.load(tmp_path / "surrogate")
    assert again.certificate == REGIONS
    assert again.digest == certified.digest
    path = tmp_path / "surrogate" / "surrogate.json"
    document = json.loads(path.read_text())
    document["certificate"][0]["status"] = "blessed"
    path.write_text(json.dumps(document))
    with pytest.raises(BundleError, match="blessed"):
        Surrogate.load(tmp_path / "surrogate")


def test_regions_of_other_anchors_are_refused(plain):
    with pytest.raises(ConfigurationError, match=r"do not run from 0.0 to 2.0"):
        plain.certified(REGIONS[:2])
    with pytest.raises(ConfigurationError, match="do not run"):
        plain.certified(REGIONS[::-1])


def test_a_border_belongs_to_its_neighbour():
    assert objections(REGIONS, np.array([0.4]), X[:1], (0.0, 1.0, 2.0)) == []
    assert objections(REGIONS, np.array([0.41, 1.0]), X[:2], (0.0, 1.0, 2.0)) == [REGIONS[1].verdict]


LOW = Cluster("conditions with x around -0.5", (-0.5,), ((0.5,),), (2.0,))
DOUBTED = (Region(0.0, 2.0, "trusted", ("tested at 0.2",), (Doubt(LOW, ("at 0.2 the error is 3 times",)),)),)


def test_a_cluster_holds_what_is_nearer_to_its_centre_than_to_any_other():
    assert LOW.holds(np.array([[-9.0], [-0.01], [0.01], [9.0]])).tolist() == [True, True, False, False]


def test_conditions_of_a_doubted_cluster_are_not_trusted_and_the_others_are(plain, tmp_path):
    certified = plain.certified(DOUBTED)
    with pytest.raises(
        HyperparameterError, match=r"not trusted from 0 to 2 at conditions with x around -0\.5: at 0\.2 the"
    ):
        certified.sample(X, 0.3, strict=True)
    certified.sample(X[X[:, 0] > 0], 0.3, strict=True)
    certified.sample(X, np.where(X[:, 0] > 0, 0.3, 1.0), strict=True)  # at an anchor, the anchor's own
    certified.save(tmp_path / "surrogate")
    assert Surrogate.load(tmp_path / "surrogate").certificate == DOUBTED
