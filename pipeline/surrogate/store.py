"""A surrogate on disk: surrogate.json, weights.safetensors, and the anchors' networks under networks/."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
from pydantic import ValidationError
from torch import Tensor

from pipeline.clocks.clock import Clock
from pipeline.clocks.formulas import Calibration
from pipeline.clocks.skew import Skew
from pipeline.data.mesh import axes_of
from pipeline.data.network import save_network
from pipeline.data.schema import Schema
from pipeline.errors import BundleError, ConfigurationError, SweepError
from pipeline.families.catalog import load_network
from pipeline.storage.atomic import atomic_folder, write_json
from pipeline.storage.files import check_files, read_json
from pipeline.surrogate.barriers import Barrier
from pipeline.surrogate.cells import make_mesh
from pipeline.surrogate.config import SurrogateConfig
from pipeline.surrogate.fitted import Candidate, Fit, resolve_device
from pipeline.surrogate.parts import Parts
from pipeline.surrogate.regions import Region
from pipeline.transport.angles import Angles
from pipeline.transport.atoms import Atoms
from pipeline.transport.components import Components
from pipeline.transport.potential import Density
from pipeline.transport.standardise import Standardiser

FORMAT = 4
READABLE = (3, FORMAT)
"""A bundle of format 3 knows no share of its own rows: all rows go by the maps."""
DOCUMENT = "surrogate.json"
WEIGHTS = "weights.safetensors"
BARRIERS, CERTIFICATE = "barriers", "certificate"
UNDIGESTED = ("history", "digest", "sha256", CERTIFICATE)
"""Keys of the document that change no output."""
DENSITY, ALIAS = "density.", "lagrangian.potential.density."
"""The potential uses the same density, which is written once."""


def write_bundle(fit: Fit, path: Path) -> None:
    """Write the bundle atomically, replacing an existing one."""
    files, document = _files(fit), _document(fit)
    checksums = _checksums(files)
    with atomic_folder(path, replaces=DOCUMENT) as folder:
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        whole = {**document, "history": fit.history, "digest": _digest(document, checksums), "sha256": checksums}
        if fit.certificate:
            whole[CERTIFICATE] = [asdict(region) for region in fit.certificate]
        write_json(folder / DOCUMENT, whole)


def read_bundle(path: Path, device: str) -> Fit:
    """Read a bundle; BundleError names the file that is missing, changed or of another version."""
    document = read_json(path / DOCUMENT, "surrogate")
    if not isinstance(document, dict) or document.get("format") not in READABLE:
        raise BundleError(f"{path / DOCUMENT} is not a surrogate of format {FORMAT}; save it again with this version")
    try:
        check_files(path, document["sha256"], "surrogate")
        content = {key: value for key, value in document.items() if key not in UNDIGESTED}
        if _digest(content, document["sha256"]) != document["digest"]:
            raise BundleError(f"{path / DOCUMENT} is corrupted (its digest differs); write the surrogate again")
        return _restore(document, path, device)
    except (KeyError, TypeError, ValueError, RuntimeError, ValidationError, safetensors.SafetensorError) as error:
        if isinstance(error, SweepError):
            raise
        raise BundleError(f"{path} is corrupted ({error}); write the surrogate again") from error


def bundle_digest(fit: Fit) -> str:
    """SHA-256 of everything that determines the surrogate's outputs, networks included."""
    return _digest(_document(fit), _checksums(_files(fit)))


def _restore(document: dict[str, Any], path: Path, device: str) -> Fit:
    schema = Schema.model_validate(document["schema"])
    config = SurrogateConfig.model_validate(document["config"])
    anchors = range(len(document["anchors"]))
    tensors = safetensors.torch.load_file(path / WEIGHTS)
    networks = tuple(load_network(path / "networks" / str(k)) for k in anchors) if document["networks"] else None
    samples = () if networks else tuple(_sample(tensors, k) for k in anchors)
    size = len(schema.hyperparameters)
    vertices = tuple(tuple(anchor) if size > 1 else (anchor,) for anchor in document["anchors"])
    order = tuple(document.get("order", range(size)))
    parts = _parts(document, schema, config, tensors, vertices, order)
    return Fit(
        parts.to(resolve_device(device)).eval(),
        vertices,
        order,
        config,
        schema,
        document["deterministic"],
        networks=networks,
        samples=samples,
        history=document["history"],
        clock_errors=document["clock_errors"],
        candidates=tuple(Candidate(**line) for line in document["candidates"]),
        own_share=float(document["own_share"]) if document["format"] == FORMAT else 0.0,
        barriers=tuple(map(Barrier.of, document[BARRIERS])) if BARRIERS in document else None,
        certificate=tuple(map(Region.of, document.get(CERTIFICATE, ()))),
    )


