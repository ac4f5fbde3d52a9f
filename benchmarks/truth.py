"""Sweeps whose truth is known at every λ: networks trained at all of them, by several seeds, and kept on disk."""

import hashlib
import json
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.record import CACHE, CHECKOUT
from pipeline.data.harvest import Harvest
from pipeline.data.mesh import Value
from pipeline.data.network import Network, save_network
from pipeline.data.values import in_words, named
from pipeline.families.catalog import family_class, load_network
from pipeline.families.protocol import Data, IngestSection, NetworkFamily, OutcomeFamily, Split
from pipeline.settings import read_text
from pipeline.stages.harvest import MOST_OUTCOMES
from pipeline.stages.params import Config, parse_config
from pipeline.storage.atomic import atomic_folder

TRUTH_SEED = 0
FLOOR_SEEDS = (1,)
"""Networks retrained from these are what nobody can beat but by chance."""


@dataclass(frozen=True)
class Sweep:
    """A family with its settings, its source, and the λ at which it is trained.

    fit_conditions, score_conditions, draws: how many conditions, and outputs at each, samples consist of. network_seed:
    that of the networks that count as the truth.
    """

    network: str
    settings: dict[str, Any]
    source: Path
    ingest: IngestSection
    values: tuple[Value, ...]
    fit_conditions: int
    score_conditions: int
    draws: int = 1
    network_seed: int = TRUTH_SEED
    folder: Path = field(default=CACHE / "networks")

    @classmethod
    def of_preset(cls, name: str, **changes: Any) -> "Sweep":
        """The sweep of sweeps/NAME.yaml; its bundled source is read from the package that ships it."""
        from pipeline.stages.raw import bundled_file

        path = CHECKOUT / "sweeps" / f"{name}.yaml"
        config = parse_config(read_text(path), path.name)
        assert config.network is not None
        assert config.harvest is not None
        bundled = Path(config.ingest.source).name in config.raw.bundled
        source = bundled_file(Path(config.ingest.source).name) if bundled else CHECKOUT / config.ingest.source
        return cls(**{**cls._settings(config), "source": source, **changes})

    @staticmethod
    def anchors_of(name: str) -> tuple[Value, ...]:
        """The anchors of sweeps/NAME.yaml."""
        path = CHECKOUT / "sweeps" / f"{name}.yaml"
        return parse_config(read_text(path), path.name).sweep.anchors

    @staticmethod
    def _settings(config: Config) -> dict[str, Any]:
        assert config.harvest is not None
        return {
            "network": config.network,
            "settings": config.train.family_settings,
            "ingest": config.ingest,
            "values": config.sweep.values,
            "fit_conditions": config.harvest.fit_conditions,
            "score_conditions": config.harvest.score_conditions,
            "draws": config.harvest.draws,
        }

    @cached_property
    def family(self) -> NetworkFamily:
        """The family with its settings."""
        made = family_class(self.network)
        return made(made.Settings.model_validate(self.settings))

    @cached_property
    def data(self) -> Data:
        """The ingested source."""
        return self.family.ingest(self.source, self.ingest)

    @cached_property
    def cache(self) -> Path:
        """Where the networks lie: another folder for other settings, other data or other code of the networks."""
        digest = hashlib.sha256(json.dumps([self.network, self.settings], sort_keys=True).encode())
        for name, array in sorted(self.data.arrays.items()):
            digest.update(name.encode() + np.ascontiguousarray(array).tobytes())
        home = Path(str(sys.modules[type(self.family).__module__].__file__)).parent
        for module in sorted(home.glob("*.py")):
            digest.update(module.read_bytes())
        return self.folder / f"{self.network.rpartition(':')[2]}-{digest.hexdigest()[:12]}"

    @cached_property
    def names(self) -> list[str]:
        """The names of the hyperparameters."""
        return [column.name for column in self.family.schema(self.data).hyperparameters]

    def trained(self, value: Value, seed: int = TRUTH_SEED) -> Network:
        """The network of one λ and seed, read from disk or trained now."""
        folder = self._folder(value, seed)
        if not folder.is_dir():
            network, _ = self.family.train(self.data, named(value, self.names), seed)
            with atomic_folder(folder) as temporary:
                save_network(network, temporary)
        return load_network(folder)

    def _folder(self, value: Value, seed: int) -> Path:
        written = in_words(value, self.names) if isinstance(value, tuple) else str(value)
        return self.cache / str(seed) / written

    def train(self, processes: int) -> None:
        """Train what is missing, several networks at once: at every λ, and once more at those inside."""
        wanted = [(v, self.network_seed) for v in self.values]
        wanted += [(v, seed) for seed in FLOOR_SEEDS for v in self.values[1:-1]]
        missing = [(v, seed) for v, seed in wanted if not self._folder(v, seed).is_dir()]
        if not missing:
            return
        print(f"  training {len(missing)} networks ({self.network})", flush=True)
        with ProcessPoolExecutor(max(1, processes), get_context("spawn")) as pool:
            for future in [pool.submit(_train, self, v, seed) for v, seed in missing]:
                future.result()

    def harvest(self, split: Split, values: Sequence[Value], seed: int) -> Harvest:
        """Fresh outputs of the truth at some λ, at the conditions of a split, with the networks themselves."""
        count = self.fit_conditions if split == "fit" else self.score_conditions
        conditions = self.family.conditions(self.data, split, count, 0)
        networks = [self.trained(v, self.network_seed) for v in values]
        seeds = np.random.SeedSequence([seed, split == "fit"]).generate_state(len(values))
        outputs = [n.outputs(conditions, self.draws, int(s)) for n, s in zip(networks, seeds, strict=True)]
        repeated = np.repeat(conditions, self.draws, axis=0)
        family = self.family
        known = family.outcomes(self.data, MOST_OUTCOMES, 0) if isinstance(family, OutcomeFamily) else None
        return Harvest.from_arrays(
            values,
            [y.reshape(len(repeated), -1) for y in outputs],
            [repeated] * len(values),
            networks=networks,
            outcomes=known if split == "fit" else None,
            schema=self.family.schema(self.data),
        )


def _train(sweep: Sweep, value: Value, seed: int) -> None:
    import torch

    torch.set_num_threads(1)
    sweep.trained(value, seed)
