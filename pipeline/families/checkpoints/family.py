"""Networks that were trained elsewhere, harvested as they are: files by λ, or models of an MLflow store.

What counts as a checkpoint of one λ: a state_dict (safetensors, or a torch file that holds tensors alone), for which
`build` makes the module; an ONNX file; an MLflow model from code, or one with an ONNX flavour. Nothing is unpickled.
"""

import json
import re
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator, model_validator

from pipeline.data.network import Network
from pipeline.data.schema import Schema
from pipeline.errors import BundleError, ConfigurationError, DataError, HyperparameterError
from pipeline.families.checkpoints.contexts import divide, read_contexts
from pipeline.families.checkpoints.mlflow_network import MLFLOW_FILE, MlflowNetwork, onnx_file
from pipeline.families.checkpoints.onnx_network import MODEL_FILE, ONNX, OnnxNetwork
from pipeline.families.checkpoints.states import REMEDY, SAFETENSORS, TORCH, read_state
from pipeline.families.imports import check_watched, checksums, import_object
from pipeline.families.protocol import Data, Hyperparameter, IngestSection, Split
from pipeline.families.torch_family import Family
from pipeline.settings import Section

if TYPE_CHECKING:
    from torch import nn

URI = re.compile(r"(runs|models):/")
FIXED_URI = re.compile(r"runs:/[^/]+/.+|models:/[^/@]+/\d+|models:/m-[0-9a-f]+")
Place = Annotated[str, Field(min_length=1)]


class CheckpointSettings(Section):
    """Where the checkpoints are, and the columns of their inputs and outputs.

    checkpoints: a place for every λ, or one pattern for all, with {value} for λ ("policy-{value:g}.pt"), or, where
    there are several hyperparameters, with their names ("q{quantile}-s{noise:g}.pt"). A place is a file or folder in
    ingest.source, or a fixed MLflow URI (runs:/ID/path, models:/name/version). columns: the schema.
    conditions: the file of conditions in ingest.source, which has the schema's column names; "" where ingest.source is
    that file, or there are no conditions. build: import path of a function from λ to the module that a state_dict is
    loaded into. key: the entry of a torch file that is the state_dict, where the file has several.
    """

    checkpoints: Place | dict[float, Place]
    columns: Schema
    conditions: str = ""
    build: str = ""
    key: str = ""

    @field_validator("checkpoints")
    @classmethod
    def _uris_are_fixed(cls, given: str | dict[float, str]) -> str | dict[float, str]:
        for place in [given] if isinstance(given, str) else given.values():
            if URI.match(place) and not FIXED_URI.fullmatch(place):
                raise ValueError(
                    f"{place} is not a fixed MLflow URI: an alias or a stage may change unnoticed; use "
                    "runs:/ID/PATH or models:/NAME/VERSION"
                )
        return given

    @property
    def fields(self) -> tuple[str, ...]:
        """What stands in a pattern's braces: value, or the names of several hyperparameters."""
        columns = self.columns.hyperparameters
        return ("value",) if len(columns) == 1 else tuple(column.name for column in columns)

    @model_validator(mode="after")
    def _pattern_tells_every_value(self) -> Self:
        if not isinstance(self.checkpoints, str):
            if len(self.fields) > 1:
                raise ValueError(f"train.checkpoints: give one pattern with {_braces(self.fields)} for all λ")
            return self
        for field in self.fields:
            at = dict.fromkeys(self.fields, 0.25)
            try:
                one, other = self.checkpoints.format(**at), self.checkpoints.format(**{**at, field: 0.75})
            except (KeyError, IndexError, ValueError) as error:
                raise ValueError(
                    f"train.checkpoints: a pattern with {_braces(self.fields)} for λ is needed, and no other braces "
                    f"({error!r})"
                ) from error
            if one == other:
                raise ValueError(
                    "train.checkpoints: every λ would have the same checkpoint; write {" + field + "} where λ stands"
                    if len(self.fields) == 1
                    else "train.checkpoints: the pattern lacks {"
                    + field
                    + "}; the same checkpoint would serve all of it"
                )
        return self


def _braces(fields: tuple[str, ...]) -> str:
    return " and ".join("{" + field + "}" for field in fields)


