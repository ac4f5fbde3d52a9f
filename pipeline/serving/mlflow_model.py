"""The served model, as code: MLflow runs this file when it loads the model, and calls `predict`.

This module is not imported by the pipeline. MLflow stores it with a copy of the package, so that a consumer needs
the required packages, but not this project.
"""

from typing import Any

import mlflow
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from pipeline.errors import SweepError
from pipeline.serving.frames import default_params, parameter_names, read_conditions, read_params, sample_frame
from pipeline.surrogate import Surrogate


class SurrogateModel(PythonModel):
    """A surrogate behind MLflow's pyfunc interface; it is loaded once, and predictions share no mutable state."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the bundle that was stored with the model; BundleError where it is corrupted."""
        self.surrogate = Surrogate.load(context.artifacts["surrogate"])

    def predict(
        self, context: PythonModelContext, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Draw outputs at N conditions: N × draws rows of row, draw and the outputs, in the order of the input rows.

        params: hyperparameter (of several hyperparameters, one parameter each, by their names), draws, seed, strict;
        defaults as in `default_params`. Raises MlflowException with the project's message for input that cannot be
        used, λ outside the anchors included, and, where strict, λ that the certificate does not trust.
        """
        surrogate = self.surrogate
        try:
            conditions = read_conditions(model_input, surrogate.schema.conditions)
            names = parameter_names(surrogate.schema)
            asked = read_params(params or {}, default_params(names, surrogate.vertices))
            given = asked.values[0] if len(names) == 1 else dict(zip(names, asked.values, strict=True))
            samples = surrogate.sample(conditions, given, draws=asked.draws, seed=asked.seed, strict=asked.strict)
        except SweepError as error:
            # A consumer has no access to this project's classes; MLflow's server answers this one with its message.
            raise MlflowException.invalid_parameter_value(str(error)) from error
        return sample_frame(samples, surrogate.schema.outputs)


mlflow.models.set_model(SurrogateModel())
