from pathlib import Path

import pytest

from pipeline.stages import dataset, harvest, ingest, train
from tests.sweeps import line_harvest, sweep_config, write_source


@pytest.fixture
def root(tmp_path) -> Path:
    """A folder with the source of every small sweep."""
    write_source(tmp_path)
    line_harvest((0.0, 0.5, 1.0)).save(tmp_path / "handed")
    return tmp_path


@pytest.fixture(scope="session", params=["quantile_forecaster", "semicircles"])
def swept(request, tmp_path_factory):
    """A small sweep up to its dataset: (config, root)."""
    folder, config = tmp_path_factory.mktemp("swept"), sweep_config(request.param)
    write_source(folder)
    ingest.run(config, folder)
    for value in map(str, config.sweep.values):
        train.run(config, value, folder)
        harvest.run(config, value, folder)
    dataset.run(config, folder)
    return config, folder
