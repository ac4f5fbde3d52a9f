"""A surrogate's bundle as an MLflow model folder: signature, units, code, requirements, input example."""

import hashlib
import importlib.metadata
import importlib.util
import json
import sysconfig
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import pipeline
from pipeline.data.schema import PARAMETERS, Column
from pipeline.errors import RegistryError
from pipeline.registry.served_code import copy_code, importable
from pipeline.serving.flavour import BUNDLE, EXPORT, Flavour
from pipeline.serving.limits import ANSWER_ROWS, default_limit
from pipeline.serving.parameters import LAMBDA, list_names, middle

if TYPE_CHECKING:
    from mlflow.models import ModelSignature

    from pipeline.data.network import Network
    from pipeline.surrogate import Surrogate

PACKAGE = Path(pipeline.__file__).parent
COMMON = ("numpy", "pydantic", "safetensors", "scipy")
REQUIREMENTS = (*COMMON, "mlflow", "pandas", "POT", "pyarrow", "PyYAML", "torch")
"""What loading and predicting import, as distributions; tests/registry/test_package.py compares."""
READER_REQUIREMENTS = (*COMMON, "onnxruntime")
"""As `REQUIREMENTS`, of an export by itself."""
ONNX_REQUIREMENTS = (*READER_REQUIREMENTS, "mlflow", "pandas")
"""As `REQUIREMENTS`, of a model that serves an export."""


@dataclass(frozen=True, eq=False)
class Candidate:
    """A surrogate to be packaged or registered, and the folder of its bundle.

    example: conditions (n, C) that the surrogate knows, shown to consumers as the input example. answer_rows: how many
    rows an answer may have; None is `serving.limits.default_limit`. flavour: what is served.
    """

    bundle: Path
    surrogate: "Surrogate"
    example: NDArray[np.floating]
    answer_rows: int | None = None
    flavour: Flavour = "torch"

    @property
    def limit(self) -> int:
        """How many rows an answer may have: rows × values of λ × draws."""
        return default_limit(self.surrogate.schema) if self.answer_rows is None else self.answer_rows

    @property
    def identity(self) -> str:
        """What makes it another version: surrogate, where it is trusted, whatever the reasons, and how it is served.

        Settings of serving count where they are not the default.
        """
        regions = [
            (r.low, r.high, r.status, *(doubt.cluster.name for doubt in r.doubts)) for r in self.surrogate.certificate
        ]
        served: dict[str, Any] = {} if self.flavour == "torch" else {"flavour": self.flavour}
        served |= {} if self.answer_rows is None else {ANSWER_ROWS: self.answer_rows}
        if not (regions or served):
            return self.surrogate.digest
        content = json.dumps([self.surrogate.digest, regions, *([served] if served else [])])
        return hashlib.sha256(content.encode()).hexdigest()


def save_model(folder: Path, candidate: Candidate) -> None:
    """Write an MLflow model to `folder`, which must not exist: the bundle, this package, and their description.

    Raises ConfigurationError where the flavour is onnx, and the surrogate cannot be exported.
    """
    import mlflow.pyfunc

    surrogate = candidate.surrogate

    code, packages = locate(foreign_modules(path for network in surrogate.networks or () for path in needed(network)))
    needs = REQUIREMENTS if candidate.flavour == "torch" else ONNX_REQUIREMENTS
    with TemporaryDirectory() as scratch, _artifacts(candidate) as artifacts:
        names = copy_code(PACKAGE, code, Path(scratch))
        with importable(Path(scratch), names):
            mlflow.pyfunc.save_model(
                str(folder),
                python_model=str(Path(scratch) / names[PACKAGE.name] / "serving" / "mlflow_model.py"),
                code_paths=[str(path) for path in sorted(Path(scratch).iterdir())],
                artifacts=artifacts,
                signature=signature(surrogate),
                metadata=describe(surrogate)
                | {ANSWER_ROWS: candidate.limit, "flavour": candidate.flavour, "package": names[PACKAGE.name]},
                model_config={ANSWER_ROWS: candidate.limit},
                input_example=input_example(surrogate, candidate.example),
                pip_requirements=[pinned(name) for name in sorted({*needs, *packages}, key=str.lower)],
            )


@contextmanager
def _artifacts(candidate: Candidate) -> Iterator[dict[str, str]]:
    """What the model's folder gets beside code: paths by the names of `serving.flavour`, while the context lasts."""
    bundle = {BUNDLE: str(candidate.bundle)}
    if candidate.flavour == "torch":
        yield bundle
        return
    from pipeline.export.write import write_export

    with TemporaryDirectory() as scratch:
        write_export(candidate.surrogate, Path(scratch) / EXPORT)
        yield bundle | {EXPORT: str(Path(scratch) / EXPORT)}


