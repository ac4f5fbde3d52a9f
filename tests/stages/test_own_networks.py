"""Networks of one's own to the end of the line: registered, and asked where their code is not."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from pipeline.stages import compare, dataset, fit, harvest, ingest, leave_out, register, timing, train, validate
from tests.families.checkpoints.test_onnx_network import write
from tests.families.readme import family_text, preset

QUICK = {"variant": "K_I", "clock": "linear", "map_steps": 50, "seed": 0, "device": "cpu"}
ASK = """
import json, sys, warnings
warnings.simplefilter("ignore")
import mlflow
mlflow.set_tracking_uri(sys.argv[1])
model = mlflow.pyfunc.load_model(sys.argv[2])
samples = model.predict(model.input_example, params={"hyperparameter": float(sys.argv[3]), "draws": 3, "seed": 0})
print(json.dumps(samples.iloc[:, 2].tolist()))
"""

pytestmark = pytest.mark.slow


@pytest.fixture
def root(tmp_path, monkeypatch, empty_store):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for name in [name for name in sys.modules if name.partition(".")[0] in ("controller", "trained")]:
        del sys.modules[name]


def registered(config):
    """Run every stage; the model's URI."""
    ingest.run(config)
    for value in map(str, config.sweep.values):
        train.run(config, value)
        harvest.run(config, value)
    dataset.run(config)
    fit.run(config)
    timing.run(config)
    leave_out.run(config)
    compare.run(config)
    validate.run(config)
    return register.run(config, []).uri


def ask(root, uri, value, elsewhere):
    """First output of two conditions, three draws each, from a process that sees nothing of the checkout's root."""
    command = [sys.executable, "-c", ASK, f"sqlite:///{root / 'mlflow.db'}", uri, str(value)]
    done = subprocess.run(command, cwd=elsewhere, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return np.array(json.loads(done.stdout.splitlines()[-1])).reshape(2, 3)


def test_readmes_family_is_served_with_its_code(root, tmp_path_factory):
    (root / "controller.py").write_text(family_text(), encoding="utf-8")
    config = preset("controller", fit=QUICK)
    uri = registered(config)
    (root / "controller.py").unlink()
    forces = ask(root, uri, 1.0, tmp_path_factory.mktemp("elsewhere"))
    assert np.abs(forces).max() <= 1
    assert np.ptp(forces, axis=1).min() > 0  # draws


def test_checkpoints_are_served_with_what_builds_them(root, tmp_path_factory):
    # One λ by its weights, one as ONNX: both are y = (2 a, -b), and so is everything in between.
    folder = root / "trained"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "nets.py").write_text(
        "from torch import nn\n\ndef build(value):\n    return nn.Linear(2, 2, bias=False)\n"
    )
    rng = np.random.default_rng(0)
    np.savez(folder / "contexts.npz", a=rng.normal(size=80), b=rng.normal(size=80))
    save_file({"weight": torch.tensor([[2.0, 0.0], [0.0, -1.0]])}, folder / "one.safetensors")
    write(folder / "two.onnx")
    columns = {
        "hyperparameter": {"name": "price"},
        "outputs": [{"name": "y"}, {"name": "z"}],
        "conditions": [{"name": "a"}, {"name": "b"}],
        "deterministic": True,
    }
    settings = {"checkpoints": {1.0: "one.safetensors", 2.0: "two.onnx"}, "build": "trained.nets:build"}
    config = preset(
        "trained",
        sweep={"values": [1.0, 2.0], "anchors": [1.0, 2.0]},
        train=settings | {"conditions": "contexts.npz", "columns": columns},
        fit=QUICK,
    )
    uri = registered(config)
    (folder / "nets.py").unlink()
    example = np.load(folder / "contexts.npz")["a"]
    for value in (1.0, 1.5, 2.0):
        drawn = ask(root, uri, value, tmp_path_factory.mktemp("elsewhere"))
        assert (np.ptp(drawn, axis=1) == 0).all()
        assert np.abs(drawn[:, :1] - 2 * example.astype(np.float32)).min(axis=1).max() < 0.02
