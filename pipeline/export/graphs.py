"""Fitted modules as ONNX graphs: traced, so that no formula is written twice."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.jit._trace import TracerWarning

from pipeline.errors import ConfigurationError
from pipeline.export.document import OPSET
from pipeline.export.networks import OUTPUTS
from pipeline.export.sessions import CODES, VALUES
from pipeline.surrogate.cells import Edge
from pipeline.surrogate.images import ExactImage
from pipeline.surrogate.parts import Parts
from pipeline.surrogate.trajectory import Trajectories
from pipeline.transport.condition import Condition, ConditionShape

ROWS = 3
"""Rows of the inputs that graphs are traced with; their number stays free."""


class PathGraph(nn.Module):
    """Points (B, D) on the paths from start to end (B, D) at positions (B, 1), standardised."""

    def __init__(self, trajectories: Trajectories) -> None:
        super().__init__()
        self._trajectories = trajectories

    def forward(self, start: Tensor, end: Tensor, positions: Tensor, values: Tensor, codes: Tensor) -> Tensor:
        """See the class."""
        return self._trajectories.between(start, end, Condition(values, codes), positions)[:, 0]


class MapGraph(nn.Module):
    """T_e of standardised outputs (B, D) of an edge's start, in float64."""

    def __init__(self, parts: Parts, edge: Edge) -> None:
        super().__init__()
        self._image, self._edge = ExactImage(parts), edge

    def forward(self, start: Tensor, values: Tensor, codes: Tensor) -> Tensor:
        """See the class."""
        moved: Tensor = self._image(start, Condition(values, codes), self._edge)
        return moved


class DirectionGraph(nn.Module):
    """The mean directions (B, n) of an anchor's circular outputs."""

    def __init__(self, parts: Parts, anchor: int) -> None:
        super().__init__()
        self._parts, self._anchor = parts, anchor

    def forward(self, values: Tensor, codes: Tensor) -> Tensor:
        """See the class."""
        return self._parts.angles.mean(Condition(values, codes), self._anchor).float()


def condition_inputs(shape: ConditionShape) -> dict[str, Tensor]:
    """Encoded conditions to trace with."""
    codes = [torch.arange(ROWS) % count for count in shape.codes]
    return {
        VALUES: torch.linspace(-1, 1, ROWS)[:, None].repeat(1, shape.continuous),
        CODES: torch.stack(codes, dim=1) if codes else torch.zeros(ROWS, 0, dtype=torch.long),
    }


def output_inputs(dimension: int, *names: str) -> dict[str, Tensor]:
    """Standardised outputs (ROWS, D) to trace with, by name."""
    steps = torch.linspace(-1, 1, ROWS * dimension).reshape(ROWS, dimension)
    return {name: steps + i for i, name in enumerate(names)}


def write_graph(
    path: Path, module: nn.Module, inputs: Mapping[str, Tensor], free: Mapping[str, Sequence[int]] | None = None
) -> None:
    """Write a module as ONNX, traced with inputs in the order of its arguments.

    The first axis of all of them is free, or those that `free` says of an input. ConfigurationError where an
    operation has no counterpart.
    """
    axes = {name: (free or {}).get(name, (0,)) for name in (*inputs, OUTPUTS)}
    try:
        with _quiet(), torch.no_grad():
            torch.onnx.export(
                module.eval(),
                tuple(inputs.values()),
                path,
                dynamo=False,  # a trace: what depends on weights alone is decided once
                opset_version=OPSET,
                input_names=list(inputs),
                output_names=[OUTPUTS],
                dynamic_axes={name: {axis: f"{name}_{axis}" for axis in some} for name, some in axes.items()},
            )
    except torch.onnx.errors.OnnxExporterError as error:
        raise ConfigurationError(f"{type(module).__name__} has no ONNX counterpart: {error}") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Without torch's warnings that a trace decides branches once, as is meant, and that it has a newer exporter."""
    with warnings.catch_warnings():
        for category in (TracerWarning, DeprecationWarning, UserWarning):
            warnings.simplefilter("ignore", category)
        yield
