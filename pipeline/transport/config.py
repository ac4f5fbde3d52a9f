"""Settings of the transport: the Lagrangian, the networks, and a section for each solver. No torch is imported here."""

from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from pipeline.settings import Count, Section, Steps, Units, Widths
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
    components: Units | Literal["auto"] = "auto"
    density_samples: Count = 2048
    eigenvalues: tuple[float, float] = (0.1, 1.0)
    metric_widths: Widths = (64, 64)
    path_widths: Widths = (128, 128)
    spline_functions: Annotated[Units, Field(ge=2)] = 8
    quadrature_points: Annotated[Units, Field(ge=2)] = 12

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

    batch_size: Count = 128
    path_learning_rate: float = Field(default=2e-3, gt=0)
    metric_learning_rate: float = Field(default=2e-3, gt=0)
    map_learning_rate: float = Field(default=3e-3, gt=0)
    map_widths: Widths = (64, 64, 64)


class PairedConfig(TrainingConfig):
    """The paired solver: couplings by exact transport, in turns with metric and paths; then the maps."""

    coupling_rounds: Steps = 4
    coupling_pairs: Steps = 60_000
    path_steps: Steps = 250
    map_steps: Steps = 700


class SemidualConfig(TrainingConfig):
    """The semi-dual solver: dual potentials, outer steps, quasi-Newton steps of the c-transform.

    metric_every: how many outer steps pass between two of the metric.
    """

    dual_widths: Widths = (64, 64, 64)
    outer_steps: Steps = 600
    conjugate_iterations: Steps = 3
    metric_every: Steps = 2
    dual_learning_rate: float = Field(default=1e-3, gt=0)
