"""ONNX graphs as functions of NumPy arrays, by onnxruntime."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.storage.onnx_session import open_session
from pipeline.transport.condition import Condition

VALUES, CODES = "values", "codes"
"""Inputs of an encoded condition: (B, continuous) float32, (B, categorical) int64."""


class Graph:
    """One graph, read from a file: named arrays in, its one output back."""

    def __init__(self, path: Path) -> None:
        self._session = open_session(path, path)
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
