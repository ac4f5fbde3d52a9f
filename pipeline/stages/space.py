"""Whether the disk has room for a sweep, asked before anything is trained."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import SpaceError

if TYPE_CHECKING:
    from pipeline.data.schema import Schema
    from pipeline.stages.params import Config

COPIES = 8
"""How many times the harvests' samples are on the disk in the end: harvests, dataset, DVC's cache, surrogate, model."""
BESIDE = 300 * 2**20
"""Bytes for what does not grow with the samples: networks, reports, the databases of Prefect and MLflow."""
NUMBER = 4
"""Bytes of a number in a harvest."""


def check_space(config: "Config", schema: "Schema", root: Path = Path()) -> None:
    """Raise SpaceError where the file system of the checkout has less room than the sweep is expected to take."""
    needed, free = needed_bytes(config, schema), shutil.disk_usage(root.resolve()).free
    if needed > free:
        raise SpaceError(
            f"the sweep {config.name!r} is expected to take {needed / 2**30:.1f} GiB, and {root.resolve()} has "
            f"{free / 2**30:.1f} GiB left; free some, or reduce harvest.draws or harvest.fit_conditions"
        )


def needed_bytes(config: "Config", schema: "Schema") -> int:
    """What the sweep is expected to take, in bytes, for a sweep whose networks are trained."""
    assert config.harvest is not None
    harvest, columns = config.harvest, len(schema.conditions) + len(schema.outputs)
    networks = len(config.sweep.values) + len(config.retrain.networks)
    rows = (harvest.fit_conditions + harvest.score_conditions) * harvest.draws
    return BESIDE + COPIES * NUMBER * rows * columns * networks
