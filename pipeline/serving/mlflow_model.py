"""The served model, as code: MLflow runs this file when it loads the model, and calls `predict`.

This module is not imported by the pipeline. MLflow stores it with a copy of the package, so that a consumer needs
the required packages, but not this project.
"""

import os
import sys
from typing import Any

import mlflow
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from pipeline.errors import SweepError
from pipeline.serving.answer import answer
from pipeline.serving.flavour import load_served
from pipeline.serving.limits import ANSWER_ROWS, read_limit
from pipeline.serving.parameters import check_known


class SurrogateModel(PythonModel):
    """A surrogate behind MLflow's pyfunc interface; it is loaded once, and predictions share no mutable state."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the bundle or the export that was stored with the model; BundleError where it is corrupted."""
        self.surrogate = load_served(context.artifacts)
        self.most_rows = read_limit(os.environ, (context.model_config or {})[ANSWER_ROWS])

    # A hint other than a frame, of what is also an array or a mapping, would have MLflow check data by it.
    def predict(
        self, context: PythonModelContext, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Draw outputs at N conditions: rows of row, draw and the outputs, in the order of the input rows.

        model_input: as `frames.read_table` takes it. params: as `parameters.read_params` does. Raises MlflowException
        with the project's message for input that cannot be used.
        """
        try:
            check_known(as_called(), self.surrogate.schema)
            return answer(self.surrogate, model_input, params or {}, self.most_rows)
        except SweepError as error:
            # A consumer has no access to this project's classes; MLflow's server answers this one with its message.
            raise MlflowException.invalid_parameter_value(str(error)) from error


def as_called() -> dict[str, Any]:
    """The parameters that `PyFuncModel.predict` was called with; {} where the model is called by itself.

    MLflow drops parameters that a signature does not know, with a warning in the log, before it calls a model. A
    misspelt one would then be answered with a default, so that they are read from the caller.
    """
    frame = sys._getframe()
    while (caller := frame.f_back) is not None:
        frame = caller
        if frame.f_code.co_qualname == "PyFuncModel.predict" and frame.f_globals["__name__"] == "mlflow.pyfunc":
            return dict(frame.f_locals["params"] or {})
    return {}


mlflow.models.set_model(SurrogateModel())