class Checkpoints(Family):
    """The family; "training" fetches the checkpoint of one λ."""

    Settings = CheckpointSettings
    settings: CheckpointSettings

    @property
    def code(self) -> tuple[str, ...]:
        """The function that builds the modules."""
        return (self.settings.build,) if self.settings.build else ()

    def check_hyperparameter(self, value: Hyperparameter) -> None:
        """Raise HyperparameterError where no checkpoint is named for this λ."""
        self._place(value)

    def ingest(self, source: Path, settings: IngestSection) -> Data:
        """Read the conditions (N, C) float64, and note the checksums of all of ingest.source.

        Raises DataError where a named file is missing or does not hold conditions, ConfigurationError where such a file
        or the code of `build` lies outside ingest.source: DVC would not notice a change to it.
        """
        if not source.exists():
            raise DataError(f"ingest.source = {source} does not exist; set the folder that holds the checkpoints")
        if self.settings.build:
            import_object(self.settings.build, "train.build")
            check_watched(self.settings.build, source, "train.build")
        columns, contexts = self.settings.columns.conditions, np.zeros((1, 0))
        if columns:
            path = _inside(source, self.settings.conditions, "train.conditions")
            contexts = read_contexts(path, columns)
        if isinstance(self.settings.checkpoints, dict):
            for value, place in self.settings.checkpoints.items():
                if not URI.match(place):
                    _inside(source, place, f"train.checkpoints, λ = {value}")
        return Data({"contexts": contexts}, {"source": str(source), "sha256": json.dumps(checksums(source))})

    def schema(self, data: Data) -> Schema:
        """The schema of the settings."""
        return self.settings.columns

    def build(self, hyperparameter: Hyperparameter) -> "nn.Module":
        """The module that `build` returns for this λ; ConfigurationError where it returns none."""
        from torch import nn

        module = import_object(self.settings.build, "train.build")(hyperparameter)
        if not isinstance(module, nn.Module):
            raise ConfigurationError(
                f"train.build = {self.settings.build!r} returned {type(module).__name__} for λ = {hyperparameter}; "
                "a torch.nn.Module is needed"
            )
        return module

    def train(self, data: Data, hyperparameter: Hyperparameter, seed: int) -> tuple[Network, dict[str, float]]:
        """Fetch the checkpoint of one λ; there are no metrics.

        Raises BundleError where it is missing, broken, pickled, or does not fit the module that `build` returns.
        """
        place, source = self._place(hyperparameter), Path(data.attributes["source"])
        try:
            if not URI.match(place):
                return self._network(_inside(source, place, "train.checkpoints"), hyperparameter), {}
            folder = Path(tempfile.mkdtemp())
            try:
                from pipeline.tracking.models import fetch

                network = self._network(fetch(place, folder), hyperparameter)
            except BaseException:
                shutil.rmtree(folder)
                raise
            weakref.finalize(network, shutil.rmtree, folder, ignore_errors=True)
        except (BundleError, DataError) as error:
            raise BundleError(f"train.checkpoints, λ = {hyperparameter}: {error}") from error
        return network, {}

    def conditions(self, data: Data, split: Split, count: int, seed: int) -> NDArray[np.float32]:
        """Contexts (n, C) of a split, as `pipeline.families.checkpoints.contexts.divide` selects them."""
        return divide(data.arrays["contexts"], self.settings.columns.conditions, split, count, seed)

    @classmethod
    def load(cls, folder: Path) -> Network:
        """Read back a network of any kind; BundleError where files are missing or corrupted."""
        if (folder / MODEL_FILE).is_file():
            return OnnxNetwork.load(folder)
        if (folder / MLFLOW_FILE).is_file():
            return MlflowNetwork.load(folder)
        return super().load(folder)

    def _place(self, value: Hyperparameter) -> str:
        places = self.settings.checkpoints
        if isinstance(places, str):
            return places.format(**(value if isinstance(value, dict) else {"value": value}))
        if value not in places:
            raise HyperparameterError(
                f"train.checkpoints names no checkpoint for λ = {value}, only for {sorted(places)}; add it"
            )
        return places[value]

    def _network(self, path: Path, hyperparameter: Hyperparameter) -> Network:
        columns = self.settings.columns
        if path.is_dir():
            exported = onnx_file(path)
            return OnnxNetwork.read(exported, columns) if exported else MlflowNetwork.read(path, columns)
        if path.suffix == ONNX:
            return OnnxNetwork.read(path, columns)
        if path.suffix not in (SAFETENSORS, *TORCH):
            raise BundleError(
                f"{path} is not a checkpoint that can be read without unpickling ({SAFETENSORS}, {', '.join(TORCH)}, "
                f"{ONNX}, an MLflow model's folder); {REMEDY}"
            )
        if not self.settings.build:
            raise ConfigurationError(
                f"train.build is empty, and {path} holds weights only; name the function that builds the module"
            )
        state = read_state(path, self.settings.key)
        module = self.build(hyperparameter)
        try:
            module.load_state_dict(state)
        except RuntimeError as error:
            reason = " ".join(str(error).split())
            raise BundleError(
                f"{path} does not fit the module that train.build = {self.settings.build!r} makes: {reason}"
            ) from error
        return self.network(module, hyperparameter)


def _inside(source: Path, name: str, field: str) -> Path:
    """A file or folder of ingest.source by its name; "" stands for ingest.source itself, where that is a file."""
    path = (source if source.is_dir() else source.parent) / name if name else source
    if not path.exists():
        raise DataError(f"{field} = {name!r}: {path} does not exist; paths are relative to ingest.source = {source}")
    # DVC reads the file that a link leads to, but does not enter a folder by one.
    home = path.resolve() if path.is_dir() or path == source else path.parent.resolve() / path.name
    if not home.is_relative_to(source.resolve()) or (path == source and source.is_dir()):
        raise ConfigurationError(
            f"{field} = {name!r}: {path} is not within ingest.source = {source}, which is all that DVC watches; set "
            "ingest.source to a folder that holds it"
        )
    return path
