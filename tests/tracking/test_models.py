"""MLflow models as networks: those from code and of ONNX are harvested, pickled ones are refused."""

import gc
import shutil
from pathlib import Path

import mlflow.pyfunc
import numpy as np
import onnx
import pytest
import torch
from mlflow.models import infer_signature
from safetensors.torch import save_file

from pipeline.data.network import save_network
from pipeline.data.schema import Column, Schema
from pipeline.errors import BundleError
from pipeline.families.catalog import load_network
from pipeline.families.checkpoints.family import Checkpoints, CheckpointSettings
from pipeline.families.checkpoints.mlflow_network import MlflowNetwork, onnx_file
from pipeline.families.protocol import Data
from pipeline.tracking.models import fetch
from pipeline.tracking.store import open_store
from tests.families.checkpoints.test_onnx_network import write

COLUMNS = Schema(
    hyperparameter=Column(name="slope"),
    outputs=(Column(name="y"), Column(name="z")),
    conditions=(Column(name="x"), Column(name="kind", kind="categorical")),
)
X = np.array([[1.0, 0.0], [-3.0, 1.0]], np.float32)
CODE = """
import mlflow, numpy as np, pandas as pd

class Line(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        noise = np.random.default_rng((params or {})["seed"]).normal(size=len(model_input))
        y = model_input["x"] + 10 * model_input["kind"]
        return pd.DataFrame({"z": noise, "y": y})

mlflow.models.set_model(Line())
"""


class Pickled(mlflow.pyfunc.PythonModel):  # type: ignore[name-defined]
    def predict(self, context, model_input, params=None):
        return model_input


@pytest.fixture(scope="module")
def from_code(tmp_path_factory) -> Path:
    import pandas as pd

    folder = tmp_path_factory.mktemp("from_code")
    (folder / "line.py").write_text(CODE)
    inputs, outputs = pd.DataFrame({"x": [0.5], "kind": [1]}), pd.DataFrame({"z": [0.0], "y": [0.5]})
    mlflow.pyfunc.save_model(
        str(folder / "model"),
        python_model=str(folder / "line.py"),
        signature=infer_signature(inputs, outputs, {"seed": 0}),
        pip_requirements=[],
    )
    return folder / "model"


def test_model_from_code_is_asked_by_names(from_code):
    network = MlflowNetwork.read(from_code, COLUMNS)
    outputs = network.outputs(X, 3, 7)
    assert outputs.shape == (2, 3, 2)
    np.testing.assert_array_equal(outputs[..., 0], np.repeat([[1.0], [7.0]], 3, axis=1))
    assert len(np.unique(outputs[..., 1])) == 6
    np.testing.assert_array_equal(outputs, network.outputs(X, 3, 7))
    assert not np.array_equal(outputs, network.outputs(X, 3, 8))


def test_model_from_code_comes_back_as_it_was(from_code, tmp_path):
    network = MlflowNetwork.read(from_code, COLUMNS)
    save_network(network, tmp_path / "saved")
    np.testing.assert_array_equal(load_network(tmp_path / "saved").outputs(X, 2, 1), network.outputs(X, 2, 1))
    (tmp_path / "saved" / "columns.json").write_text("{}")
    with pytest.raises(BundleError, match=r"columns.json is corrupted"):
        load_network(tmp_path / "saved")


def test_pickled_model_is_refused(tmp_path):
    mlflow.pyfunc.save_model(str(tmp_path / "model"), python_model=Pickled(), pip_requirements=[])
    with pytest.raises(BundleError, match=r"flavours \['python_function'\], which loads by unpickling; log it"):
        MlflowNetwork.read(tmp_path / "model", COLUMNS)


def test_onnx_flavour_gives_its_file(tmp_path):
    import mlflow.onnx

    model = onnx.load(write(tmp_path / "a.onnx"))
    # Larger tensors than these MLflow writes beside the file by itself.
    for tensor in model.graph.initializer:
        onnx.external_data_helper.set_external_data(tensor, "w.data")
    mlflow.onnx.save_model(model, str(tmp_path / "model"), pip_requirements=[])
    assert len(list((tmp_path / "model").glob("*data*"))) == 1
    assert onnx_file(tmp_path / "model").is_file()
    family = Checkpoints(CheckpointSettings(checkpoints={1.0: "model"}, columns=COLUMNS))
    network, _ = family.train(Data({}, {"source": str(tmp_path)}), 1.0, 0)
    np.testing.assert_allclose(network.outputs(X, 1, 0)[:, 0], X * [2, -1], rtol=1e-6)


