"""A surrogate as consumers get it: an MLflow model, with its code, that answers in data frames.

Run it by ``python -m examples.served``. A sweep registers such a model; here it is a folder, to be run anywhere.
"""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mlflow.pyfunc
import numpy as np
import pandas as pd

from examples.own_family import fitted
from pipeline.registry.package import Candidate, save_model

ROOMS = pd.DataFrame({"temperature": [12.0, 16.0, 26.0]})


@contextmanager
def served_model() -> Iterator[mlflow.pyfunc.PyFuncModel]:
    """The thermostats of `own_family` as a loaded model; yours is ``load_model("models:/NAME@champion")``."""
    surrogate = fitted()
    with tempfile.TemporaryDirectory() as scratch:
        bundle, folder = Path(scratch) / "surrogate", Path(scratch) / "model"
        surrogate.save(bundle)
        save_model(folder, Candidate(bundle, surrogate, example=ROOMS.to_numpy()))
        yield mlflow.pyfunc.load_model(str(folder))


def main() -> None:
    """One λ for all rows."""
    with served_model() as model:
        answer = model.predict(ROOMS, params={"hyperparameter": 0.5})
    exact = (20 - ROOMS["temperature"]) / 1.5
    sys.stdout.write(f"price 0.5: {answer['power'].to_numpy().round(2)} kW (exact {np.round(exact.to_numpy(), 2)})\n")


if __name__ == "__main__":
    main()