def _document(fit: Fit) -> dict[str, Any]:
    density, several = fit.parts.density, len(fit.order) > 1
    further = [_clock_document(clock) for clock in fit.parts.clocks[1:]]
    # Without the key where nothing was looked for, as for networks that have no scores.
    barriers = {} if fit.barriers is None else {BARRIERS: [asdict(barrier) for barrier in fit.barriers]}
    return barriers | {
        "format": FORMAT,
        "schema": fit.schema.model_dump(),
        "config": fit.config.model_dump(),
        "anchors": [list(v) if several else v[0] for v in fit.vertices],
        **_clock_document(fit.clock),
        **({"further_clocks": further, "order": list(fit.order)} if several else {}),
        "clock_errors": fit.clock_errors,
        "candidates": [asdict(candidate) for candidate in fit.candidates],
        "own_share": fit.own_share,
        "deterministic": fit.deterministic,
        "networks": fit.networks is not None,
        "codes": fit.parts.scaling.codes,
        "atoms": fit.parts.atoms.columns,
        "components": 0 if fit.parts.components is None else fit.parts.components.rank,
        "bandwidths": [density.output_bandwidth, density.condition_bandwidth],
    }


def _clock_document(clock: Clock) -> dict[str, Any]:
    table = clock.calibration
    return {
        "clock": clock.base,
        "calibration": None if table is None else [table.levels.tolist(), table.coordinates.tolist()],
    }


def _digest(document: dict[str, Any], checksums: dict[str, str]) -> str:
    return hashlib.sha256(json.dumps([document, checksums], sort_keys=True).encode()).hexdigest()


def _checksums(files: dict[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())}


def _files(fit: Fit) -> dict[str, bytes]:
    """The content of every file of the bundle except the document, by name."""
    files = {WEIGHTS: _weights(fit)}
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for k, network in enumerate(fit.networks or ()):
            save_network(network, folder / "networks" / str(k))
        files |= {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    return files


def _weights(fit: Fit) -> bytes:
    # Clones, because safetensors refuses shared memory: anchors may share conditions.
    tensors: dict[str, Tensor] = {
        name: tensor.detach().cpu().clone().contiguous()
        for name, tensor in fit.parts.state_dict().items()
        if not name.startswith(ALIAS)
    }
    for k, (outputs, conditions) in enumerate(fit.samples):
        tensors[f"samples.{k}.outputs"] = outputs.clone().contiguous()
        tensors[f"samples.{k}.conditions"] = conditions.clone().contiguous()
    return safetensors.torch.save(tensors)


def _sample(tensors: dict[str, Tensor], anchor: int) -> tuple[Tensor, Tensor]:
    return tensors[f"samples.{anchor}.outputs"].double(), tensors[f"samples.{anchor}.conditions"].double()


def _parts(
    document: dict[str, Any],
    schema: Schema,
    config: SurrogateConfig,
    tensors: dict[str, Tensor],
    vertices: tuple[tuple[float, ...], ...],
    order: tuple[int, ...],
) -> Parts:
    scaling = Standardiser(schema, document["codes"])
    output_bandwidth, condition_bandwidth = document["bandwidths"]
    density = Density(
        tensors["density.support"],
        tensors["density.values"],
        tensors["density.log_counts"],
        tensors["density.categories"],
        output_bandwidth,
        condition_bandwidth,
    )
    inputs = scaling.shape.continuous + sum(scaling.shape.codes)
    atoms = Atoms(document["atoms"], len(vertices), len(schema.outputs), inputs)
    names = [column.name for column in schema.hyperparameters]
    documents = [document, *document.get("further_clocks", [])]
    axes = axes_of(vertices, names)
    clocks = [_clock(entry, axis.values, scaling) for entry, axis in zip(documents, axes, strict=True)]
    rank = document.get("components", 0)  # bundles of earlier versions have none
    mesh = make_mesh(vertices, names, clocks, order, config.straight_names)
    parts = Parts(
        scaling,
        clocks,
        density,
        config,
        0,
        atoms,
        angles=Angles(schema, len(vertices), scaling.shape, mesh.tree(0)),
        components=Components(len(schema.outputs), rank, len(vertices), scaling.shape) if rank else None,
        edges=len(mesh.edges),
        deterministic=document["deterministic"],
    )
    state = {name: tensor for name, tensor in tensors.items() if not name.startswith("samples.")}
    if parts.lagrangian.potential is not None:
        state |= {ALIAS + n.removeprefix(DENSITY): t for n, t in state.items() if n.startswith(DENSITY)}
    if not parts.angles.columns:  # of which earlier bundles say nothing
        state = {f"angles.{n}": t for n, t in parts.angles.state_dict().items()} | state
    parts.load_state_dict(state)
    return parts.requires_grad_(False)


def _clock(document: dict[str, Any], anchors: tuple[float, ...], scaling: Standardiser) -> Clock:
    """The clock with a skew of the right shape, whose values are among the weights."""
    try:
        table = document["calibration"]
        calibration = None if table is None else Calibration(*(np.array(column, np.float64) for column in table))
        return Clock(document["clock"], anchors, Skew(scaling.shape), calibration)
    except ConfigurationError as error:  # not the caller's configuration
        raise BundleError(f"the surrogate's clock is corrupted ({error}); write the surrogate again") from error
