import pytest

from pipeline.data.harvest import Harvest
from pipeline.errors import BundleError
from pipeline.stages import fit
from pipeline.surrogate import Surrogate
from pipeline.surrogate.fitted import Candidate
from tests.evaluation.oracles import ConstantVelocity
from tests.sweeps import sweep_config

QUICK = {
    "variant": "K_I",
    "clock": "linear",
    "speed": "uniform",
    "interpolation": "linear",
    "alpha": 0.1,
    "map_steps": 5,
    "seed": 0,
    "device": "cpu",
}


@pytest.mark.slow
def test_surrogate_of_the_dataset_is_saved(swept):
    config, root = swept
    config = config.model_copy(update={"fit": type(config.fit)(**QUICK)})
    fit.run(config, root)
    surrogate = Surrogate.load(root / config.folder / "surrogate")
    assert surrogate.anchors == config.sweep.anchors
    assert surrogate.schema == Harvest.load(root / config.folder / "dataset" / "fit").schema
    assert surrogate.config == config.fit.surrogate()
    assert not list((root / config.folder).glob(".*"))


def test_fit_before_dataset_is_refused(root):
    with pytest.raises(BundleError, match="does not contain a complete harvest"):
        fit.run(sweep_config(), root)


def test_what_was_compared_is_told_in_one_line():
    candidates = (Candidate("K_I", 0.123456, chosen=True), Candidate("K_I-U", 0.1), Candidate("clock linear", 0.12))
    assert fit.compared(ConstantVelocity(candidates=candidates)) == "K_I 0.123 (chosen), K_I-U 0.1, clock linear 0.12"
    prior = (Candidate("K_I", chosen=True, remark="declared prior"),)
    assert fit.compared(ConstantVelocity(candidates=prior)) == "K_I (chosen; declared prior)"
