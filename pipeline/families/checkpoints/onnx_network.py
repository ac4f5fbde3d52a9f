"""An ONNX file as a network; reading one takes onnx, running it onnxruntime: an optional extra of this project."""

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from pipeline.data.schema import Schema
from pipeline.errors import BundleError, ConfigurationError
from pipeline.families.protocol import by_condition
from pipeline.storage.onnx_session import EXTRA, open_session

ONNX = ".onnx"
MODEL_FILE = "model.onnx"
DTYPES = {"tensor(float)": np.float32, "tensor(double)": np.float64}


class OnnxNetwork:
    """A network from an ONNX file.

    Its first input takes conditions (N, C), its first output gives outputs (N, D). A second input takes noise (N, k),
    standard normal numbers, and makes the network stochastic. N has to be a free dimension.
    """

    family: ClassVar[str] = "checkpoints"
    code: ClassVar[tuple[str, ...]] = ("onnxruntime:InferenceSession",)

    def __init__(self, content: bytes, origin: Path) -> None:
        self._content, self._origin = content, str(origin)
        self._session = open_session(content, origin)
        self._inputs = [_input(given, origin) for given in self._session.get_inputs()]
        if not 1 <= len(self._inputs) <= 2:
            raise BundleError(
                f"{origin} has {len(self._inputs)} inputs {[name for name, *_ in self._inputs]}; one for conditions, "
                "and for a stochastic network one for noise, are needed: export it again"
            )

    @classmethod
    def read(cls, path: Path, columns: Schema) -> "OnnxNetwork":
        """Read a file that was exported elsewhere; BundleError where it is broken, or its width is not the schema's."""
        network = cls(_in_one_file(path), path)
        name, _, width = network._inputs[0]
        if width not in (None, len(columns.conditions)):
            raise BundleError(
                f"{path}: input {name!r} takes {width} columns, train.columns has "
                f"{len(columns.conditions)} conditions; make them agree"
            )
        return network

    @classmethod
    def load(cls, folder: Path) -> "OnnxNetwork":
        """Read what `save` wrote."""
        return cls((folder / MODEL_FILE).read_bytes(), folder / MODEL_FILE)

    def outputs(self, conditions: NDArray[np.floating], draws: int, seed: int) -> NDArray[np.float32]:
        """Outputs (N, draws, D) at conditions (N, C)."""
        rows = np.repeat(conditions, draws, axis=0)
        name, dtype, _ = self._inputs[0]
        feed = {name: rows.astype(dtype)}
        for name, dtype, width in self._inputs[1:]:
            feed[name] = np.random.default_rng(seed).standard_normal((len(rows), width or 1)).astype(dtype)
        return by_condition(self._session.run(None, feed)[0], len(conditions), draws, self._origin)

    def save(self, folder: Path) -> None:
        """Write the model: the original file, with weights that were in files beside it included."""
        (folder / MODEL_FILE).write_bytes(self._content)


def _in_one_file(path: Path) -> bytes:
    """The model with the weights that exporters of large models keep in files beside it."""
    try:
        import onnx
    except ImportError as error:
        raise ConfigurationError(f"{path} needs onnx, which is not installed ({error}): {EXTRA}") from error
    content = path.read_bytes()
    try:
        model = onnx.load_from_string(content)
        alone = model.SerializeToString()
        onnx.load_external_data_for_model(model, str(path.parent))
        whole: bytes = model.SerializeToString()
        return content if whole == alone else whole
    except Exception as error:  # protobuf's and onnx's own share no other base
        raise BundleError(f"{path} is not an ONNX model, lacks files beside it, or is too large: {error}") from error


def _input(given: Any, origin: Path) -> tuple[str, Any, int | None]:
    """Name, dtype and width of an input (N, width); width None is free."""
    if given.type not in DTYPES or len(given.shape) != 2 or isinstance(given.shape[0], int):
        raise BundleError(
            f"{origin}: input {given.name!r} is {given.type} {given.shape}; (N, columns) of floats with a free N is "
            "needed: export it with a dynamic first axis"
        )
    return given.name, DTYPES[given.type], given.shape[1] if isinstance(given.shape[1], int) else None
