"""From a harvest to the parts of a surrogate: standardise, choose clock and bandwidths, build, and run a solver."""

import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from pipeline.clocks.clock import Clock
from pipeline.clocks.select import choose_clock
from pipeline.clocks.skew import Skew
from pipeline.data.harvest import Harvest
from pipeline.data.network import Network
from pipeline.data.schema import Schema
from pipeline.errors import ConfigurationError, FitError
from pipeline.surrogate.config import SurrogateConfig
from pipeline.transport.anchor_samples import AnchorSamples, anchor_samples, is_deterministic
from pipeline.transport.bandwidth import choose_bandwidths
from pipeline.transport.lagrangian import Lagrangian
from pipeline.transport.maps import TransportMaps
from pipeline.transport.metric import EuclideanMetric, GivensMetric
from pipeline.transport.network_maps import NetworkMaps
from pipeline.transport.networks import Condition
from pipeline.transport.pairs import Interval
from pipeline.transport.path import PathNetwork
from pipeline.transport.potential import Density, KernelPotential
from pipeline.transport.solvers.paired import fit_paired, paired_path_steps
from pipeline.transport.solvers.semidual import fit_semidual
from pipeline.transport.standardise import Standardiser
from pipeline.transport.training import History, PathTrainer

logger = logging.getLogger(__name__)


WEIGHT_BY_ROOT_DIMENSION = 0.03
"""α / √D where none is named: squared distances grow with D, a cloud's log-densities scatter by about √D."""


class Parts(nn.Module):
    """Everything of a surrogate that has tensors: scaling, the clock's skew, density, Lagrangian, paths and maps."""

    def __init__(
        self, scaling: Standardiser, skew: Skew, density: Density, intervals: int, config: SurrogateConfig, seed: int
    ) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        dimension, shape = len(scaling.schema.outputs), scaling.shape
        metric: EuclideanMetric | GivensMetric = EuclideanMetric()
        if not config.variant.startswith("K_I"):
            metric = GivensMetric(
                dimension,
                shape,
                config.metric_widths,
                config.eigenvalues,
                generator,
                learn_eigenvalues=not config.variant.startswith("NLOT"),
            )
        potential = KernelPotential(density, float(config.alpha)) if config.variant.endswith("-U") else None
        self.scaling = scaling
        self.skew = skew
        self.density = density
        self.lagrangian = Lagrangian(metric, potential, config.quadrature_points)
        self.paths = PathNetwork(dimension, shape, config.path_widths, config.spline_functions, generator)
        self.maps: TransportMaps | NetworkMaps
        if config.solver == "semidual":
            self.maps = NetworkMaps(intervals, dimension, shape, config.map_widths, generator)
        else:
            self.maps = TransportMaps(intervals, dimension, shape)


MANY_ROWS = 20_000
"""From so many rows on a fit uses all threads."""


@dataclass(frozen=True, eq=False)
class Fit:
    """What a fit gives, frozen: all that a surrogate answers by, and all that its bundle holds.

    config: the settings in force (variant, speed and alpha decided). networks: every anchor's own, or None; then
    samples holds outputs (N_k, D) and conditions (N_k, C) an anchor, float64. history: training curves. clock_errors:
    of the clocks that were compared, by name.
    """

    parts: Parts
    config: SurrogateConfig
    clock: Clock
    schema: Schema
    deterministic: bool
    networks: tuple[Network, ...] | None
    samples: tuple[tuple[Tensor, Tensor], ...]
    history: History
    clock_errors: dict[str, float]


