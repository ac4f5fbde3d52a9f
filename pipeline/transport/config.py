"""Settings of the transport: the Lagrangian, the networks, and a section for each solver. No torch is imported here."""

from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from pipeline.settings import Section, Widths
from pipeline.transport.variant import VariantName

Variant = Literal["auto", VariantName]
Solver = Literal["paired", "semidual"]
Bandwidth = Annotated[float, Field(gt=0)] | Literal["auto"]
Weight = Annotated[float, Field(ge=0)] | Literal["auto"]


class LagrangianConfig(Section):
    """Metric, potential and paths. Lengths are in units of the standardised outputs and conditions."""

    model_config = ConfigDict(allow_inf_nan=False)

    # auto: the simplest that predicts left-out anchors as well as the best one; K_I where none can be left out.
    variant: Variant = "auto"
    # Weight of U (auto: in proportion to √D), KDE bandwidths (auto: by leave-one-out likelihood), eigenvalue budget of
    # G.
    alpha: Weight = "auto"
    output_bandwidth: Bandwidth = "auto"
    condition_bandwidth: Bandwidth = "auto"
    # Principal components of the outputs that metric, potential, paths and maps act on; the rest is carried linearly.
    # auto: all of up to 8 outputs (of up to 64 where paths are straight), else 99 % of the variance, 16 at most.
    components: Annotated[int, Field(ge=1)] | Literal["auto"] = "auto"
    density_samples: int = Field(default=2048, ge=1)
    eigenvalues: tuple[float, float] = (0.1, 1.0)
    metric_widths: Widths = (64, 64)
    path_widths: Widths = (128, 128)
    spline_functions: int = Field(default=8, ge=2)
    quadrature_points: int = Field(default=12, ge=2)

    @model_validator(mode="after")
    def _metric_is_positive(self) -> Self:
        smallest, largest = self.eigenvalues
        if not 0 < smallest <= largest:
            raise ValueError(
                f"eigenvalues = {list(self.eigenvalues)}: both must be positive, the smallest first, "
                "for a positive definite metric"
            )
        return self


class TrainingConfig(Section):
    """What both solvers share: batches, and the learning rates of paths, metric and maps."""

    batch_size: int = Field(default=128, ge=1)
    path_learning_rate: float = Field(default=2e-3, gt=0)
    metric_learning_rate: float = Field(default=2e-3, gt=0)
    map_learning_rate: float = Field(default=3e-3, gt=0)
    map_widths: Widths = (64, 64, 64)


class PairedConfig(TrainingConfig):
    """The paired solver: couplings by exact transport, in turns with metric and paths; then the maps."""

    coupling_rounds: int = Field(default=4, ge=1)
    coupling_pairs: int = Field(default=60_000, ge=1)
    path_steps: int = Field(default=250, ge=1)
    map_steps: int = Field(default=700, ge=1)


class SemidualConfig(TrainingConfig):
    """The semi-dual solver: dual potentials, outer steps, quasi-Newton steps of the c-transform.

    metric_every: how many outer steps pass between two of the metric.
    """

    dual_widths: Widths = (64, 64, 64)
    outer_steps: int = Field(default=600, ge=1)
    conjugate_iterations: int = Field(default=3, ge=1)
    metric_every: int = Field(default=2, ge=1)
    dual_learning_rate: float = Field(default=1e-3, gt=0)
