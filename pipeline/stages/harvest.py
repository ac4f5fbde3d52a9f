"""Stage harvest: one network's outputs, at the conditions that all networks of the sweep share."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import numpy as np
from numpy.typing import NDArray

from pipeline.data.network import Network, save_network
from pipeline.data.outcomes import write_outcomes
from pipeline.data.samples import check_samples, matrix, write_samples
from pipeline.data.schema import Schema
from pipeline.errors import ConfigurationError, DataError
from pipeline.families.catalog import load_network, make_family
from pipeline.families.protocol import Data, NetworkFamily, OutcomeFamily, Split, check_conditions
from pipeline.storage.atomic import atomic_folder, write_json

if TYPE_CHECKING:
    from pipeline.data.mesh import Value
    from pipeline.stages.params import Config, HarvestSection

logger = logging.getLogger(__name__)

MOST_OUTCOMES = 4096
"""So many outcomes calibrate a clock to about one percent."""


@dataclass(frozen=True)
class Trained:
    """A trained network, its λ, and from which seed: 0 is that of the sweep, k the k-th other one."""

    network: Network
    value: "Value"
    seed: int = 0


def run(config: "Config", value: str, root: Path = Path()) -> None:
    """Evaluate the network of one λ and write data/NAME/harvest/VALUE.

    fit.parquet and score.parquet hold harvest.draws rows a condition, in the order of the conditions; the network is
    saved in network/, so that further outputs can be drawn from it. value: λ as DVC renders it.
    """
    harvest_saved(config, config.sweep.value_of(value), Path("networks", value), root)


def harvest_saved(config: "Config", value: "Value", saved: Path, root: Path, seed: int = 0) -> None:
    """Evaluate the network of λ = value in data/NAME/<saved>; the harvest's folder has the name of the network's.

    seed: as in `Trained`.
    """
    settings = config.harvest
    if settings is None:
        raise ConfigurationError("harvest: missing; set fit_conditions and score_conditions")
    family = make_family(config.network, config.train.family_settings)
    data = Data.load(root / config.folder / "data")
    trained = Trained(load_network(root / config.folder / saved), value, seed)
    with atomic_folder(root / config.folder / "harvest" / saved.name) as folder:
        harvest_network(trained, family, data, settings, folder)


def harvest_network(
    trained: Trained, family: NetworkFamily, data: Data, settings: "HarvestSection", folder: Path
) -> None:
    """Evaluate a network as `run` does, and write the harvest into `folder`."""
    counts: dict[Split, int] = {"fit": settings.fit_conditions, "score": settings.score_conditions}
    schema = family.schema(data)
    folder.mkdir(parents=True, exist_ok=True)
    for split, count in counts.items():
        conditions = family.conditions(data, split, count, settings.seed)
        check_conditions(conditions, split)
        seed = draw_seed(settings.seed, split, trained.value, trained.seed)
        outputs, repeated = evaluate(trained.network, schema, conditions, settings.draws, seed)
        write_samples(folder / f"{split}.parquet", schema, outputs, repeated)
        logger.info("harvest %s: %s, %d conditions x %d", trained.value, split, len(conditions), settings.draws)
    if isinstance(family, OutcomeFamily):
        known, came_true = family.outcomes(data, MOST_OUTCOMES, settings.seed)
        if len(known):
            write_outcomes(folder, schema, known, came_true)
    write_json(folder / "schema.json", schema.model_dump())
    save_network(trained.network, folder / "network")


def evaluate(
    network: Network, schema: Schema, conditions: NDArray[np.floating], draws: int, seed: int
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Outputs (N · draws, D) of a network, and the conditions (N · draws, C) that they belong to.

    Raises DataError where either does not fit the schema: shape, NaN, codes that are not whole, values out of bounds.
    """
    known = matrix(conditions, f"conditions() of {network.family}")
    repeated = np.repeat(known, draws, axis=0)
    outputs = np.asarray(network.outputs(known.astype(np.float32), draws, seed))
    expected = (len(known), draws, len(schema.outputs))
    if outputs.shape != expected:
        raise DataError(
            f"outputs() of {network.family} has shape {outputs.shape}; expected {expected}: conditions, draws, "
            f"outputs {[c.name for c in schema.outputs]}"
        )
    flat = matrix(outputs.reshape(len(repeated), -1), f"outputs() of {network.family}")
    try:
        check_samples(schema, [flat], [repeated])
    except DataError as error:
        raise DataError(
            f"{network.family}: {error}; what the network returns and its schema must agree: clip bounded outputs in "
            "outputs(), or widen the schema"
        ) from error
    return flat, repeated


def draw_seed(seed: int, split: Split, hyperparameter: "Value", trained_from: int = 0) -> int:
    """A different seed for the draws of every network and split, so that no two of them share their randomness.

    trained_from: the network's seed as in `Trained`.
    """
    bits = np.atleast_1d(np.asarray(hyperparameter, np.float64)).view(np.uint64).tolist()
    again = [trained_from] if trained_from else []
    return int(np.random.SeedSequence([seed, get_args(Split).index(split), *bits, *again]).generate_state(1)[0])
