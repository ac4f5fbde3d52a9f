"""Models in an MLflow store that were logged elsewhere: fetched, loaded and queried as they are."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import BundleError
from pipeline.tracking.store import QUIET, URI_VARIABLE, open_store

if TYPE_CHECKING:
    from mlflow.pyfunc import PyFuncModel


def fetch(uri: str, folder: Path, root: Path = Path()) -> Path:
    """Copy what a URI runs:/… or models:/… names into a folder; returns the path of the file or model there.

    The store is that of `open_store`. Raises BundleError where it does not contain it.
    """
    store = open_store(root)
    store.client()
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    try:
        return Path(
            download_artifacts(
                artifact_uri=uri, dst_path=str(folder), tracking_uri=store.uri, registry_uri=store.uri
            ).rstrip("/")
        )
    except (MlflowException, OSError) as error:
        raise BundleError(
            f"{uri} cannot be fetched from {store.uri} ({' '.join(str(error).split())}); check the URI or "
            f"{URI_VARIABLE}"
        ) from error


def load_model(folder: Path) -> "PyFuncModel":
    """Load a model's folder by its pyfunc interface."""
    for variable, value in QUIET.items():
        os.environ.setdefault(variable, value)
    import mlflow.pyfunc

    model: PyFuncModel = mlflow.pyfunc.load_model(str(folder))
    return model


def predict(
    model: "PyFuncModel", conditions: Mapping[str, NDArray[np.floating]], rows: int, outputs: Sequence[str], seed: int
) -> NDArray[np.float32]:
    """Query a model for outputs, one row each, at columns (rows,) in the types that its signature requires."""
    import pandas as pd

    signature = model.metadata.signature
    frame = pd.DataFrame(dict(conditions), index=pd.RangeIndex(rows)).astype(np.float64)
    if signature and signature.inputs and signature.inputs.has_input_names():
        types = dict(zip(signature.inputs.input_names(), signature.inputs.input_types(), strict=True))
        known = {name: kind.to_pandas() for name, kind in types.items() if name in frame and hasattr(kind, "to_pandas")}
        frame = frame.astype(known)
    seeded = bool(signature and signature.params and "seed" in [param.name for param in signature.params.params])
    values = model.predict(frame, params={"seed": seed} if seeded else None)
    if isinstance(values, pd.DataFrame) and set(outputs) <= set(values.columns):
        values = values[list(outputs)]
    return np.asarray(values, np.float32)
