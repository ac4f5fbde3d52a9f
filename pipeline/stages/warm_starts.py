"""Which anchor's network starts from which: the section `warm` of params.yaml, written for `train.start: neighbour`.

Anchors are trained in chains: upwards (the least from its own initial weights, each other from the one below it) and
downwards. DVC names its stages by this plan, so that its graph shows who waits for whom. Without it, as for
`train.start: own`, there are no such stages.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from pipeline.errors import ConfigurationError
from pipeline.families.protocol import EpisodicFamily, NetworkFamily, WarmFamily
from pipeline.settings import Section
from pipeline.stages.planned import with_section
from pipeline.storage.yaml_text import sections

if TYPE_CHECKING:
    from pipeline.data.mesh import Value

OWN, NEIGHBOUR = "own", "neighbour"
UP, DOWN = "up", "down"
HEADING = "# Written by `make sweep`: the networks of each chain's anchors, and what each retrained one starts from.\n"


class WarmSection(Section):
    """The networks under data/NAME/networks that are trained from a neighbour's, and the chains that they form.

    links: name of a network → name of the one that it starts from. chains: the names of the anchors' networks in
    ascending order of λ, for the independent ones ("own") and those of either direction ("up", "down").
    """

    chains: dict[str, tuple[str, ...]] = {}
    links: dict[str, str] = {}

    def networks_of(self, chain: str) -> tuple[str, ...]:
        """The networks of a chain; ConfigurationError where there is no such chain."""
        if chain not in self.chains:
            raise ConfigurationError(f"{chain!r} is not one of warm.chains = {list(self.chains)}; choose one of them")
        return self.chains[chain]

    def start_of(self, network: str) -> str:
        """What a network starts from; ConfigurationError where it starts from none."""
        if network not in self.links:
            raise ConfigurationError(f"{network!r} is not one of warm.links = {list(self.links)}; choose one of them")
        return self.links[network]


def anchor_of(network: str) -> str:
    """λ in words of a network's name: "5.0" of "5.0" and "up_5.0"."""
    direction, found, value = network.partition("_")
    return value if found and direction in (UP, DOWN) else network


def plan(anchors: Sequence[str]) -> WarmSection:
    """Both chains of the anchors, which are in ascending order and named as their networks' folders are."""
    up = (anchors[0], *(f"{UP}_{anchor}" for anchor in anchors[1:]))
    down = (*(f"{DOWN}_{anchor}" for anchor in anchors[:-1]), anchors[-1])
    links = {later: start for start, later in [*pairwise(up), *pairwise(reversed(down))]}
    return WarmSection(chains={OWN: tuple(anchors), UP: up, DOWN: down}, links=links)


def with_warm_starts(text: str) -> str:
    """params.yaml's text with the section `warm` that its anchors need, for `train.start: neighbour`; else without.

    All other text stays as it is, and so does a text that is no sweep: reading it as one will say what is wrong.
    """
    loaded = sections(text)
    names = _anchors(loaded) if _starts_from_neighbours(loaded) else []
    return with_section(text, "warm", HEADING, plan(names).model_dump(mode="json") if names else None)


def _starts_from_neighbours(loaded: Mapping[str, Any]) -> bool:
    train = loaded.get("train")
    return isinstance(train, Mapping) and train.get("start") == NEIGHBOUR


def _anchors(loaded: Mapping[str, Any]) -> list[str]:
    """The anchors as sweep.values writes them, since folders are named so; [] where they are no ascending numbers."""
    sweep = loaded.get("sweep")
    values, anchors = (sweep.get("values"), sweep.get("anchors")) if isinstance(sweep, Mapping) else (None, None)
    if not (isinstance(values, list) and isinstance(anchors, list)):
        return []
    if not all(isinstance(entry, int | float) for entry in [*values, *anchors]) or sorted(anchors) != anchors:
        return []
    return [str(value) for value in values if value in anchors]


def check_plan(warm: WarmSection, start: str, anchors: Sequence["Value"]) -> None:
    """ValueError unless the plan is that of these anchors for `train.start: neighbour`, and empty for `own`."""
    if start == OWN:
        if warm.chains or warm.links:
            raise ValueError("warm: belongs to train.start = 'neighbour'; remove the section, or set that")
        return
    if any(isinstance(anchor, tuple) for anchor in anchors):
        raise ValueError(
            "train.start = 'neighbour' takes one hyperparameter: with several, anchors form no chain; set "
            "train.start: own"
        )
    own = warm.chains.get(OWN, ())
    if len(own) < 2 or warm != plan(own) or not _are(own, anchors):
        raise ValueError(
            f"warm: is not the plan of sweep.anchors = {list(anchors)} with train.start = 'neighbour'; write it by "
            "`make sweep`, or `python -m pipeline sweep NAME`"
        )


def _are(names: Sequence[str], anchors: Sequence["Value"]) -> bool:
    try:
        return [float(name) for name in names] == list(anchors)
    except ValueError:
        return False


def check_family(family: NetworkFamily, network: str) -> None:
    """ConfigurationError where a family cannot train from a neighbour's network, or cannot say what that cost."""
    methods = {"train_from": WarmFamily, "episode_scores": EpisodicFamily}
    missing = [f"{method}()" for method, protocol in methods.items() if not isinstance(family, protocol)]
    if missing:
        raise ConfigurationError(
            f"train.start = 'neighbour' with network = {network!r}: {type(family).__name__} lacks "
            f"{' and '.join(missing)}, without which no network is trained from another, or not judged; implement "
            "them, or set train.start: own"
        )
