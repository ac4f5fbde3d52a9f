"""ONNX graphs as functions of NumPy arrays, by onnxruntime."""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import BundleError, ConfigurationError
from pipeline.transport.condition import Condition

EXTRA = "pip install 'sweep-to-surrogate[onnx]'"
VALUES, CODES = "values", "codes"
"""Inputs of an encoded condition: (B, continuous) float32, (B, categorical) int64."""


def check_installed(what: str) -> None:
    """ConfigurationError, which begins with `what`, where the packages that write and run graphs are not installed."""
    if missing := [name for name in ("onnx", "onnxruntime") if find_spec(name) is None]:
        raise ConfigurationError(f"{what} needs {' and '.join(missing)}, not installed here: {EXTRA}")


class Graph:
    """One graph, read from a file: named arrays in, its one output back."""

    def __init__(self, path: Path) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise ConfigurationError(f"{path} needs onnxruntime, which is not installed ({error}): {EXTRA}") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1  # sums keep one order whatever the machine
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's own share no other base
            raise BundleError(f"{path} is not an ONNX graph that onnxruntime can run: {error}") from error
        self._inputs = {given.name for given in self._session.get_inputs()}  # what a result ignores is none of them

    def __call__(self, arrays: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        """The output for inputs by name; a graph takes those that it has."""
        result: NDArray[Any] = self._session.run(
            None, {name: np.ascontiguousarray(arrays[name]) for name in self._inputs}
        )[0]
        return result


def encoded(x: Condition) -> dict[str, Any]:
    """An encoded condition of B rows, as inputs."""
    return {VALUES: x.values, CODES: x.codes}
