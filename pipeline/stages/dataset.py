"""Stage dataset: what the surrogate is fitted on (the anchors), and what its scores are computed on (every λ)."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from pipeline.data.harvest import Harvest
from pipeline.data.mesh import Value
from pipeline.data.network import Network
from pipeline.data.outcomes import has_outcomes, read_outcomes
from pipeline.data.samples import read_samples
from pipeline.data.schema import Schema
from pipeline.data.split import check_anchors_in, split_harvest
from pipeline.data.values import numbers, read_words
from pipeline.errors import BundleError, ConfigurationError
from pipeline.families.catalog import load_network
from pipeline.families.protocol import Split
from pipeline.storage.files import read_json

if TYPE_CHECKING:
    from pipeline.stages.params import Config

logger = logging.getLogger(__name__)


def run(config: "Config", root: Path = Path()) -> None:
    """Write data/NAME/dataset/fit and data/NAME/dataset/score, two harvests with their networks."""
    source = root / config.dataset.source
    if config.network is None:
        handed_in = Harvest.load(source)
        check_anchors_in(handed_in, config.sweep.anchors)
        fit, score = split_harvest(handed_in, config.dataset.score_fraction, config.dataset.seed)
        fit = fit.select(config.sweep.anchors)
    else:
        fit = gather(source, config.sweep.anchors, "fit", config.sweep.names)
        score = gather(source, config.sweep.values, "score", config.sweep.names)
    for name, harvest in (("fit", fit), ("score", score)):
        harvest.save(root / config.folder / "dataset" / name)
        rows = [len(y) for y in harvest.outputs]
        logger.info("dataset: %s at %s, rows %s", name, harvest.hyperparameter.tolist(), rows)


def gather(source: Path, values: Sequence[Value], split: Split, names: Sequence[str] = ()) -> Harvest:
    """One split of the harvests of some λ, from the folders that stage harvest wrote; BundleError where one is missing.

    names: of the hyperparameters, where a λ has several. Folders of other values, which an earlier sweep may have
    left, are ignored.
    """
    if not source.is_dir():
        raise BundleError(f"{source} does not exist: no network was harvested; run stage harvest for every λ")
    folders = {value: folder for folder in source.iterdir() if (value := _value(folder.name, names)) is not None}
    if missing := [v for v in values if v not in folders]:
        there = sorted(folders, key=numbers)
        raise BundleError(f"{source} has no harvest for λ = {missing}, only for {there}; run stage harvest")
    schema = _read_schema(folders[values[0]] / "schema.json")
    samples = [read_samples(folders[v] / f"{split}.parquet", schema) for v in values]
    networks: list[Network] = [load_network(folders[v] / "network") for v in values]
    first = folders[values[0]]  # outcomes are the same for every λ
    outcomes = read_outcomes(first, schema) if split == "fit" and has_outcomes(first) else None
    return Harvest.from_arrays(
        values,
        [y for y, _ in samples],
        [x for _, x in samples],
        networks=networks,
        outcomes=outcomes,
        schema=schema,
    )


def _value(folder: str, names: Sequence[str]) -> Value | None:
    """The λ that a folder is named after; None where it is named otherwise."""
    try:
        if not names:
            return float(folder)
        point = read_words(folder)
    except (ValueError, ConfigurationError):
        return None
    return tuple(point.values()) if tuple(point) == tuple(names) else None


def _read_schema(path: Path) -> Schema:
    try:
        return Schema.model_validate(read_json(path, "harvest"))
    except ValidationError as error:
        raise BundleError(f"{path} is not a valid harvest schema: {error}") from error