@pytest.mark.parametrize("place", ["gone.onnx", "../a.onnx"])
def test_onnx_flavour_without_its_file_is_refused(tmp_path, place):
    write(tmp_path / "a.onnx")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "MLmodel").write_text(f"flavors: {{onnx: {{data: {place}}}}}")
    with pytest.raises(BundleError, match=rf"names the ONNX model '{place}', which is not a file in"):
        onnx_file(tmp_path / "model")


@pytest.mark.parametrize(
    "change",
    [{"loader_module": "mlflow.sklearn", "model_path": "model.pkl"}, {"model_code_path": "gone.py"}],
)
def test_description_that_pretends_to_be_from_code_is_refused(from_code, tmp_path, change):
    import yaml

    shutil.copytree(from_code, tmp_path / "model")
    description = yaml.safe_load((tmp_path / "model" / "MLmodel").read_text())
    description["flavors"]["python_function"] |= change
    (tmp_path / "model" / "MLmodel").write_text(yaml.safe_dump(description))
    with pytest.raises(BundleError, match="which loads by unpickling"):
        MlflowNetwork.read(tmp_path / "model", COLUMNS)


@pytest.mark.parametrize("text", ["", "[]", "flavors", "a: ["])
def test_corrupted_description_is_refused(tmp_path, text):
    (tmp_path / "MLmodel").write_text(text)
    with pytest.raises(BundleError, match=r"MLmodel is corrupted, it lists no flavours"):
        MlflowNetwork.read(tmp_path, COLUMNS)


@pytest.fixture
def store(empty_store, tmp_path, monkeypatch):
    """A checkout with a store of its own, in which a run has weights and a model from code, which is registered."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    monkeypatch.chdir(tmp_path)
    return open_store(tmp_path)


def test_places_in_an_mlflow_store_are_fetched(store, from_code, tmp_path, monkeypatch):
    client = store.client()
    experiment = client.create_experiment("lines", artifact_location=f"{store.artifacts}/lines")
    run_id = client.create_run(experiment).info.run_id
    save_file({"weight": torch.tensor([[2.0, 0.0], [0.0, 1.0]]), "bias": torch.zeros(2)}, tmp_path / "w.safetensors")
    client.log_artifact(run_id, str(tmp_path / "w.safetensors"), "weights")
    client.log_artifacts(run_id, str(from_code), "model")
    client.create_registered_model("line")
    client.create_model_version("line", f"{store.artifacts}/lines/{run_id}/artifacts/model", run_id)
    (tmp_path / "line_nets.py").write_text("from torch import nn\n\ndef build(value):\n    return nn.Linear(2, 2)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    places = {1.0: f"runs:/{run_id}/weights/w.safetensors", 2.0: "models:/line/1", 3.0: f"runs:/{run_id}/model"}
    family = Checkpoints(CheckpointSettings(checkpoints=places, columns=COLUMNS, build="line_nets:build"))
    networks = [family.train(Data({}, {"source": "."}), value, 0)[0] for value in places]
    np.testing.assert_allclose(networks[0].outputs(X, 1, 0)[:, 0], X * [2, 1])
    for network in networks[1:]:
        np.testing.assert_array_equal(network.outputs(X, 1, 0)[:, 0, 0], [1.0, 7.0])
    folder = networks[1].folder  # type: ignore[attr-defined]
    save_network(networks[1], tmp_path / "saved")
    del network, networks[1]
    gc.collect()
    assert not folder.exists()  # what was fetched is kept as long as the network that it is
    np.testing.assert_array_equal(load_network(tmp_path / "saved").outputs(X, 1, 0)[:, 0, 0], [1.0, 7.0])


def test_place_that_the_store_does_not_hold_is_named(store, tmp_path):
    for uri in ("models:/absent/1", f"runs:/{'0' * 32}/w.safetensors"):
        with pytest.raises(BundleError, match=rf"{uri} cannot be fetched from sqlite:.*MLFLOW_TRACKING_URI"):
            fetch(uri, tmp_path)
    family = Checkpoints(CheckpointSettings(checkpoints={1.0: "models:/absent/1"}, columns=COLUMNS))
    with pytest.raises(BundleError, match=r"train.checkpoints, λ = 1.0: models:/absent/1 cannot be fetched"):
        family.train(Data({}, {"source": "."}), 1.0, 0)
