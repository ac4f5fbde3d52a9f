import numpy as np
import pytest

from pipeline.data.network import save_network
from pipeline.errors import BundleError, ConfigurationError
from pipeline.families.catalog import family_class, load_network, make_family
from pipeline.families.protocol import NetworkFamily
from pipeline.families.quantile_forecaster.family import QuantileForecaster
from pipeline.families.semicircles.family import SemicircleNetwork, Semicircles


class Outside(Semicircles):
    """A family as a user would bring one, found by its import path."""


class WithoutTraining(Semicircles):
    train = None
    conditions = None


class OnlyTheProtocol(NetworkFamily):
    Settings = Semicircles.Settings


class WithoutSettings(Semicircles):
    Settings = None


def test_built_in_families_by_name():
    assert family_class("semicircles") is Semicircles
    assert family_class("quantile_forecaster") is QuantileForecaster


def test_any_family_by_its_import_path():
    assert family_class("tests.families.test_catalog:Outside") is Outside


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("semicircle", r"network = 'semicircle' is not a family; known are \['cancer_therapy', "),
        (".:x", r"network = '.:x' is not an import path; write package.module:name"),
        ("pipeline.absent:Family", r"pipeline.absent cannot be imported \(.*; .* root, or by PYTHONPATH"),
        ("pipeline.data.schema:Absent", "pipeline.data.schema holds no Absent"),
        ("pipeline.data.schema:Literal", "network = 'pipeline.data.schema:Literal' is not a class"),
        (
            "pipeline.data.schema:Schema",
            r"Schema lacks check_hyperparameter\(\), ingest\(\), train\(\), conditions\(\), load\(\); implement",
        ),
        ("tests.families.test_catalog:WithoutTraining", r"WithoutTraining lacks train\(\), conditions\(\); implement"),
        ("tests.families.test_catalog:OnlyTheProtocol", r"Protocol lacks check_hyperparameter\(\), ingest\(\), sch"),
        ("tests.families.test_catalog:WithoutSettings", "WithoutSettings lacks Settings"),
    ],
)
def test_what_is_no_family_is_refused(name, message):
    with pytest.raises(ConfigurationError, match=message):
        family_class(name)


def test_family_gets_its_settings_from_the_train_section():
    family = make_family("quantile_forecaster", {"history": 5})
    assert isinstance(family, QuantileForecaster)
    assert family.settings.history == 5


@pytest.mark.parametrize(
    ("train", "message"),
    [
        ({"histroy": 5}, r"train.histroy: unknown key \(value 5\)"),
        ({"history": 0}, r"train.history: .*greater than or equal to 1 \(received 0\)"),
        ({"hidden": [8, 0]}, r"train.hidden.1: .* \(received 0\)"),
        ({"learning_rate": "fast"}, r"train.learning_rate: .*valid number.* \(received 'fast'\)"),
    ],
)
def test_settings_that_do_not_fit_are_refused(train, message):
    with pytest.raises(ConfigurationError, match=message):
        make_family("quantile_forecaster", train)


def test_network_travels_with_the_name_of_its_family(tmp_path):
    save_network(SemicircleNetwork(0.4), tmp_path / "network")
    again = load_network(tmp_path / "network")
    x = np.array([[0.0], [3.0]])
    np.testing.assert_array_equal(again.outputs(x, 2, 1), SemicircleNetwork(0.4).outputs(x, 2, 1))


@pytest.mark.parametrize("text", ["[]", "{}", '{"family": 3}', "x"])
def test_corrupted_family_file_is_refused(tmp_path, text):
    (tmp_path / "family.json").write_text(text)
    with pytest.raises(BundleError, match=r"family\.json is corrupted"):
        load_network(tmp_path)


def test_unknown_family_of_a_file_is_no_fault_of_the_configuration(tmp_path):
    (tmp_path / "family.json").write_text('{"family": "semicirclfs"}')
    with pytest.raises(BundleError, match=r"family\.json is corrupted, or its family is not installed: .*semicirclfs"):
        load_network(tmp_path)


@pytest.mark.parametrize(
    ("former", "known"),
    [
        ("pipeline.networks.digits_vae:DigitsVAE", "digits_vae"),
        ("pipeline.networks.cancer_therapy:CancerTherapy", "cancer_therapy"),
        ("pipeline.families.policies.reacher:Reacher", "reacher"),
    ],
)
def test_import_paths_of_earlier_versions_are_found(former, known):
    assert family_class(former) is family_class(known)
