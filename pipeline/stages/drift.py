"""The check for drift: the champion on fresh samples. It is no stage of dvc.yaml: it changes nothing that these write.

Fresh samples are outputs of the networks at conditions that nothing was fitted or scored on: new ones of another seed,
or where the source file has grown, the new rows of its present content. The champion's bundle brings the networks of
its anchors; those of the held-out λ are the sweep's own.
"""

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.data.harvest import Harvest
from pipeline.data.mesh import Value
from pipeline.data.network import Network
from pipeline.data.samples import group_rows
from pipeline.data.values import numbers
from pipeline.errors import DataError, RegistryError
from pipeline.evaluation.drift import THRESHOLD, Drift
from pipeline.evaluation.evaluate import evaluate
from pipeline.families.catalog import check_code, make_family
from pipeline.families.protocol import Data, NetworkFamily
from pipeline.registry.drift import record_drift, registered_record
from pipeline.registry.register import champion_bundle
from pipeline.stages.harvest import draw_seed
from pipeline.stages.harvest import evaluate as ask
from pipeline.surrogate import Surrogate
from pipeline.tracking.store import open_store

if TYPE_CHECKING:
    from pipeline.stages.params import Config, HarvestSection

logger = logging.getLogger(__name__)

POOL = 1_000_000
"""More conditions than a source is expected to have."""
REDRAWS = 8
"""Of stochastic networks, at least: from them is known how far errors differ by chance where conditions are few."""
Array = NDArray[np.floating]


def run(config: "Config", root: Path = Path(), threshold: float = THRESHOLD, seed: int | None = None) -> Drift:
    """Check the champion of `register.model` for drift, and record the verdict with its version.

    seed: of the fresh conditions and draws; None: today's, so that every day asks at others. Raises RegistryError
    where there is no champion, or its files are gone; DataError where nothing fresh can be sampled.
    """
    store, chosen = open_store(root), today() if seed is None else seed
    with champion_bundle(store, config.register_.model, digest="") as found:
        if found is None or found[1] is None:
            raise RegistryError(
                f"model {config.register_.model!r} has no champion with a bundle to be checked; run the sweep, or set "
                "the alias with MLflow"
            )
        version, surrogate = found[0], Surrogate.load(found[1])
    record = registered_record(store, config.register_.model, version)
    own = own_seed(chosen)
    fresh, sampled = sample_afresh(config, surrogate, root, own)
    evaluation = evaluate(surrogate, fresh, max(config.validate_.redraws, REDRAWS), own)
    drift = replace(
        Drift.of(record, evaluation, threshold),
        model=config.register_.model,
        version=version,
        seed=chosen,
        sampled=sampled,
    )
    record_drift(store, drift)
    logger.info("drift: %s", drift.verdict)
    return drift


def today() -> int:
    """A seed that is another one every day."""
    return datetime.now(UTC).toordinal()


def own_seed(seed: int) -> int:
    """The seed of what is drawn: none that a sweep of the same seed draws by."""
    return int(np.random.SeedSequence([seed, 4_371]).generate_state(1)[0])


def sample_afresh(config: "Config", surrogate: Surrogate, root: Path, seed: int) -> tuple[Harvest, str]:
    """A harvest of the champion's anchors and the held-out λ at fresh conditions, and in words where they come from."""
    known = Harvest.load(root / config.folder / "dataset" / "score")
    if config.network is None or config.harvest is None:
        return new_rows_of(config, root)
    family = make_family(config.network, config.train.family_settings)
    source = root / config.ingest.source
    check_code(config.network, source)
    data, before = family.ingest(source, config.ingest), Data.load(root / config.folder / "data")
    conditions, sampled = fresh_conditions(family, data, before, config.harvest, seed)
    networks = networks_of(surrogate, known)
    schema, values = family.schema(data), sorted(networks, key=numbers)
    asked = [ask(networks[v], schema, conditions, config.harvest.draws, draw_seed(seed, "score", v)) for v in values]
    harvest = Harvest.from_arrays(
        values, [y for y, _ in asked], [x for _, x in asked], networks=[networks[v] for v in values], schema=schema
    )
    return harvest, sampled


def networks_of(surrogate: Surrogate, known: Harvest) -> Mapping[Value, Network]:
    """The networks of the champion's anchors, from its bundle where it has them, and of the held-out λ."""
    found = dict(zip(known.values, known.networks or (), strict=False))
    anchors = [value[0] if len(value) == 1 else value for value in surrogate.mesh.vertices]
    return found | dict(zip(anchors, surrogate.networks or (), strict=False))


def fresh_conditions(
    family: NetworkFamily, data: Data, before: Data, settings: "HarvestSection", seed: int
) -> tuple[Array, str]:
    """Conditions (n, C) that the sweep has not seen, at most as many as it scores on; and in words what they are."""
    count = settings.score_conditions
    if same_data(data, before):
        return family.conditions(data, "score", count, seed), "other conditions and draws of the same source"
    seen = np.concatenate([family.conditions(before, split, POOL, seed) for split in ("fit", "score")])
    pool = family.conditions(data, "score", POOL, seed)
    new = pool[~occurs_in(pool, seen)]
    if not len(new):
        return family.conditions(data, "score", count, seed), "the changed source, which has no new conditions"
    chosen = np.sort(np.random.default_rng(seed).permutation(len(new))[:count])
    return new[chosen], f"{len(chosen)} of the {len(new)} new conditions of the changed source"


def same_data(one: Data, other: Data) -> bool:
    """Whether a source gave the same arrays and attributes."""
    return (
        one.attributes == other.attributes
        and one.arrays.keys() == other.arrays.keys()
        and all(np.array_equal(array, other.arrays[name]) for name, array in one.arrays.items())
    )


def occurs_in(rows: Array, known: Array) -> NDArray[np.bool_]:
    """Which rows (n, C) occur among known ones (m, C): (n,)."""
    groups, others = group_rows(rows, known)
    return np.isin(groups, others)


def new_rows_of(config: "Config", root: Path) -> tuple[Harvest, str]:
    """The rows of a harvest from disk at conditions that the sweep's last run did not have; DataError for none."""
    before, now = Harvest.load(root / config.folder / "data"), Harvest.load(root / config.ingest.source)
    masks = [~occurs_in(x, np.concatenate(before.conditions)) for x in now.conditions]
    if not all(mask.any() for mask in masks):
        raise DataError(
            f"{config.ingest.source} holds no new conditions, and a harvest from disk has no networks to be asked "
            "afresh: add rows at conditions that it does not hold yet, at every λ"
        )
    fresh = Harvest.from_arrays(
        now.values,
        [y[mask] for y, mask in zip(now.outputs, masks, strict=True)],
        [x[mask] for x, mask in zip(now.conditions, masks, strict=True)],
        networks=now.networks,
        schema=now.schema,
    )
    return fresh, f"the new rows of {config.ingest.source}"