def signature(surrogate: "Surrogate") -> "ModelSignature":
    """Row, draw and named outputs out; λ and the other parameters. What goes in, `metadata` says, and `predict` checks.

    Of one hyperparameter λ is the parameter `hyperparameter`, a number; of one or more, a list by its own name. None
    has a default, because MLflow drops a misspelt one. An inputs schema would make MLflow drop unknown columns, refuse
    whole numbers as float64, and know nothing of columns that may be left out together.
    """
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema, TensorSpec

    columns: list[ColSpec | TensorSpec] = [ColSpec(DataType.long, "row"), ColSpec(DataType.long, "draw")]
    columns += [ColSpec(DataType.double, column.name) for column in surrogate.schema.outputs]
    lists = list_names(surrogate.schema).values()
    params = [ParamSpec(LAMBDA, DataType.double, None)] if len(lists) == 1 else []
    params += [ParamSpec(name, DataType.double, [], shape=(-1,)) for name in lists]
    params += [
        ParamSpec(name, DataType.boolean if isinstance(default, bool) else DataType.long, default)
        for name, default in PARAMETERS.items()
    ]
    return ModelSignature(outputs=Schema(columns), params=ParamSchema(params))


def describe(surrogate: "Surrogate") -> dict[str, Any]:
    """Metadata of the model: units, kinds and bounds of every column; λ, its anchors, broken intervals, certificate."""

    def rows(columns: Iterable[Column]) -> list[dict[str, Any]]:
        return [column.model_dump() for column in columns]

    schema = surrogate.schema
    every = (*schema.conditions, *schema.outputs)
    return {
        "units": {column.name: column.units for column in every},
        "conditions": rows(schema.conditions),
        "outputs": rows(schema.outputs),
        **_told(surrogate),
        "digest": surrogate.digest,
        "broken_intervals": [
            {"anchors": list(b.anchors), "served": b.served, "train_at": b.train_at}
            for b in surrogate.barriers or ()
            if b.broken
        ],
        "certificate": [asdict(region) for region in surrogate.certificate],
    }


def _told(surrogate: "Surrogate") -> dict[str, Any]:
    """What λ is, and its anchors: numbers, or mappings of the names of several hyperparameters."""
    columns = surrogate.schema.hyperparameters
    if len(columns) == 1:
        return {"hyperparameter": columns[0].model_dump(), "anchors": [value for (value,) in surrogate.vertices]}
    names = [column.name for column in columns]
    anchors = [dict(zip(names, vertex, strict=True)) for vertex in surrogate.vertices]
    return {"hyperparameters": [column.model_dump() for column in columns], "anchors": anchors}


def input_example(surrogate: "Surrogate", example: NDArray[np.floating]) -> Any:
    """Conditions and parameters as a consumer passes them: two draws at the anchor in the middle."""
    import pandas as pd

    columns, lists = surrogate.schema.conditions, list_names(surrogate.schema).values()
    frame = pd.DataFrame({c.name: example[:, i].astype(np.float64) for i, c in enumerate(columns)})
    values = middle(surrogate.vertices)
    single = {LAMBDA: values[0]} if len(lists) == 1 else {n: [v] for n, v in zip(lists, values, strict=True)}
    return (frame, single | {"draws": 2, "seed": 0}) if columns else None


def pinned(distribution: str) -> str:
    """`name==version` as installed, without a local version label (2.13.0+cpu), which package indexes lack."""
    return f"{distribution}=={importlib.metadata.version(distribution).partition('+')[0]}"


def needed(network: "Network") -> tuple[str, ...]:
    """What loading a network imports: its family, and further import paths that it names."""
    return (network.family, *getattr(network, "code", ()))


def foreign_modules(paths: Iterable[str]) -> set[str]:
    """Top-level modules of import paths (`package.module:Class`), other than this package."""
    modules = {path.partition(":")[0].partition(".")[0] for path in paths if ":" in path}
    return modules - {PACKAGE.name}


def locate(modules: Iterable[str]) -> tuple[list[Path], list[str]]:
    """Where the code of `modules` comes from: paths to copy, and installed distributions to require."""
    installed = [Path(sysconfig.get_path(kind)).resolve() for kind in ("purelib", "platlib")]
    paths: list[Path] = []
    distributions: set[str] = set()
    for module in sorted(modules):
        spec = importlib.util.find_spec(module)
        if spec is None or spec.origin is None:
            raise RegistryError(
                f"module {module!r} of a network family has no source file to package; make it a package"
            )
        path = Path(spec.origin).resolve()
        path = path.parent if spec.submodule_search_locations else path
        if any(path.is_relative_to(folder) for folder in installed):
            distributions.update(importlib.metadata.packages_distributions()[module])
        else:
            paths.append(path)
    return paths, sorted(distributions)
