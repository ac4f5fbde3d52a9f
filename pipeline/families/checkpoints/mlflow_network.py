"""An MLflow model from code as a network; it is run by MLflow's pyfunc interface, and saved unchanged."""

import shutil
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from pipeline.data.schema import Schema
from pipeline.errors import BundleError
from pipeline.families.protocol import by_condition
from pipeline.storage.atomic import write_json
from pipeline.storage.files import read_json

MLFLOW_FILE = "columns.json"
FOLDER = "model"
LOADERS = ("mlflow.pyfunc.loaders.code_model", "mlflow.pyfunc.model")
"""Loaders of models from code. Those of other flavours unpickle."""
DESCRIPTION = "MLmodel"


class MlflowNetwork:
    """A network from an MLflow model from code.

    `predict` gets a frame with the conditions' names and gives the outputs, a frame with their names or an array; where
    its signature has a parameter "seed", it gets that, and rows of the same condition are independent draws.
    """

    family: ClassVar[str] = "checkpoints"

    def __init__(self, folder: Path, columns: Schema) -> None:
        self.folder = folder
        self.columns = columns

    @classmethod
    def read(cls, folder: Path, columns: Schema) -> "MlflowNetwork":
        """Use a model's folder; BundleError where it is not a model, or would have to be unpickled."""
        flavors = _flavors(folder)
        pyfunc = flavors.get("python_function", {})
        code = folder / Path(str(pyfunc.get("model_code_path"))).name
        if pyfunc.get("loader_module") not in LOADERS or "python_model" in pyfunc or not code.is_file():
            raise BundleError(
                f"{folder} is an MLflow model with the flavours {sorted(flavors)}, which loads by unpickling; log it "
                "from code (python_model='model.py'), or as ONNX, or its state_dict as an artifact of safetensors"
            )
        return cls(folder, columns)

    @classmethod
    def load(cls, folder: Path) -> "MlflowNetwork":
        """Read what `save` wrote; BundleError where it is corrupted."""
        try:
            columns = Schema.model_validate(read_json(folder / MLFLOW_FILE, "network"))
        except ValidationError as error:
            raise BundleError(f"{folder / MLFLOW_FILE} is corrupted: {error}") from error
        return cls.read(folder / FOLDER, columns)

    def outputs(self, conditions: NDArray[np.floating], draws: int, seed: int) -> NDArray[np.float32]:
        """Outputs (N, draws, D) at conditions (N, C)."""
        from pipeline.tracking.models import predict

        rows = np.repeat(conditions, draws, axis=0)
        frame = {column.name: rows[:, i] for i, column in enumerate(self.columns.conditions)}
        values = predict(self._model, frame, len(rows), [column.name for column in self.columns.outputs], seed)
        return by_condition(values, len(conditions), draws, str(self.folder))

    def save(self, folder: Path) -> None:
        """Copy the model's folder, and write the schema of its inputs and outputs."""
        shutil.copytree(self.folder, folder / FOLDER, ignore=shutil.ignore_patterns("__pycache__"))
        write_json(folder / MLFLOW_FILE, self.columns.model_dump())

    @cached_property
    def _model(self) -> Any:
        from pipeline.tracking.models import load_model

        return load_model(self.folder)


def onnx_file(folder: Path) -> Path | None:
    """The ONNX file of an MLflow model that has such a flavour; BundleError where it is not in its folder."""
    name = _flavors(folder).get("onnx", {}).get("data")
    if not name:
        return None
    path = folder / str(name)
    if not path.is_file() or not path.resolve().is_relative_to(folder.resolve()):
        raise BundleError(f"{folder / DESCRIPTION} names the ONNX model {name!r}, which is not a file in {folder}")
    return path


def _flavors(folder: Path) -> dict[str, Any]:
    import yaml

    path = folder / DESCRIPTION
    if not path.is_file():
        raise BundleError(f"{folder} holds no {DESCRIPTION}: it is not an MLflow model; name a file in it, or a model")
    try:
        return dict(yaml.safe_load(path.read_text(encoding="utf-8"))["flavors"])
    except (yaml.YAMLError, TypeError, KeyError, ValueError) as error:
        raise BundleError(f"{path} is corrupted, it lists no flavours: {error}") from error