def resolve_device(device: str) -> torch.device:
    """The device of "auto", "cpu" or "cuda" ("cuda:1", …); ConfigurationError for one that is not there."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        resolved = torch.device(device)
    except RuntimeError as error:
        raise ConfigurationError(f"device = {device!r} is unknown; use auto, cpu or cuda") from error
    if resolved.type == "cuda" and not torch.cuda.is_available():
        raise ConfigurationError(f"device = {device!r}, but this machine has no CUDA device; use auto or cpu")
    return resolved


def fit_parts(harvest: Harvest, config: SurrogateConfig, seed: int, device: str) -> Fit:
    """Fit all parts to a harvest. Raises FitError where the result is not finite."""
    where = resolve_device(device)
    deterministic = is_deterministic(harvest)
    if deterministic and harvest.schema.deterministic is None:
        logger.warning(
            "the harvest holds one output a condition and does not say whether there are more: taken for all that "
            "there is; say deterministic=False (in a schema or from_arrays) if these are draws"
        )
    config = _in_force(config, deterministic, len(harvest.hyperparameter), len(harvest.schema.outputs))
    chosen = choose_clock(harvest, deterministic, config)
    logger.info(
        "clock %s, mean skew %.3f; left-out anchors' errors %s",
        chosen.clock.name,
        float(chosen.skew.mean),
        {name: round(error, 6) for name, error in chosen.errors.items()},
    )
    scaling = Standardiser.of(harvest).to(where)
    samples = anchor_samples(harvest, scaling, where)
    with _threads_for(sum(map(len, harvest.outputs)), where):
        density = make_density(samples, config, seed)
        intervals = len(chosen.clock.anchors) - 1
        parts = Parts(scaling, chosen.skew, density, intervals, config, seed).to(where)
        history = _solve(parts, samples, deterministic, config, seed)
    for field, curve in history.items():
        if curve and not math.isfinite(curve[-1]):
            raise FitError(f"{field} ended at {curve[-1]}; lower the learning rates, or look at the harvest's outliers")
    if not all(bool(torch.isfinite(parameter).all()) for parameter in parts.parameters()):
        raise FitError("the fit's weights are not finite; lower the learning rates, or look at the harvest's outliers")
    parts.requires_grad_(False)
    return Fit(
        parts.eval(),
        config,
        chosen.clock,
        harvest.schema,
        deterministic,
        networks=harvest.networks,
        samples=() if harvest.networks is not None else _samples(harvest),
        history=history,
        clock_errors=chosen.errors,
    )


def _samples(harvest: Harvest) -> tuple[tuple[Tensor, Tensor], ...]:
    return tuple(
        (torch.tensor(y, dtype=torch.float64), torch.tensor(x, dtype=torch.float64))
        for y, x in zip(harvest.outputs, harvest.conditions, strict=True)
    )


def _in_force(config: SurrogateConfig, deterministic: bool, anchors: int, dimension: int) -> SurrogateConfig:
    """The settings with variant, speed and weight of the potential decided."""
    variant, speed, alpha = config.variant, config.speed, config.alpha
    if variant == "auto":
        variant = "K_theta" if deterministic else "K_theta-U"
    if speed == "auto":
        # Two anchors tell no clock: then the action does, where it knows of dense regions and of gaps.
        named = config.clock != "auto" or config.clock_prior != "auto"
        untold = anchors == 2 and not deterministic and not named and variant.endswith("-U")
        speed = "action" if untold else "uniform"
    if alpha == "auto":
        alpha = WEIGHT_BY_ROOT_DIMENSION * math.sqrt(dimension)
    return config.model_copy(update={"variant": variant, "speed": speed, "alpha": alpha})


@contextmanager
def _threads_for(rows: int, device: torch.device) -> Iterator[None]:
    """One thread for small harvests, as many as torch has for large ones.

    On the semicircles a second thread saves a quarter of the time on an idle machine, and costs four times as much
    where another process wants a core: threads spin while they wait. One thread also gives the same result whatever
    the number of cores.
    """
    threads = torch.get_num_threads()
    if device.type == "cpu" and rows < MANY_ROWS:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _solve(
    parts: Parts, samples: list[AnchorSamples], deterministic: bool, config: SurrogateConfig, seed: int
) -> History:
    """Run the solver of the configuration on the parts, in place."""
    if isinstance(parts.maps, NetworkMaps):
        trainer = PathTrainer(parts.lagrangian, parts.paths, config, config.outer_steps)
        generator = torch.Generator().manual_seed(seed)
        return fit_semidual(samples, parts.maps, trainer, config, generator)
    intervals = [Interval(left, right) for left, right in pairwise(samples)]
    known = deterministic and all(interval.shared for interval in intervals)
    curved = config.variant != "K_I"
    steps = paired_path_steps(config, known)
    trainer_or_none = PathTrainer(parts.lagrangian, parts.paths, config, steps) if curved else None
    return fit_paired(intervals, known, parts.maps, trainer_or_none, config, seed)


def make_density(samples: list[AnchorSamples], config: SurrogateConfig, seed: int) -> Density:
    """The kernel density estimate over the samples of all anchors, at most config.density_samples an anchor."""
    generator = torch.Generator().manual_seed(seed)
    outputs, values, codes = [], [], []
    for anchor in samples:
        count = len(anchor.outputs)
        rows = torch.arange(count)
        if count > config.density_samples:
            rows = torch.randperm(count, generator=generator)[: config.density_samples]
        rows = rows.to(anchor.outputs.device)
        outputs.append(anchor.outputs[rows])
        values.append(anchor.condition.values[rows])
        codes.append(anchor.condition.codes[rows])
    # In random order: where many samples share a condition, a density of the nearest ones takes the first of these.
    order = torch.randperm(sum(map(len, outputs)), generator=generator).to(outputs[0].device)
    support = torch.cat(outputs)[order]
    condition = Condition(torch.cat(values), torch.cat(codes))[order]
    given = [None if h == "auto" else h for h in (config.output_bandwidth, config.condition_bandwidth)]
    h_y, h_x = choose_bandwidths(support, condition, given[0], given[1], generator)
    logger.info("bandwidths h_y = %.3f, h_x = %.3f (standardised)", h_y, h_x)
    return Density.of(support, condition, h_y, h_x)
