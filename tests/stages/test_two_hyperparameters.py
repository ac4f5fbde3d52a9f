"""The family of two hyperparameters in docs/networks.md, from its text to a surrogate whose answers are the truth."""

import sys

import numpy as np
import pytest

from pipeline.data.values import in_words
from pipeline.stages import dataset, fit, harvest, ingest, train
from pipeline.surrogate import Surrogate
from tests.families.readme import blocks, preset


@pytest.fixture
def config(tmp_path, monkeypatch):
    (text,) = (block for block in blocks("docs/networks.md", "python") if "class Spring" in block)
    (tmp_path / "spring.py").write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    yield preset("spring")
    sys.modules.pop("spring", None)


def test_the_spring_of_the_documents_is_interpolated(config):
    ingest.run(config)
    for value in config.sweep.values:
        text = in_words(value, config.sweep.names)
        train.run(config, text)
        harvest.run(config, text)
    dataset.run(config)
    fit.run(config)
    surrogate = Surrogate.load(config.folder / "surrogate")
    x = np.linspace(-1, 1, 9)[:, None]
    for price, target in config.sweep.held_out:
        found = surrogate.sample(x, {"price": price, "target": target})[:, 0]
        # The clock of the price is estimated from three anchors: forces move by 1 / (1 + price).
        np.testing.assert_allclose(found, (target - x) / (1 + price), atol=0.1)
