"""Writing an export: a fitted surrogate's networks, paths and maps as ONNX graphs, the rest as arrays and JSON."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save_file

from pipeline.clocks.clock import Clock
from pipeline.data.network import save_network
from pipeline.errors import ConfigurationError
from pipeline.export.check import TOLERANCE, deviation
from pipeline.export.curves import END, POSITIONS, SKEW, START
from pipeline.export.document import (
    ARRAYS,
    DOCUMENT,
    NETWORKS,
    PATH,
    ClockDocument,
    ExportDocument,
    NetworkKind,
    NoiseDocument,
    direction_file,
    map_file,
    outputs_file,
    skew_array,
)
from pipeline.export.graphs import (
    ROWS,
    DirectionGraph,
    MapGraph,
    PathGraph,
    condition_inputs,
    output_inputs,
    write_graph,
)
from pipeline.export.networks import CONDITIONS, NOISE, OUTPUTS
from pipeline.families.torch_family import ModuleNetwork, ReparameterisedNetwork
from pipeline.storage.atomic import atomic_folder, write_json
from pipeline.storage.files import file_checksums
from pipeline.storage.onnx_session import check_installed
from pipeline.surrogate import Surrogate
from pipeline.surrogate.cells import Edge
from pipeline.surrogate.fitted import Fit
from pipeline.transport.scaling import FITTED

CHECKED = 32
"""Conditions at which the reader's draws are compared with the surrogate's."""


def write_export(surrogate: Surrogate, path: Path) -> None:
    """Write the folder `path` atomically, once its reader, without torch, has given the surrogate's own draws.

    Raises ConfigurationError where onnx or onnxruntime is not installed, for what has no ONNX counterpart, where draws
    differ by more than TOLERANCE, and for a surrogate on another device than the CPU.
    """
    check_installed("an export")
    fit = surrogate.fitted
    if surrogate.device.type != "cpu":
        raise ConfigurationError(f"the surrogate is on {surrogate.device}; move it first: surrogate.to('cpu')")
    if surrogate.matches_draws and fit.parts.atoms.columns:
        raise ConfigurationError(
            "outputs have atoms at an end of their range, and their draws are matched: the latent outputs beyond the "
            "end have no ONNX counterpart; use the bundle"
        )
    with atomic_folder(path, replaces=DOCUMENT) as folder:
        kind, noise = _write_networks(fit, folder)
        edges = tuple(_write_graphs(surrogate, folder))
        save_file(_arrays(fit), folder / ARRAYS)
        told = _document(surrogate, kind, noise, edges).sealed(file_checksums(folder))
        write_json(folder / DOCUMENT, told.model_dump(mode="json"))
        conditions = known_conditions(fit, CHECKED)
        if (largest := deviation(surrogate, folder, conditions)) > TOLERANCE:
            raise ConfigurationError(
                f"the export's draws differ from the surrogate's by up to {largest:.2g} standardised units, more than "
                f"{TOLERANCE:g}: a network of {_families(fit)} does not answer as its ONNX graph"
                f"{', or draws were matched otherwise' if surrogate.matches_draws else ''}; use the bundle"
            )


def known_conditions(fit: Fit, most: int) -> NDArray[np.float64]:
    """At most `most` conditions (n, C) of the harvest, as its density holds them."""
    density, scaling = fit.parts.density, fit.parts.scaling
    held = density.log_counts.numpy() > -np.inf  # categories are filled up to the largest one
    rows = np.hstack([density.values.numpy()[held], density.categories.numpy()[np.nonzero(held)[0]]])
    chosen = rows[np.linspace(0, len(rows) - 1, min(most, len(rows))).round().astype(int)]
    result = np.empty((len(chosen), len(fit.schema.conditions)))
    count = len(scaling.continuous)
    mean, scale = scaling.condition_mean.numpy(), scaling.condition_scale.numpy()
    result[:, scaling.continuous] = chosen[:, :count] * scale + mean
    for i, (column, known) in enumerate(zip(scaling.categorical, scaling.codes, strict=True)):
        result[:, column] = np.array(known)[chosen[:, count + i].astype(int)]
    return result


def _write_graphs(surrogate: Surrogate, folder: Path) -> list[int]:
    """Write the graphs of paths, directions and, where draws are matched, maps: the numbers of their edges."""
    fit, curves = surrogate.fitted, surrogate.trajectories
    parts, dimension = fit.parts, len(fit.schema.outputs)
    x = condition_inputs(parts.scaling.shape)
    if not curves.straight:
        ends = output_inputs(dimension, START, END)
        positions = {POSITIONS: torch.linspace(0.1, 0.9, ROWS)[:, None]}
        write_graph(folder / PATH, PathGraph(curves), ends | positions | x)
    for anchor in range(len(fit.vertices) if parts.scaling.circular else 0):
        write_graph(folder / direction_file(anchor), DirectionGraph(parts, anchor), x)
    edges = surrogate.mesh.edge_numbers if surrogate.matches_draws else {}
    for ends_of, number in edges.items():
        graph = MapGraph(parts, Edge(number, ends_of))
        write_graph(folder / map_file(number), graph, output_inputs(dimension, START) | x)
    return sorted(edges.values())


def _write_networks(fit: Fit, folder: Path) -> tuple[NetworkKind, NoiseDocument | None]:
    """Write the networks: those of torch as graphs, others as their family saves them."""
    networks = fit.networks or ()
    modules = [network for network in networks if isinstance(network, ModuleNetwork)]
    if modules and len(modules) < len(networks):
        raise ConfigurationError(f"the anchors' networks are of several kinds ({_families(fit)}); export one kind")
    for k, network in enumerate(networks):
        (folder / outputs_file(k)).parent.mkdir(parents=True)
        if isinstance(network, ModuleNetwork):
            _write_network(network, fit, folder / outputs_file(k))
        else:
            save_network(network, folder / NETWORKS / str(k))
    first = next(iter(networks), None)
    kind: NetworkKind = "graphs" if modules else "own" if networks else "none"
    if not isinstance(first, ReparameterisedNetwork):
        return kind, None
    return kind, NoiseDocument(dimension=first.noise_dimension, coupled=first.coupled_by_noise)


def _write_network(network: ModuleNetwork, fit: Fit, path: Path) -> None:
    known = np.resize(known_conditions(fit, ROWS), (ROWS, len(fit.schema.conditions)))
    conditions = {CONDITIONS: torch.from_numpy(known).float()}
    graph = network.graph(deterministic=fit.deterministic)
    if not isinstance(network, ReparameterisedNetwork):
        write_graph(path, graph, conditions)
        return
    noise = {NOISE: torch.linspace(-1, 1, ROWS * 2 * network.noise_dimension).reshape(ROWS, 2, -1)}
    write_graph(path, graph, conditions | noise, {NOISE: (0, 1), OUTPUTS: (0, 1)})


def _arrays(fit: Fit) -> dict[str, NDArray[np.floating]]:
    """The numbers of the scaling and the skews, and samples where these stand in for networks."""
    scaling = fit.parts.scaling
    arrays = {name: getattr(scaling, name).numpy() for name in FITTED}
    for p, clock in enumerate(fit.parts.clocks):
        arrays |= {skew_array(p, name): getattr(clock.skew, name).numpy() for name in SKEW}
    for k, (outputs, conditions) in enumerate(fit.samples):
        arrays |= {f"outputs_{k}": outputs.double().numpy(), f"conditions_{k}": conditions.double().numpy()}
    return {name: np.asarray(values, order="C") for name, values in arrays.items()}


def _document(
    surrogate: Surrogate, kind: NetworkKind, noise: NoiseDocument | None, maps: tuple[int, ...]
) -> ExportDocument:
    fit, atoms = surrogate.fitted, surrogate.fitted.parts.atoms
    lower, upper = (
        tuple(bound if np.isfinite(bound) else None for bound in bounds.tolist())
        for bounds in (atoms.lower, atoms.upper)
    )
    return ExportDocument(
        digest=surrogate.digest,
        columns=fit.schema,
        vertices=fit.vertices,
        order=fit.order,
        straight_names=tuple(fit.config.straight_names),
        straight=surrogate.trajectories.straight,
        smooth=fit.config.interpolation == "pchip",
        deterministic=fit.deterministic,
        codes=tuple(map(tuple, fit.parts.scaling.codes)),
        clocks=tuple(map(_clock, fit.parts.clocks)),
        networks=kind,
        noise=noise,
        maps=maps,
        lower=lower,
        upper=upper,
        barriers=None if fit.barriers is None else tuple(asdict(barrier) for barrier in fit.barriers),
        certificate=tuple(asdict(region) for region in fit.certificate),
    )


def _clock(clock: Clock) -> ClockDocument:
    table = clock.calibration
    calibration = None if table is None else (tuple(table.levels.tolist()), tuple(table.coordinates.tolist()))
    return ClockDocument(base=clock.base, calibration=calibration)


def _families(fit: Fit) -> str:
    return ", ".join(sorted({network.family for network in fit.networks or ()}))
