"""Fits the parts of a surrogate to a harvest: standardise, choose clock and bandwidths, build, and run a solver."""

import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.data.harvest import Harvest
from pipeline.data.mesh import Mesh
from pipeline.errors import ConfigurationError, FitError
from pipeline.surrogate.cells import make_mesh
from pipeline.surrogate.config import SurrogateConfig
from pipeline.surrogate.decide import decide
from pipeline.surrogate.fitted import Fit, resolve_device
from pipeline.surrogate.own_share import OwnShare, choose_own_share
from pipeline.surrogate.parts import Parts, make_density
from pipeline.transport.anchor_samples import AnchorSamples, is_deterministic
from pipeline.transport.angles import real_samples
from pipeline.transport.atoms import Atoms
from pipeline.transport.components import Reduced, fit_rest, reduce_samples
from pipeline.transport.fit_atoms import clipped_to_atoms, fit_atoms
from pipeline.transport.inner_pairs import Cells
from pipeline.transport.network_maps import NetworkMaps
from pipeline.transport.pairs import Edges
from pipeline.transport.solvers.paired import fit_paired, paired_path_steps
from pipeline.transport.solvers.semidual import fit_semidual
from pipeline.transport.standardise import Standardiser
from pipeline.transport.training import History, PathTrainer
from pipeline.transport.variant import terms_of

logger = logging.getLogger(__name__)


MANY_ROWS = 20_000
"""The number of rows from which a fit uses all threads."""


def fit_parts(harvest: Harvest, config: SurrogateConfig, seed: int, device: str) -> Fit:
    """Fit all parts to a harvest. Raises FitError where the result is not finite."""
    where = resolve_device(device)
    deterministic = is_deterministic(harvest)
    if deterministic and harvest.schema.deterministic is None:
        logger.warning(
            "the harvest has one output per condition and does not declare deterministic: assumed deterministic; set "
            "deterministic=False (in a schema or from_arrays) if these are draws"
        )
    with _threads_for(sum(map(len, harvest.outputs)), where):
        decided = decide(harvest, deterministic, config, seed)
    config, clocks = decided.config, decided.clocks
    names = [column.name for column in harvest.schema.hyperparameters]
    mesh = make_mesh(harvest.vertices, names, clocks, decided.order, config.straight_names)
    scaling = Standardiser.of(harvest).to(where)
    angles, samples = real_samples(harvest, scaling, where, mesh.tree(0))
    with _threads_for(sum(map(len, harvest.outputs)), where):
        reduced = _reduced(samples, scaling, config)
        density = make_density(reduced.samples, config, seed)
        atoms, latent = (None, reduced.samples) if deterministic else _atoms(harvest, reduced, scaling, seed)
        parts = Parts(
            scaling,
            clocks,
            density,
            config,
            seed,
            atoms,
            angles=angles,
            components=reduced.components,
            edges=len(mesh.edges),
            deterministic=deterministic,
        ).to(where)
        history = _solve(parts, mesh, latent, deterministic, config, seed)
    for field, curve in history.items():
        if curve and not math.isfinite(curve[-1]):
            raise FitError(f"{field} ended at {curve[-1]}; lower the learning rates, or look at the harvest's outliers")
    if not all(bool(torch.isfinite(parameter).all()) for parameter in parts.parameters()):
        raise FitError("the fit's weights are not finite; lower the learning rates, or look at the harvest's outliers")
    parts.requires_grad_(False)
    own = OwnShare(1.0 if len(mesh.axes) == 1 else 0.0)  # several hyperparameters: own rows go by the maps
    if not deterministic:
        with _threads_for(sum(map(len, harvest.outputs)), where):
            own = choose_own_share(harvest, reduced.samples, latent, parts, config, seed)
    return Fit(
        parts.eval(),
        harvest.vertices,
        decided.order,
        config,
        harvest.schema,
        deterministic,
        networks=harvest.networks,
        samples=() if harvest.networks is not None else _samples(harvest),
        history=history,
        clock_errors=decided.clock_errors,
        candidates=(*decided.candidates, *own.candidates),
        own_share=own.share,
    )


def _reduced(samples: list[AnchorSamples], scaling: Standardiser, config: SurrogateConfig) -> Reduced:
    straight = terms_of(config.variant).straight
    reduced = reduce_samples(samples, scaling.shape, config.components, straight)
    if (components := reduced.components) is not None:
        fit_rest(components, samples)
        logger.info(
            "transport acts on %d principal components of %d outputs, which hold %.1f %% of their variance; the rest "
            "is carried linearly",
            components.rank,
            samples[0].outputs.shape[1],
            100 * float(components.share),
        )
    return reduced


def _atoms(harvest: Harvest, reduced: Reduced, scaling: Standardiser, seed: int) -> tuple[Atoms, list[AnchorSamples]]:
    """Atoms and latent samples. Components mix outputs: there answers are clipped to the atoms, and none is spread."""
    if reduced.components is None:
        return fit_atoms(_outputs(harvest), reduced.samples, scaling, seed)
    return clipped_to_atoms(_outputs(harvest), scaling), reduced.samples


def _outputs(harvest: Harvest) -> list[NDArray[np.float64]]:
    return [np.asarray(y, np.float64) for y in harvest.outputs]


def _samples(harvest: Harvest) -> tuple[tuple[Tensor, Tensor], ...]:
    return tuple(
        (torch.tensor(y, dtype=torch.float64), torch.tensor(x, dtype=torch.float64))
        for y, x in zip(harvest.outputs, harvest.conditions, strict=True)
    )


@contextmanager
def _threads_for(rows: int, device: torch.device) -> Iterator[None]:
    """One thread for small harvests, all of torch's for large ones.

    On the semicircles a second thread saves a quarter of the time on an idle machine, and takes four times as long
    where another process competes for the core, because threads busy-wait. One thread also makes the result
    independent of the number of cores.
    """
    threads = torch.get_num_threads()
    if device.type == "cpu" and rows < MANY_ROWS:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _solve(
    parts: Parts, mesh: Mesh, samples: list[AnchorSamples], deterministic: bool, config: SurrogateConfig, seed: int
) -> History:
    """Run the solver of the configuration on the parts, in place; samples: latent where outputs have atoms."""
    line = len(mesh.axes) == 1
    if config.solver == "semidual" and isinstance(parts.maps, NetworkMaps):
        if not line:
            raise ConfigurationError("solver = 'semidual' is for one hyperparameter; use paired")
        trainer = PathTrainer(parts.lagrangian, parts.paths, config, config.outer_steps)
        generator = torch.Generator().manual_seed(seed)
        return fit_semidual(samples, parts.maps, trainer, config, generator)
    edges = Edges(samples, mesh.edges, mesh.straight_edges)
    known = deterministic and all(interval.shared for interval in edges.intervals)
    curved = not terms_of(config.variant).straight
    steps = paired_path_steps(config, known)
    trainer_or_none = PathTrainer(parts.lagrangian, parts.paths, config, steps) if curved else None
    # The base alone: a skew was fitted to the levels that the base's coordinates are to explain.
    knots = parts.clock.coordinates(parts.clock.anchors) if line else None
    inner = None if line else Cells(mesh, edges)
    return fit_paired(edges, known, parts.maps, trainer_or_none, config, seed, knots, inner)
