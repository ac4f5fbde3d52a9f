"""Stage dataset: what the surrogate is fitted on (the anchors), and what its scores are computed on (every λ)."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from pydantic import ValidationError

from pipeline.data.harvest import Harvest
from pipeline.data.mesh import Value
from pipeline.data.network import Network
from pipeline.data.outcomes import has_outcomes, read_outcomes
from pipeline.data.retrained import Retrained, Samples, save_retrained
from pipeline.data.samples import read_samples
from pipeline.data.schema import Schema
from pipeline.data.split import check_anchors_in, split_harvest
from pipeline.data.values import numbers, read_words
from pipeline.errors import BundleError, ConfigurationError
from pipeline.families.catalog import load_network
from pipeline.families.conditioned_store import read_conditioned, save_conditioned
from pipeline.families.protocol import Split
from pipeline.stages.conditioning import CONDITIONED
from pipeline.stages.warm_starts import OWN, anchor_of
from pipeline.storage.atomic import write_json
from pipeline.storage.files import read_json
from pipeline.surrogate.chains import CHOICE_FILE, JUDGED_FILE, Choice, Judged, choose

if TYPE_CHECKING:
    from pipeline.stages.params import Config
    from pipeline.stages.warm_starts import WarmSection

NOTHING: Mapping[Value, Path] = MappingProxyType({})

logger = logging.getLogger(__name__)


def run(config: "Config", root: Path = Path()) -> None:
    """Write data/NAME/dataset/fit and data/NAME/dataset/score, two harvests with their networks.

    anchors.json beside them says which training the anchors' networks are of, and why (`pipeline.surrogate.chains`);
    retrained/ has the networks that were trained again from another seed (`pipeline.data.retrained`), if any;
    conditioned/ the network of all λ, if there is one.
    """
    source = root / config.dataset.source
    if config.network is None:
        handed_in = Harvest.load(source)
        check_anchors_in(handed_in, config.sweep.anchors)
        fit, score = split_harvest(handed_in, config.dataset.score_fraction, config.dataset.seed)
        fit = fit.select(config.sweep.anchors)
        choice = Choice(OWN, "a harvest from disk: its anchors are taken as they are", {})
    else:
        choice = choose_chain(source, config.warm)
        retrained = retrained_folders(source, config.warm, choice.chosen)
        fit = gather(source, config.sweep.anchors, "fit", config.sweep.names, retrained)
        score = gather(source, config.sweep.values, "score", config.sweep.names, retrained)
    logger.info("dataset: %s", choice.reason)
    again = gather_retrained(source, config)
    save_retrained(again, fit.schema, root / config.folder / "dataset" / "retrained")
    if again:
        logger.info("dataset: %d networks were trained again from another seed", len(again))
    found = read_conditioned(source / CONDITIONED) if config.conditioned.ranges else None
    save_conditioned(found, root / config.folder / "dataset" / CONDITIONED)
    write_json(root / config.folder / "dataset" / CHOICE_FILE, choice.document())
    for name, harvest in (("fit", fit), ("score", score)):
        harvest.save(root / config.folder / "dataset" / name)
        rows = [len(y) for y in harvest.outputs]
        logger.info("dataset: %s at %s, rows %s", name, harvest.hyperparameter.tolist(), rows)


def choose_chain(source: Path, warm: "WarmSection") -> Choice:
    """Which chain's networks serve as anchors, from what stage chain wrote; BundleError where that is missing."""
    if not warm.chains:
        return Choice(OWN, "train.start = 'own': every anchor has a network of its own training", {})
    own, *chains = (_judged(source / name / JUDGED_FILE) for name in warm.chains)
    return choose(own, chains)


def retrained_folders(source: Path, warm: "WarmSection", chosen: str) -> dict[Value, Path]:
    """The harvests of the networks that the chosen chain retrained, by their λ."""
    networks = warm.networks_of(chosen) if warm.chains else ()
    return {float(anchor_of(name)): source / chosen / name for name in networks if name in warm.links}


def _judged(path: Path) -> Judged:
    try:
        return Judged.of(read_json(path, "chain of anchors"))
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(f"{path} is corrupted, or of another version ({error!r}); run stage chain again") from error


def gather(
    source: Path,
    values: Sequence[Value],
    split: Split,
    names: Sequence[str] = (),
    retrained: Mapping[Value, Path] = NOTHING,
) -> Harvest:
    """One split of the harvests of some λ, from the folders that stage harvest wrote; BundleError where one is missing.

    names: of the hyperparameters, where a λ has several. retrained: folders that take the place of those of their λ.
    Folders of other values, which an earlier sweep may have left, are ignored.
    """
    if not source.is_dir():
        raise BundleError(f"{source} does not exist: no network was harvested; run stage harvest for every λ")
    folders = {value: folder for folder in source.iterdir() if (value := _value(folder.name, names)) is not None}
    folders |= retrained
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


def gather_retrained(source: Path, config: "Config") -> tuple[Retrained, ...]:
    """The harvests of retrain.networks, as stage reharvest wrote them; BundleError where one is missing."""
    return tuple(
        _retrained(source / name, config.sweep.value_of(again.value), again.seed)
        for name, again in config.retrain.networks.items()
    )


def _retrained(folder: Path, value: Value, seed: int) -> Retrained:
    if not folder.is_dir():
        raise BundleError(f"{folder} does not exist: the network was not harvested; run stages retrain and reharvest")
    schema = _read_schema(folder / "schema.json")
    fit, score = (Samples(*read_samples(folder / f"{split}.parquet", schema)) for split in ("fit", "score"))
    return Retrained(value, seed, fit, score, load_network(folder / "network"))


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
