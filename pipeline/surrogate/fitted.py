"""The result of a fit, as a surrogate and its bundle hold it; how it comes about is the matter of `fit`."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from pipeline.clocks.clock import Clock
from pipeline.data.network import Network
from pipeline.data.schema import Schema
from pipeline.errors import ConfigurationError
from pipeline.surrogate.barriers import Barrier
from pipeline.surrogate.config import SurrogateConfig
from pipeline.surrogate.parts import Parts
from pipeline.surrogate.regions import Region

if TYPE_CHECKING:
    from pipeline.transport.training import History


@dataclass(frozen=True)
class Candidate:
    """One line of the fit's record of model selection.

    name: a variant, with its interpolation where that is PCHIP, or a clock. error: leave-one-anchor-out error,
    standardised (squared errors, or energy distances of draws); None where it was not evaluated. standard_error: of its
    difference from the best candidate's. remark: the reason for its status.
    """

    name: str
    error: float | None = None
    standard_error: float | None = None
    chosen: bool = False
    remark: str = ""


@dataclass(frozen=True, eq=False)
class Fit:
    """The result of a fit, frozen: everything that a surrogate needs, and everything in its bundle.

    vertices: the anchors, each of P ≥ 1 numbers. order: the coordinates in the order in which draws are coupled and
    geodesics nested. config: the resolved settings (variant, speed and alpha chosen). networks: one per anchor, or
    None; then samples has outputs (N_k, D) and conditions (N_k, C) per anchor, float64. own_share: how far `transport`
    of these rows follows their partners at the other anchors, see `pipeline.surrogate.own_rows`; 0: the maps alone.
    history: training curves.
    clock_errors: of the clocks that were compared, by name. candidates: the record of model selection.
    barriers: of every interval; None where they were not looked for. certificate: what validation found, by region of
    λ; () before it. It changes no output, and so no digest.
    """

    parts: Parts
    vertices: tuple[tuple[float, ...], ...]
    order: tuple[int, ...]
    config: SurrogateConfig
    schema: Schema
    deterministic: bool
    networks: tuple[Network, ...] | None
    samples: tuple[tuple[Tensor, Tensor], ...]
    history: "History"
    clock_errors: dict[str, float]
    candidates: tuple[Candidate, ...] = ()
    own_share: float = 0.0
    barriers: tuple[Barrier, ...] | None = None
    certificate: tuple[Region, ...] = ()

    @property
    def clock(self) -> Clock:
        """The clock in use; with several hyperparameters that of the first."""
        return self.parts.clock


def resolve_device(device: str) -> torch.device:
    """The device of "auto", "cpu" or "cuda" ("cuda:1", …); ConfigurationError for one that is not available."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        resolved = torch.device(device)
    except RuntimeError as error:
        raise ConfigurationError(f"device = {device!r} is unknown; use auto, cpu or cuda") from error
    if resolved.type == "cuda" and not torch.cuda.is_available():
        raise ConfigurationError(f"device = {device!r}, but this machine has no CUDA device; use auto or cpu")
    return resolved
