"""The modules of a surrogate, built for its resolved settings."""

import logging
from collections.abc import Sequence
from typing import TypeAlias

import torch
from torch import Tensor, nn

from pipeline.clocks.clock import Clock
from pipeline.surrogate.cells import Edge
from pipeline.surrogate.config import SurrogateConfig
from pipeline.transport.anchor_samples import AnchorSamples
from pipeline.transport.angles import Angles
from pipeline.transport.atoms import Atoms
from pipeline.transport.bandwidth import choose_bandwidths
from pipeline.transport.components import Components
from pipeline.transport.condition import Condition
from pipeline.transport.lagrangian import Lagrangian
from pipeline.transport.maps import TransportMaps
from pipeline.transport.metric import EuclideanMetric, GivensMetric
from pipeline.transport.network_maps import NetworkMaps
from pipeline.transport.path import PathNetwork
from pipeline.transport.potential import Density, KernelPotential
from pipeline.transport.standardise import Standardiser
from pipeline.transport.variant import terms_of

Maps: TypeAlias = TransportMaps | NetworkMaps

logger = logging.getLogger(__name__)


class Parts(nn.Module):
    """All modules of a surrogate: scaling, clocks, density, Lagrangian, paths, maps, and the outputs' atoms."""

    def __init__(
        self,
        scaling: Standardiser,
        clocks: Sequence[Clock],
        density: Density,
        config: SurrogateConfig,
        seed: int,
        atoms: Atoms | None = None,
        *,
        angles: Angles | None = None,
        components: Components | None = None,
        edges: int,
        deterministic: bool = False,
    ) -> None:
        """Untrained parts.

        clocks: one a hyperparameter. edges: how many pairs of neighbouring anchors there are. atoms None: no output has
        any. deterministic: whether a condition has one output. angles: mean directions of circular outputs; None:
        there are none. components: what Lagrangian, paths, maps and density act on; None: all outputs. Draws on curved
        paths have maps that are networks; all others of the paired solver have a closed form.
        """
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        outputs, shape = len(scaling.schema.outputs), scaling.shape
        dimension = outputs if components is None else components.rank
        terms = terms_of(config.variant)
        metric: EuclideanMetric | GivensMetric = EuclideanMetric()
        if terms.metric != "euclidean":
            metric = GivensMetric(
                dimension,
                shape,
                config.metric_widths,
                config.eigenvalues,
                generator,
                learn_eigenvalues=terms.metric == "givens",
            )
        potential = KernelPotential(density, float(config.alpha)) if terms.potential else None
        self.scaling = scaling
        self.clock = clocks[0]
        self.further_clocks = nn.ModuleList(clocks[1:])
        self.density = density
        self.components = components
        self.angles = Angles(scaling.schema, edges + 1, shape) if angles is None else angles
        self.atoms = Atoms((), 0, outputs, shape.continuous + sum(shape.codes)) if atoms is None else atoms
        self.lagrangian = Lagrangian(metric, potential, config.quadrature_points)
        self.paths = PathNetwork(dimension, shape, config.path_widths, config.spline_functions, generator)
        self.maps: Maps
        curved_draws = not (terms.straight or deterministic or self.atoms.columns)
        if config.solver == "semidual" or curved_draws:
            self.maps = NetworkMaps(edges, dimension, shape, config.map_widths, generator)
        else:
            self.maps = TransportMaps(edges, dimension, shape, exact=bool(self.atoms.columns))

    @property
    def clocks(self) -> list[Clock]:
        """One clock a hyperparameter."""
        return [self.clock, *self.further_clocks]

    def image(self, y: Tensor, x: Condition, edge: Edge) -> Tensor:
        """T_e of standardised outputs (B, D) of an edge's start: by the map, and what components leave out linearly."""
        return image(self.maps, self.components, y, x, edge)


def image(maps: Maps, components: Components | None, y: Tensor, x: Condition, edge: Edge) -> Tensor:
    """As `Parts.image`, by maps and components of any precision, which is that of y and x."""
    if components is None:
        moved: Tensor = maps(y, x, edge.number)
        return moved
    leading: Tensor = maps(components.leading(y), x, edge.number)
    first, second = (components.at_anchor(anchor, y) for anchor in edge.ends)
    return components.lift(leading) + components.carried(y, x, first, second)[:, 0]


def make_density(samples: list[AnchorSamples], config: SurrogateConfig, seed: int) -> Density:
    """The kernel density estimate over the samples of all anchors, at most config.density_samples per anchor."""
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
    # In random order: where many samples share a condition, the nearest-samples density uses the first of these.
    order = torch.randperm(sum(map(len, outputs)), generator=generator).to(outputs[0].device)
    support = torch.cat(outputs)[order]
    condition = Condition(torch.cat(values), torch.cat(codes))[order]
    given = [None if h == "auto" else h for h in (config.output_bandwidth, config.condition_bandwidth)]
    h_y, h_x = choose_bandwidths(support, condition, given[0], given[1], generator)
    logger.info("bandwidths h_y = %.3f, h_x = %.3f (standardised)", h_y, h_x)
    return Density.of(support, condition, h_y, h_x)
