"""A surrogate on disk: surrogate.json, weights.safetensors, and the anchors' networks under networks/."""

import hashlib
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeVar

import safetensors
import safetensors.torch
from pydantic import ValidationError
from torch import Tensor

from pipeline.clocks.clock import Clock
from pipeline.clocks.skew import Skew
from pipeline.data.schema import Schema
from pipeline.errors import BundleError, ConfigurationError, SweepError
from pipeline.storage.atomic import atomic_folder, write_json
from pipeline.storage.files import read_json
from pipeline.surrogate.config import SurrogateConfig
from pipeline.surrogate.fit import Parts, resolve_device
from pipeline.transport.potential import Density
from pipeline.transport.standardise import Standardiser

if TYPE_CHECKING:
    from pipeline.data.network import Network
    from pipeline.surrogate.model import Surrogate

SurrogateT = TypeVar("SurrogateT", bound="Surrogate")

FORMAT = 2
DOCUMENT = "surrogate.json"
WEIGHTS = "weights.safetensors"


def save_surrogate(surrogate: "Surrogate", path: Path) -> None:
    """Write the bundle atomically, replacing what was there."""
    files, document = _files(surrogate), _document(surrogate)
    checksums = _checksums(files)
    with atomic_folder(path, replaces=DOCUMENT) as folder:
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        write_json(
            folder / DOCUMENT,
            {
                **document,
                "history": surrogate.history,
                "digest": _digest(document, checksums),
                "sha256": checksums,
            },
        )


def load_surrogate(kind: "type[SurrogateT]", path: Path, device: str) -> "SurrogateT":
    """Read a bundle; BundleError names the file that is missing, changed or of another version."""
    document = read_json(path / DOCUMENT, "surrogate")
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise BundleError(f"{path / DOCUMENT} is no surrogate of format {FORMAT}; save it anew with this version")
    try:
        _check_files(path, document["sha256"])
        content = {key: value for key, value in document.items() if key not in ("history", "digest", "sha256")}
        if _digest(content, document["sha256"]) != document["digest"]:
            raise BundleError(f"{path / DOCUMENT} is corrupted (its digest differs); write the surrogate anew")
        schema = Schema.model_validate(document["schema"])
        config = SurrogateConfig.model_validate(document["config"])
        clock = _clock(document)
        tensors = safetensors.torch.load_file(path / WEIGHTS)
        parts = _parts(document, schema, config, tensors, len(clock.anchors) - 1)
        surrogate = kind(
            parts.to(resolve_device(device)),
            clock,
            schema,
            config,
            deterministic=document["deterministic"],
            networks=_networks(path, len(clock.anchors)) if document["networks"] else None,
            samples=tuple(
                (tensors[f"samples.{k}.outputs"], tensors[f"samples.{k}.conditions"]) for k in range(len(clock.anchors))
            )
            if not document["networks"]
            else (),
            history=document["history"],
            clock_errors=document["clock_errors"],
        )
    except (KeyError, TypeError, ValueError, RuntimeError, ValidationError, safetensors.SafetensorError) as error:
        if isinstance(error, SweepError):
            raise
        raise BundleError(f"{path} is corrupted ({error}); write the surrogate anew") from error
    return surrogate


def surrogate_digest(surrogate: "Surrogate") -> str:
    """SHA-256 of everything that decides what the surrogate answers, its networks included."""
    return _digest(_document(surrogate), _checksums(_files(surrogate)))


def _document(surrogate: "Surrogate") -> dict[str, Any]:
    density = surrogate._parts.density
    return {
        "format": FORMAT,
        "schema": surrogate.schema.model_dump(),
        "config": surrogate.config.model_dump(),
        "anchors": list(surrogate.anchors),
        "clock": surrogate.clock_base,
        "clock_errors": surrogate.clock_errors,
        "deterministic": surrogate.deterministic,
        "networks": surrogate.networks is not None,
        "codes": surrogate._parts.scaling.codes,
        "bandwidths": [density.output_bandwidth, density.condition_bandwidth],
    }


def _digest(document: dict[str, Any], checksums: dict[str, str]) -> str:
    return hashlib.sha256(json.dumps([document, checksums], sort_keys=True).encode()).hexdigest()


def _checksums(files: dict[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())}


def _files(surrogate: "Surrogate") -> dict[str, bytes]:
    """The content of every file of the bundle but the document, by name."""
    from pipeline.families.catalog import save_network

    files = {WEIGHTS: _weights(surrogate)}
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for k, network in enumerate(surrogate.networks or ()):
            save_network(network, folder / "networks" / str(k))
        files |= {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    return files


def _weights(surrogate: "Surrogate") -> bytes:
    # Clones, because safetensors refuses shared memory: the density is in two modules, anchors may share conditions.
    tensors: dict[str, Tensor] = {
        k: v.detach().cpu().clone().contiguous() for k, v in surrogate._parts.state_dict().items()
    }
    if surrogate.networks is None:
        for k, (outputs, conditions) in enumerate(surrogate.samples):
            tensors[f"samples.{k}.outputs"] = outputs.clone().contiguous()
            tensors[f"samples.{k}.conditions"] = conditions.clone().contiguous()
    return safetensors.torch.save(tensors)


def _parts(
    document: dict[str, Any], schema: Schema, config: SurrogateConfig, tensors: dict[str, Tensor], intervals: int
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
    parts = Parts(scaling, Skew(scaling.shape), density, intervals, config, seed=0)
    parts.load_state_dict({k: v for k, v in tensors.items() if not k.startswith("samples.")})
    return parts.requires_grad_(False)


def _clock(document: dict[str, Any]) -> Clock:
    try:
        return Clock(document["clock"], tuple(document["anchors"]))
    except ConfigurationError as error:  # nobody configured this
        raise BundleError(f"the surrogate's clock is corrupted ({error}); write the surrogate anew") from error


def _networks(path: Path, count: int) -> "tuple[Network, ...]":
    from pipeline.families.catalog import load_network

    return tuple(load_network(path / "networks" / str(k)) for k in range(count))


def _check_files(path: Path, checksums: dict[str, str]) -> None:
    for name, expected in checksums.items():
        file = path / name
        if not file.is_file():
            raise BundleError(f"{file} is missing; the surrogate is not complete: write it anew")
        if hashlib.sha256(file.read_bytes()).hexdigest() != expected:
            raise BundleError(f"{file} is corrupted (its checksum differs); write the surrogate anew")
