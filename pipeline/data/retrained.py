"""Networks that were trained again from another seed, with their samples: what the noise of training is read from.

On disk a folder: `retrained.json` (which λ, which seed, the schema, SHA-256 of the files) and, for every network, a
folder of its number with fit.parquet, score.parquet and network/. Without any there is only retrained.json.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.data.harvest import travelling_network
from pipeline.data.mesh import Value
from pipeline.data.network import Network, save_network
from pipeline.data.samples import read_samples, write_samples
from pipeline.data.schema import Schema
from pipeline.data.values import numbers, value_of
from pipeline.errors import BundleError
from pipeline.storage.atomic import atomic_folder, write_json
from pipeline.storage.files import check_files, file_checksums, read_json

FORMAT = 1
INDEX_FILE = "retrained.json"
WHAT = "set of retrained networks"


class Samples(NamedTuple):
    """Outputs (N, D) and the conditions (N, C) that they belong to."""

    outputs: NDArray[np.floating]
    conditions: NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class Retrained:
    """A network of λ = value that was trained from the seed train.seed + seed, seed ≥ 1.

    fit, score: its outputs at the conditions that the dataset's harvests `fit` and `score` have, in their order, with
    as many draws each; the draws are its own.
    """

    value: Value
    seed: int
    fit: Samples
    score: Samples
    network: Network

    @classmethod
    def load(cls, path: Path | str) -> tuple[Self, ...]:
        """All networks of a folder that `save_retrained` wrote, in its order; () where there are none.

        Raises BundleError for missing or corrupted files.
        """
        folder = Path(path)
        entries, schema = _read_index(folder)
        return tuple(
            cls(
                entry.value,
                entry.seed,
                Samples(*read_samples(folder / str(k) / "fit.parquet", schema)),
                Samples(*read_samples(folder / str(k) / "score.parquet", schema)),
                travelling_network(folder / str(k) / "network"),
            )
            for k, entry in enumerate(entries)
        )


def save_retrained(networks: Sequence[Retrained], schema: Schema, path: Path | str) -> None:
    """Write the folder `path` atomically, replacing what was there."""
    with atomic_folder(path, replaces=INDEX_FILE) as folder:
        for k, entry in enumerate(networks):
            save_network(entry.network, folder / str(k) / "network")
            write_samples(folder / str(k) / "fit.parquet", schema, *entry.fit)
            write_samples(folder / str(k) / "score.parquet", schema, *entry.score)
        write_json(
            folder / INDEX_FILE,
            {
                "format": FORMAT,
                "retrained": [{"value": list(numbers(entry.value)), "seed": entry.seed} for entry in networks],
                "schema": schema.model_dump(),
                "files": file_checksums(folder),
            },
        )


class _Entry(NamedTuple):
    value: Value
    seed: int


def _read_index(folder: Path) -> tuple[list[_Entry], Schema]:
    document = read_json(folder / INDEX_FILE, WHAT)
    try:
        if document["format"] != FORMAT:
            raise BundleError(f"{folder}: format {document['format']} of a {WHAT}; this version reads {FORMAT}")
        entries = [_Entry(value_of([float(v) for v in e["value"]]), int(e["seed"])) for e in document["retrained"]]
        schema, checksums = Schema.model_validate(document["schema"]), dict(document["files"])
        if wrong := [e.value for e in entries if len(numbers(e.value)) != len(schema.hyperparameters)]:
            raise ValueError(f"{wrong[0]} has not one number a hyperparameter")
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(f"{folder / INDEX_FILE} is corrupted ({error!r}); run stage dataset again") from error
    check_files(folder, checksums, WHAT)
    return entries, schema
