import shutil

import numpy as np
import pytest

from pipeline.data.harvest import Harvest
from pipeline.errors import BundleError, DataError
from pipeline.stages import dataset, ingest
from tests.sweeps import line_harvest, sweep_config


def load(config, root, split) -> Harvest:
    return Harvest.load(root / config.folder / "dataset" / split)


def test_fit_holds_the_anchors_and_score_every_value(swept):
    config, root = swept
    fit, score = load(config, root, "fit"), load(config, root, "score")
    assert tuple(fit.hyperparameter) == config.sweep.anchors
    assert tuple(score.hyperparameter) == config.sweep.values
    assert len(fit.networks) == len(config.sweep.anchors)
    assert len(score.networks) == len(config.sweep.values)


def test_rows_are_those_of_the_harvest_settings(swept):
    config, root = swept
    draws = config.harvest.draws
    assert {len(y) for y in load(config, root, "fit").outputs} == {config.harvest.fit_conditions * draws}
    assert {len(y) for y in load(config, root, "score").outputs} == {config.harvest.score_conditions * draws}


def test_outcomes_go_to_the_fit_where_the_family_knows_them(swept):
    config, root = swept
    assert load(config, root, "score").outcomes is None
    outcomes = load(config, root, "fit").outcomes
    assert (outcomes is not None) == (config.network == "quantile_forecaster")


def test_networks_belong_to_their_values(swept):
    config, root = swept
    score = load(config, root, "score")
    for value, network in zip(score.hyperparameter, score.networks, strict=True):
        assert getattr(network, "hyperparameter" if config.network == "quantile_forecaster" else "s") == value


def test_folders_of_a_former_sweep_are_passed_over(swept, tmp_path):
    config, root = swept
    shutil.copytree(root, tmp_path / "copy")
    harvests = tmp_path / "copy" / config.folder / "harvest"
    shutil.copytree(harvests / str(config.sweep.values[1]), harvests / "0.123")
    (harvests / ".0.5.abc.partial").mkdir()
    dataset.run(config, tmp_path / "copy")
    assert load(config, tmp_path / "copy", "score").digest == load(config, root, "score").digest


def test_dataset_before_any_harvest_is_refused(tmp_path):
    with pytest.raises(BundleError, match=r"data/small/harvest does not exist: .*; run stage harvest"):
        dataset.run(sweep_config(), tmp_path)


def test_missing_value_is_refused(swept, tmp_path):
    config, root = swept
    shutil.copytree(root / config.folder / "harvest", tmp_path / config.folder / "harvest")
    shutil.rmtree(tmp_path / config.folder / "harvest" / str(config.sweep.values[1]))
    with pytest.raises(BundleError, match=rf"has no harvest for λ = \[{config.sweep.values[1]}\], only for \["):
        dataset.run(config, tmp_path)


class TestHandedIn:
    def test_values_that_are_no_anchors_are_held_out(self, root):
        config = sweep_config("harvest")
        ingest.run(config, root)
        dataset.run(config, root)
        fit, score = load(config, root, "fit"), load(config, root, "score")
        assert fit.hyperparameter.tolist() == [0.0, 1.0]
        assert score.hyperparameter.tolist() == [0.0, 0.5, 1.0]
        seen = {row.tobytes() for row in np.concatenate(fit.conditions)}
        assert not seen & {row.tobytes() for row in np.concatenate(score.conditions)}

    def test_networks_stay(self, root):
        from pipeline.families.semicircles.family import SemicircleNetwork

        values, codes = (0.0, 0.5, 1.0), np.repeat(np.arange(4.0), 8)[:, None]
        networks = [SemicircleNetwork(v) for v in values]
        outputs = [n.outputs(codes, 1, 0)[:, 0] for n in networks]
        Harvest.from_arrays(values, outputs, [codes] * 3, "categorical", networks=networks).save(root / "handed")
        config = sweep_config("harvest")
        ingest.run(config, root)
        dataset.run(config, root)
        assert [n.s for n in load(config, root, "fit").networks] == [0.0, 1.0]
        assert [n.s for n in load(config, root, "score").networks] == [0.0, 0.5, 1.0]
        assert np.unique(load(config, root, "score").conditions[0], return_counts=True)[1].tolist() == [2] * 4

    def test_fraction_and_seed_decide(self, root):
        digests = set()
        for settings in ({}, {"seed": 1}, {"score_fraction": 0.5}):
            config = sweep_config("harvest", dataset={"source": "data/handed/data"} | settings)
            ingest.run(config, root)
            dataset.run(config, root)
            digests.add(load(config, root, "score").digest)
        assert len(digests) == 3

    def test_anchor_that_is_not_there_is_refused(self, root):
        line_harvest((0.0, 0.5)).save(root / "handed")
        config = sweep_config("harvest")
        ingest.run(config, root)
        with pytest.raises(DataError, match=r"sweep.anchors: \[1.0\] are not in the harvest"):
            dataset.run(config, root)
