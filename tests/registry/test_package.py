import sys
from dataclasses import replace
from pathlib import Path
from typing import get_args

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException
from mlflow.models import Model
from mlflow.types import DataType

from pipeline.errors import RegistryError
from pipeline.registry.package import (
    PACKAGE,
    Candidate,
    describe,
    foreign_modules,
    input_example,
    locate,
    pinned,
    save_model,
    signature,
)
from pipeline.serving.flavour import Flavour
from pipeline.surrogate.barriers import Barrier, Mixture


@pytest.fixture(scope="module")
def model_folder(fitted_surrogate, small_harvest, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    fitted_surrogate.save(folder / "surrogate")
    save_model(folder / "model", Candidate(folder / "surrogate", fitted_surrogate, small_harvest.conditions[0][:2]))
    return folder / "model"


def test_the_signature_names_every_column(fitted_surrogate):
    made = signature(fitted_surrogate)
    assert made.inputs is None  # MLflow would drop unknown columns
    assert made.outputs.input_names() == ["row", "draw", "east", "north"]
    assert made.outputs.input_types() == [DataType.long, DataType.long, DataType.double, DataType.double]
    defaults = {param.name: (param.dtype, param.default) for param in made.params.params}
    assert defaults == {
        "hyperparameter": (DataType.double, None),
        "s": (DataType.double, []),
        "draws": (DataType.long, 1),
        "seed": (DataType.long, 0),
        "strict": (DataType.boolean, False),
        "return_bands": (DataType.boolean, False),
        "return_paths": (DataType.boolean, False),
    }


def test_the_metadata_tells_units_kinds_and_anchors(fitted_surrogate, model_folder):
    told = Model.load(str(model_folder)).metadata
    served = {"answer_rows": 1_000_000, "flavour": "torch"}
    assert told == describe(fitted_surrogate) | served | {"package": told["package"]}
    assert told["units"] == {"category": "", "east": "m", "north": "m"}
    assert told["conditions"][0] == {"name": "category", "units": "", "kind": "categorical", "lower": 0, "upper": 3}
    assert told["anchors"] == [0.0, 0.5, 1.0]
    assert told["broken_intervals"] == []
    assert told["digest"] == fitted_surrogate.digest


def test_the_metadata_tells_broken_intervals(fitted_surrogate):
    ridge = Mixture(0.5, 0.25, 0.0, 9.0, 9.0, 0.1)
    barriers = [Barrier((0.0, 0.5), "reward", 2, (ridge,), (1.0, -1.0)), Barrier((0.5, 1.0), "reward", 2, ())]
    (told,) = describe(fitted_surrogate.with_barriers(barriers))["broken_intervals"]
    served = "the network of 0.5 below 0.25 and the network of 0 above"
    assert told == {"anchors": [0.0, 0.5], "served": served, "train_at": 0.25}


def test_the_model_holds_the_package_and_the_bundle_and_no_pickle(model_folder):
    files = {path.relative_to(model_folder) for path in model_folder.rglob("*") if path.is_file()}
    sources = {
        Path("code", Model.load(str(model_folder)).metadata["package"]) / path.relative_to(PACKAGE)
        for path in PACKAGE.rglob("*.py")
    }
    assert sources <= files
    assert {f.suffix for f in files if f.parts[0] == "artifacts"} == {".json", ".safetensors"}
    assert not {f for f in files if f.suffix in {".pkl", ".pickle", ".pt", ".pyc"}}


def test_the_limit_of_an_answer_is_saved(fitted_surrogate, small_harvest, tmp_path, monkeypatch):
    fitted_surrogate.save(tmp_path / "surrogate")
    candidate = Candidate(tmp_path / "surrogate", fitted_surrogate, small_harvest.conditions[0][:2], answer_rows=5)
    save_model(tmp_path / "model", candidate)
    monkeypatch.setattr(sys, "path", list(sys.path))
    model = mlflow.pyfunc.load_model(str(tmp_path / "model"))
    assert model.metadata.metadata["answer_rows"] == 5
    with pytest.raises(MlflowException, match="1 rows × 6 draws are more than the 5 rows"):
        model.predict([[0]], params={"hyperparameter": 0.3, "draws": 6})


def test_both_flavours_answer_alike_and_one_needs_no_torch(fitted_surrogate, small_harvest, tmp_path, monkeypatch):
    fitted_surrogate.save(tmp_path / "surrogate")
    answers = {}
    monkeypatch.setattr(sys, "path", list(sys.path))
    for flavour in get_args(Flavour):
        candidate = Candidate(
            tmp_path / "surrogate", fitted_surrogate, small_harvest.conditions[0][:2], flavour=flavour
        )
        save_model(tmp_path / flavour, candidate)
        model = mlflow.pyfunc.load_model(str(tmp_path / flavour))
        assert model.metadata.metadata["flavour"] == flavour
        params = {"s": [0.2, 0.7], "draws": 3, "seed": 4, "return_bands": True, "return_paths": True}
        answers[flavour] = model.predict(pd.DataFrame({"category": [0, 3, 3]}), params=params)
    pd.testing.assert_frame_equal(answers["onnx"], answers["torch"], rtol=1e-5, atol=1e-5)
    required = (tmp_path / "onnx" / "requirements.txt").read_text()
    assert "onnxruntime==" in required
    assert "torch" not in required
    base = pd.DataFrame({"category": [0], "base_east": [0.1], "base_north": [0.2], "base_s": [0.0]})
    with pytest.raises(MlflowException, match="does not move outputs of one's own"):
        mlflow.pyfunc.load_model(str(tmp_path / "onnx")).predict(base, params={"s": [0.7]})


def test_how_it_is_served_makes_another_version(fitted_surrogate, small_harvest, tmp_path):
    default = Candidate(tmp_path, fitted_surrogate, small_harvest.conditions[0][:2])
    others = [replace(default, flavour="onnx"), replace(default, answer_rows=5), replace(default, answer_rows=6)]
    assert default.identity == fitted_surrogate.digest
    assert len({default.identity, *(other.identity for other in others)}) == 4


def test_requirements_are_pinned_without_local_parts(model_folder):
    lines = (model_folder / "requirements.txt").read_text().split()
    assert all("==" in line and "+" not in line for line in lines)
    assert f"numpy=={np.__version__}" in lines


def test_the_input_example_is_a_frame_with_parameters(fitted_surrogate):
    frame, params = input_example(fitted_surrogate, np.array([[2.0], [3.0]]))
    pd.testing.assert_frame_equal(frame, pd.DataFrame({"category": [2.0, 3.0]}))
    assert params == {"hyperparameter": 0.5, "draws": 2, "seed": 0}


def test_a_surrogate_without_conditions_takes_rows_alone(fitted_surrogate, monkeypatch):
    schema = fitted_surrogate.schema.model_copy(update={"conditions": ()})
    monkeypatch.setattr(fitted_surrogate, "_description", replace(fitted_surrogate._description, schema=schema))
    assert input_example(fitted_surrogate, np.zeros((2, 0))) is None


def test_a_family_by_import_path_brings_its_code(tmp_path, monkeypatch):
    (tmp_path / "own_family").mkdir()
    (tmp_path / "own_family" / "__init__.py").touch()
    (tmp_path / "own_module.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    families = [
        "own_family.nets:Net",
        "own_module:Net",
        "semicircles",
        "pipeline.families.semicircles.family:Semicircles",
    ]
    assert foreign_modules(families) == {"own_family", "own_module"}
    assert locate(foreign_modules(families)) == ([tmp_path / "own_family", tmp_path / "own_module.py"], [])
    assert locate(["scipy"]) == ([], ["scipy"])
    with pytest.raises(RegistryError, match="'no_such_module' of a network family has no source file"):
        locate(["no_such_module"])


def test_pins_are_installed_versions():
    assert pinned("pydantic").startswith("pydantic==2.")
