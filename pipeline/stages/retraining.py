"""Which networks are trained again from another seed: the section `retrain` of params.yaml.

It is written for `validate.noise` (an anchor: how far do outputs move when only the seed of training changes?) and
`validate.floor_seeds` (every held-out λ: no surrogate can be asked to lie nearer to a network than the same network,
trained again). DVC names its stages by it. Without it, where both are 0, there are no such stages.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field, ValidationError

from pipeline.errors import ConfigurationError
from pipeline.settings import Section
from pipeline.stages.planned import with_section
from pipeline.stages.sweep import SweepSection
from pipeline.storage.yaml_text import sections

if TYPE_CHECKING:
    from pipeline.data.mesh import Value

HEADING = "# Written by `make sweep`: the networks that are trained again, from the seed train.seed + seed.\n"
MOST_NOISE, MOST_SEEDS = 1, 20


class Again(Section):
    """A network that is trained again. value: λ in words. seed: what is added to train.seed."""

    value: str
    seed: int = Field(ge=1, le=MOST_SEEDS)


class RetrainSection(Section):
    """networks: the name of a network's folder, "0.5_seed1" → which one it is."""

    networks: dict[str, Again] = {}

    def of(self, name: str) -> Again:
        """What a network's name says; ConfigurationError where it is not one of retrain.networks."""
        if name not in self.networks:
            known = list(self.networks)
            raise ConfigurationError(f"{name!r} is not one of retrain.networks = {known}; choose one of them")
        return self.networks[name]


def plan(sweep: SweepSection, noise: int, floor_seeds: int) -> RetrainSection:
    """The networks that `validate.noise` and `validate.floor_seeds` ask for."""
    seeds = range(1, floor_seeds + 1)
    wanted = [(middle(sweep.anchors), 1)] * noise + [(value, seed) for seed in seeds for value in sweep.held_out]
    words = dict(zip(sweep.values, map(str, sweep.in_words()), strict=True))
    return RetrainSection(
        networks={f"{words[value]}_seed{seed}": Again(value=words[value], seed=seed) for value, seed in wanted}
    )


def middle(anchors: Sequence["Value"]) -> "Value":
    """The middle anchor, the upper one of two; of several hyperparameters that nearest to the centre of their range."""
    if not isinstance(anchors[0], tuple):
        return anchors[len(anchors) // 2]
    points = np.array(anchors, np.float64)
    scaled = (points - points.min(axis=0)) / np.ptp(points, axis=0)
    return anchors[int(((scaled - 0.5) ** 2).sum(axis=1).argmin())]


def with_retraining(text: str) -> str:
    """params.yaml's text with the section `retrain` that its section `validate` needs, or without it.

    All other text stays as it is, and so does a text that is no sweep: reading it as one will say what is wrong.
    """
    networks = _planned(sections(text))
    return with_section(text, "retrain", HEADING, {"networks": networks} if networks else None)


def _planned(loaded: Mapping[str, Any]) -> dict[str, Any]:
    noise, floor_seeds = (
        _count(loaded.get("validate"), *s) for s in (("noise", MOST_NOISE), ("floor_seeds", MOST_SEEDS))
    )
    if loaded.get("network") is None or not (noise or floor_seeds):
        return {}
    try:
        sweep = SweepSection.model_validate(loaded.get("sweep"))
    except ValidationError:
        return {}
    return plan(sweep, noise, floor_seeds).model_dump(mode="json")["networks"] if sweep.values else {}


def _count(section: object, key: str, most: int) -> int:
    """A number of the section `validate`; 0 where it is none that the section takes."""
    given = section.get(key, 0) if isinstance(section, Mapping) else 0
    return given if isinstance(given, int) and 0 <= given <= most else 0


def check_retraining(retrain: RetrainSection, sweep: SweepSection, noise: int, floor_seeds: int) -> None:
    """ValueError unless the section is what `validate` and the sweep, which has values, ask for."""
    if retrain == plan(sweep, noise, floor_seeds):
        return
    asked = f"validate.noise = {noise}, validate.floor_seeds = {floor_seeds} and sweep.values = {sweep.in_words()}"
    raise ValueError(
        f"retrain: is not the plan of {asked}; write it by `make sweep`, or `python -m pipeline sweep`, which adds the "
        "section, or removes it"
    )
