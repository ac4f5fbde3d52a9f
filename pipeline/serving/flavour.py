"""What is served: the fitted modules, on torch, or their export, on onnxruntime."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from pipeline.surrogate.answering import Answering

Flavour: TypeAlias = Literal["torch", "onnx"]
BUNDLE, EXPORT = "surrogate", "export"
"""A model's artifacts. It always has the bundle, which the project's commands read; an export only to be served."""


def load_served(artifacts: Mapping[str, str]) -> "Answering":
    """The surrogate of a model's artifacts, paths by name: its export where there is one, else its bundle.

    An export needs no torch, which takes seconds to import. Raises BundleError where files are corrupted.
    """
    if EXPORT in artifacts:
        from pipeline.export.reader import ExportedSurrogate

        return ExportedSurrogate.load(artifacts[EXPORT])
    from pipeline.surrogate import Surrogate

    return Surrogate.load(artifacts[BUNDLE])
