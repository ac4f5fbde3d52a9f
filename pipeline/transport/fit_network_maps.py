"""Maps of draws on curved paths: networks regressed on pairs that are coupled under the learnt cost.

A closed form needs a map that is nearly affine within a condition, as that of least squared distance often is; the map
that couples draws along curves bends more. On semicircles of 100 draws a category networks are nearer to the truth.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pipeline.storage.checkpoint import resumable
from pipeline.transport.condition import Condition
from pipeline.transport.config import PairedConfig
from pipeline.transport.network_maps import NetworkMaps
from pipeline.transport.pairs import Pairs
from pipeline.transport.ridge import make_folds
from pipeline.transport.training import one_cycle

HELD_BACK = 0.15
"""The share of conditions whose pairs validate the maps; but at least FEWEST_HELD_BACK of them, and at most a third."""
FEWEST_HELD_BACK = 10
VALIDATED_EVERY = 50


def fit_network_maps(
    maps: NetworkMaps, pairs: Sequence[Pairs], config: PairedConfig, generator: torch.Generator
) -> list[float]:
    """Regress T_k on the coupled pairs: the affine part by ridge, then the networks; returns the training losses.

    Where conditions are continuous, pairs of some of them are held back, and the weights with the least error there
    are kept: a network that memorises few conditions is wild between them.
    """
    for k, pair in enumerate(pairs):
        number = torch.arange(len(pair))  # of categories alone, rows are left out
        if pair.condition.values.shape[1]:
            number = torch.unique(_keys(pair.condition), dim=0, return_inverse=True)[1]
        folds = make_folds(number.cpu().numpy())
        maps.fit_affine(k, pair.start, pair.condition, pair.end, pair.weight, folds)
    train, held_back = _hold_back(pairs, generator)
    optimiser = torch.optim.AdamW(maps.parameters(), config.map_learning_rate, weight_decay=1e-2, fused=True)
    schedule = one_cycle(optimiser, config.map_steps)
    size = maps.residual_scale.square()
    curve = np.zeros(config.map_steps)
    best: dict[str, Any] = {"error": _error(maps, held_back) if held_back else math.inf, "weights": _weights(maps)}
    for step in resumable(
        config.map_steps,
        "maps",
        generator=generator,
        maps=maps,
        optimiser=optimiser,
        schedule=schedule,
        best=best,
        curve=curve,
    ):
        batch = Pairs.combine([p.draw(config.batch_size, generator) for p in train], torch.stack)
        loss = ((maps(batch.start, batch.condition) - batch.end).square() / size).mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()
        curve[step] = loss.item()
        if held_back and (step % VALIDATED_EVERY == VALIDATED_EVERY - 1 or step == config.map_steps - 1):
            error = _error(maps, held_back)
            if error < best["error"]:
                best.update(error=error, weights=_weights(maps))
    if held_back:
        maps.load_state_dict(best["weights"])
    return list(curve.tolist())


def _weights(maps: NetworkMaps) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in maps.state_dict().items()}


@torch.no_grad()
def _error(maps: NetworkMaps, pairs: Sequence[Pairs]) -> float:
    """The mean over intervals of the squared errors on pairs, in units of the affine parts' residuals."""
    errors = [
        ((maps(p.start, p.condition, k) - p.end).square().sum(-1) @ p.weight / maps.residual_scale[k].square()).mean()
        for k, p in enumerate(pairs)
    ]
    return float(torch.stack(errors).mean())


def _hold_back(pairs: Sequence[Pairs], generator: torch.Generator) -> tuple[Sequence[Pairs], Sequence[Pairs]]:
    """The pairs to train on, and those of a share HELD_BACK of the conditions; none where these are few, or codes."""
    if not pairs[0].condition.values.shape[1]:
        return pairs, []
    distinct, number = torch.unique(torch.cat([_keys(p.condition) for p in pairs]), dim=0, return_inverse=True)
    count = min(max(int(HELD_BACK * len(distinct)), FEWEST_HELD_BACK), len(distinct) // 3)
    chosen = torch.zeros(len(distinct), dtype=torch.bool)
    chosen[torch.randperm(len(distinct), generator=generator)[:count]] = True
    masks = torch.split(chosen.to(number.device)[number], [len(p) for p in pairs])
    if not all(bool(mask.any()) and not bool(mask.all()) for mask in masks):
        return pairs, []
    return [p.select(~mask) for p, mask in zip(pairs, masks, strict=True)], [
        p.select(mask) for p, mask in zip(pairs, masks, strict=True)
    ]


def _keys(condition: Condition) -> Tensor:
    """Rows that are equal where conditions are."""
    return torch.cat([condition.values, condition.codes.to(condition.values.dtype)], dim=1)
