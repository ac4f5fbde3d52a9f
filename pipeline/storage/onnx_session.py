"""Opening an ONNX model for onnxruntime: an optional extra of this project."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pipeline.errors import BundleError, ConfigurationError

EXTRA = "pip install 'sweep-to-surrogate[onnx]'"


def check_installed(what: str) -> None:
    """ConfigurationError, which begins with `what`, where the packages that write and run graphs are not installed."""
    if missing := [name for name in ("onnx", "onnxruntime") if find_spec(name) is None]:
        raise ConfigurationError(f"{what} needs {' and '.join(missing)}, not installed here: {EXTRA}")


def open_session(model: bytes | Path, origin: Path) -> Any:
    """An onnxruntime.InferenceSession of a model or its file, on one thread of the CPU.

    Raises ConfigurationError where onnxruntime is not installed, BundleError, which names `origin`, for what is no such
    model.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise ConfigurationError(f"{origin} needs onnxruntime, which is not installed ({error}): {EXTRA}") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # sums keep one order whatever the machine
    try:
        given = str(model) if isinstance(model, Path) else model
        return onnxruntime.InferenceSession(given, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own share no other base
        raise BundleError(f"{origin} is not an ONNX model that onnxruntime can run: {error}") from error
