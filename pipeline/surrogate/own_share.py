"""How far `transport` of the harvest's own draws follows their partners at the next anchor: decided by held-back draws.

Half A of every condition's draws fits maps T_k and is moved to the next anchor: by T_k, to the partner among half A of
that anchor's draws, or half way between both. The error is the exact W2² to half B of that anchor's draws, which
neither has seen; with few conditions the halves swap, too. Half way is taken unless another share is better by more
than one standard error: it averages the noise of both anchors' draws, and was the best, or nearly so, for most laws
that were measured (docs/results.md). An average would blur atoms at the end of an output's range: there partners are
taken unless the maps are better.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from pipeline.data.harvest import Harvest
from pipeline.storage.checkpoint import once
from pipeline.surrogate.config import SurrogateConfig
from pipeline.surrogate.fitted import Candidate
from pipeline.surrogate.parts import Parts
from pipeline.transport.anchor_samples import AnchorSamples
from pipeline.transport.maps import TransportMaps
from pipeline.transport.pairs import Edges
from pipeline.transport.solvers.paired import fit_paired

Array = NDArray[np.float64]
Rows = list[NDArray[np.intp]]

OWN = "own rows "
"""What the names of these candidates begin with."""
NAMES = {0.0: f"{OWN}mapped", 0.5: f"{OWN}half way", 1.0: f"{OWN}matched"}
FEWEST_DRAWS = 4
"""The fewest draws of a condition that are compared in halves."""
FEWEST_CONDITIONS = 8
"""With fewer conditions standard errors are over conditions, intervals and halves."""
MOST_DRAWS = 64
"""The most draws of a condition in one half."""
MOST_ROWS = 1024
"""The most rows of an anchor in one half."""


@dataclass(frozen=True)
class OwnShare:
    """The share of the partner in an own row's other end, and the record of how it was chosen."""

    share: float
    candidates: tuple[Candidate, ...] = ()


def choose_own_share(
    harvest: Harvest,
    samples: Sequence[AnchorSamples],
    latent: Sequence[AnchorSamples],
    parts: Parts,
    config: SurrogateConfig,
    seed: int,
) -> OwnShare:
    """The share for a harvest of draws, from its samples in the coordinates that maps act on.

    latent: the same samples, beyond the atoms where outputs have any. With several hyperparameters own rows go by the
    maps.
    """
    counts = np.stack([np.bincount(g, minlength=1 + max(map(np.max, harvest.groups))) for g in harvest.groups])
    alike = np.flatnonzero((counts == counts[0]).all(0) & (counts[0] > 1))
    several = len(harvest.schema.hyperparameters) > 1
    if several or harvest.networks is not None or not len(alike) or not isinstance(parts.maps, TransportMaps):
        return OwnShare(0.0)
    prior = 1.0 if parts.atoms.columns else 0.5
    chosen = alike[counts[0][alike] >= FEWEST_DRAWS]
    if not len(chosen):
        return OwnShare(
            prior, (Candidate(NAMES[prior], chosen=True, remark="too few draws of a condition to compare"),)
        )
    generator = np.random.default_rng(seed)
    halves = _halves(harvest.groups, generator.permutation(chosen), generator)

    def errors_of(fitted: Rows, held_back: Rows) -> Array:
        return once(lambda: _errors(samples, latent, parts, config, seed, fitted, held_back), "own rows")

    errors = errors_of(*halves)
    if len(errors) >= FEWEST_CONDITIONS:
        return _decide(errors.mean(1), prior)
    swapped = errors_of(*halves[::-1])
    return _decide(np.concatenate([errors, swapped]).reshape(-1, len(NAMES)), prior)


def _decide(errors: Array, prior: float) -> OwnShare:
    """errors: (R, 3), of the shares 0, ½ and 1; R independent comparisons."""
    shares = [share for share in NAMES if prior == 0.5 or share != 0.5]
    columns = dict(zip(NAMES, errors.T, strict=True))
    mean = {share: float(columns[share].mean()) for share in shares}

    def gain(share: float) -> tuple[float, float]:
        difference = columns[prior] - columns[share]
        return float(difference.mean()), _standard_error(difference)

    better = [share for share in shares if share != prior and gain(share)[0] > gain(share)[1]]
    share = min([prior, *better], key=mean.__getitem__) if better else prior
    best = min(shares, key=mean.__getitem__)
    record = tuple(
        Candidate(NAMES[s], mean[s], _standard_error(columns[s] - columns[best]), s == share) for s in shares
    )
    return OwnShare(share, record)


