import json

import numpy as np
import pytest

from pipeline.data.samples import read_samples
from pipeline.data.schema import Schema
from pipeline.errors import BundleError, ConfigurationError
from pipeline.families.catalog import load_network
from pipeline.stages import harvest
from pipeline.stages.harvest import draw_seed
from tests.sweeps import sweep_config


def samples(config, root, value, split):
    folder = root / config.folder / "harvest" / str(value)
    schema = Schema.model_validate(json.loads((folder / "schema.json").read_text()))
    return read_samples(folder / f"{split}.parquet", schema)


@pytest.mark.parametrize("split", ["fit", "score"])
def test_conditions_are_the_same_at_every_value(swept, split):
    config, root = swept
    first, *others = [samples(config, root, v, split)[1] for v in config.sweep.values]
    for other in others:
        np.testing.assert_array_equal(first, other)


def test_rows_are_the_networks_own_outputs(swept):
    config, root = swept
    for value in config.sweep.values:
        network = load_network(root / config.folder / "harvest" / str(value) / "network")
        outputs, conditions = samples(config, root, value, "score")
        draws = config.harvest.draws
        again = network.outputs(conditions[::draws], draws, draw_seed(config.harvest.seed, "score", value))
        np.testing.assert_array_equal(outputs, again.reshape(outputs.shape))


def test_contexts_of_score_are_not_those_of_fit_unless_they_are_categories(swept):
    config, root = swept
    fit, score = (
        {row.tobytes() for row in samples(config, root, config.sweep.values[0], s)[1]} for s in ("fit", "score")
    )
    assert fit == score if config.network == "semicircles" else not fit & score


def test_draws_of_stochastic_networks_are_independent(swept):
    config, root = swept
    if config.network != "semicircles":
        pytest.skip("stochastic networks only")
    drawn = np.concatenate([samples(config, root, v, s)[0] for v in config.sweep.values for s in ("fit", "score")])
    assert len(np.unique(drawn, axis=0)) == len(drawn)


def test_every_value_and_split_has_its_own_seed():
    seeds = [draw_seed(s, split, v) for s in (0, 1) for split in ("fit", "score") for v in (0.0, 0.25, 1.0, -1.0)]
    assert len(set(seeds)) == len(seeds)
    assert seeds[0] == draw_seed(0, "fit", 0.0)


def test_value_that_is_not_in_the_sweep_is_refused(root):
    with pytest.raises(ConfigurationError, match=r"'0\.3' is not one of sweep.values"):
        harvest.run(sweep_config(), "0.3", root)


def test_harvest_before_training_is_refused(root):
    with pytest.raises(BundleError, match="is missing"):
        harvest.run(sweep_config(), "0.1", root)