def _standard_error(differences: Array) -> float:
    return float(differences.std(ddof=1) / np.sqrt(len(differences)))


def _halves(
    groups: Sequence[NDArray[np.intp]], conditions: NDArray[np.intp], generator: np.random.Generator
) -> tuple[Rows, Rows]:
    """Two sets of equally many draws of each condition at all anchors: rows by anchor, conditions contiguous."""
    first: Rows = []
    second: Rows = []
    order = [np.argsort(group, kind="stable") for group in groups]
    ends = [np.searchsorted(group[o], [conditions, conditions + 1]) for group, o in zip(groups, order, strict=True)]
    half = np.minimum((ends[0][1] - ends[0][0]) // 2, MOST_DRAWS)
    kept = max(1, int(np.searchsorted(np.cumsum(half), MOST_ROWS, side="right")))
    for rows, (start, stop) in zip(order, ends, strict=True):
        drawn = [generator.permutation(rows[a:b]) for a, b in zip(start[:kept], stop[:kept], strict=True)]
        first.append(np.concatenate([d[:h] for d, h in zip(drawn, half, strict=False)]))
        second.append(np.concatenate([d[h : 2 * h] for d, h in zip(drawn, half, strict=False)]))
    return first, second


def _errors(
    samples: Sequence[AnchorSamples],
    latent: Sequence[AnchorSamples],
    parts: Parts,
    config: SurrogateConfig,
    seed: int,
    fitted: Rows,
    held_back: Rows,
) -> Array:
    """W2² of the three ends to the draws held back, by condition and interval: (conditions, K, 3)."""
    train = [_select(anchor, rows) for anchor, rows in zip(latent, fitted, strict=True)]
    maps = _refitted(train, parts, config, seed)
    groups = samples[0].group.cpu().numpy()[fitted[0]]
    blocks = np.split(np.arange(len(groups)), np.flatnonzero(np.diff(groups)) + 1)
    errors = np.empty((len(blocks), len(train) - 1, len(NAMES)))
    for k in range(len(train) - 1):
        images = _seen(maps(train[k].outputs, train[k].condition, k), parts)
        own, truth = (samples[k + 1].outputs.cpu().double().numpy()[rows[k + 1]] for rows in (fitted, held_back))
        for b, rows in enumerate(blocks):
            errors[b, k] = _of_shares(images[rows], own[rows], truth[rows])
    return errors


def _of_shares(images: Array, own: Array, truth: Array) -> list[float]:
    partners = own[linear_sum_assignment(cdist(images, own, "sqeuclidean"))[1]]
    return [_exact(images + share * (partners - images), truth) for share in NAMES]


def _exact(points: Array, truth: Array) -> float:
    cost = cdist(points, truth, "sqeuclidean")
    return float(cost[linear_sum_assignment(cost)].mean())


def _refitted(train: Sequence[AnchorSamples], parts: Parts, config: SurrogateConfig, seed: int) -> TransportMaps:
    """Maps as those of the fit, of half of the draws."""
    made = TransportMaps(
        len(train) - 1, train[0].outputs.shape[1], parts.scaling.shape, exact=bool(parts.atoms.columns)
    )
    made = made.to(train[0].outputs.device)
    knots = parts.clock.coordinates(parts.clock.anchors)
    edges = Edges(train, list(pairwise(range(len(train)))))
    fit_paired(edges, False, made, None, config, seed, knots)
    return made.requires_grad_(False)


@torch.no_grad()
def _seen(points: torch.Tensor, parts: Parts) -> Array:
    """Standardised points, clipped to bounds and atoms."""
    scaling, components = parts.scaling, parts.components
    whole = points if components is None else components.lift(points)
    seen = scaling.shorter(whole, scaling.standardise(parts.atoms.clipped(scaling.restore(whole))))
    return np.asarray((seen if components is None else components.leading(seen)).cpu().double().numpy())


def _select(anchor: AnchorSamples, rows: NDArray[np.intp]) -> AnchorSamples:
    index = torch.as_tensor(rows, device=anchor.outputs.device)
    return replace(anchor, outputs=anchor.outputs[index], condition=anchor.condition[index], group=anchor.group[index])
