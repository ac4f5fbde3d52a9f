"""The paired solver: couplings found by exact transport, metric and paths learnt along them, maps regressed on them.

Where the harvest holds the same conditions at every anchor, the coupling of a deterministic network is known outright,
and that of a stochastic one is a small transport problem a condition. It is found under the learnt cost c (the least
action between two samples), in turns with the metric and the paths: Euclidean pairs squeeze what moves on a curve.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from pipeline.transport.config import PairedConfig
from pipeline.transport.maps import TransportMaps
from pipeline.transport.networks import Condition
from pipeline.transport.pairs import Cost, Interval, Pairs, euclidean_cost
from pipeline.transport.training import History, PathTrainer, one_cycle

HELD_BACK = 0.15
"""The share of conditions that judges the maps while the others train them; but at least FEWEST_JUDGES of them, and at
most a third."""
FEWEST_JUDGES = 10
JUDGED_EVERY = 50
FINAL_SHARE = 4
"""The last coupling, on which the maps are regressed, may cost so many times as much as those before it: in larger
blocks it is less noisy, and the maps' images keep more of their spread."""
EXPLORED = 0.1
"""How far beyond the samples, in standardised units, paths are trained: rows to be moved need not be the harvest's."""


def paired_path_steps(config: PairedConfig, known: bool) -> int:
    """How many steps the path network is trained in all."""
    return config.path_steps * (1 if known else config.coupling_rounds)


def fit_paired(
    intervals: Sequence[Interval],
    known: bool,
    maps: TransportMaps,
    trainer: PathTrainer | None,
    config: PairedConfig,
    seed: int,
) -> History:
    """Fit maps, and by the trainer metric and paths, in place; returns the training curves (path action, map loss).

    known: the coupling is known outright, and found once. trainer None: paths are straight, the cost is Euclidean.
    """
    generator = torch.Generator().manual_seed(seed)
    numpy_generator = np.random.default_rng(seed)

    def couple(cost: Cost, share: int = 1) -> list[Pairs]:
        return [i.pairs(i.couple(cost, share * config.coupling_pairs, numpy_generator)) for i in intervals]

    pairs = couple(euclidean_cost)
    curve: list[float] = []
    if trainer is not None:
        rounds = 1 if known else config.coupling_rounds
        for turn in range(rounds):
            curve += train_paths(trainer, intervals, pairs, config, generator, explore=not known)
            if not known:
                pairs = couple(trainer.cost, FINAL_SHARE if turn == rounds - 1 else 1)
    return {"path_action": curve, "map_loss": fit_maps(maps, pairs, config, generator)}


def train_paths(
    trainer: PathTrainer,
    intervals: Sequence[Interval],
    pairs: Sequence[Pairs],
    config: PairedConfig,
    generator: torch.Generator,
    explore: bool,
) -> list[float]:
    """Train on coupled pairs; with `explore` as much on random ones, which move the paths alone. Returns the actions.

    Without random pairs the network would not know the cost of a pair that is not coupled yet.
    """
    share = -(-config.batch_size // len(pairs))
    curve = []
    for _ in range(config.path_steps):
        moves = _join([p.draw(share, generator) for p in pairs])
        observed = len(moves)
        if explore:
            drawn = _join([i.random_pairs(share, generator) for i in intervals])
            moves = _join([moves, _blur(drawn, generator)])
        actions = trainer.action_beside(moves.start, moves.end, moves.condition, observed)
        loss = actions[:observed].mean()
        curve.append(loss.item())
        trainer.descend(loss + actions[observed:].mean() if explore else loss)
    return curve


def _blur(pairs: Pairs, generator: torch.Generator) -> Pairs:
    """The pairs with both ends moved by noise of EXPLORED standard deviations."""
    start, end = (
        y + EXPLORED * torch.randn(y.shape, generator=generator).to(y.device) for y in (pairs.start, pairs.end)
    )
    return Pairs(start, end, pairs.condition, pairs.weight)


def fit_maps(
    maps: TransportMaps, pairs: Sequence[Pairs], config: PairedConfig, generator: torch.Generator
) -> list[float]:
    """Regress T_k on the coupled pairs: the affine part in closed form, then the networks; returns the losses.

    Where conditions are continuous, pairs of some of them are held back, and the weights that foretell these best are
    kept: a network that learns few conditions by heart is wild between them.
    """
    for k, pair in enumerate(pairs):
        distinct = len(torch.unique(_keys(pair.condition), dim=0)) if pair.condition.values.shape[1] else len(pair)
        maps.solve_affine(k, pair.start, pair.condition, pair.end, pair.weight, distinct)
    train, judge = _hold_back(pairs, generator)
    optimiser = torch.optim.AdamW(maps.parameters(), config.map_learning_rate, weight_decay=1e-2, fused=True)
    schedule = one_cycle(optimiser, config.map_steps)
    size = maps.residual_scale.square()
    curve = []
    best, kept = _map_error(maps, judge) if judge else math.inf, _weights(maps)
    for step in range(config.map_steps):
        batch = _stack([p.draw(config.batch_size, generator) for p in train])
        loss = ((maps(batch.start, batch.condition) - batch.end).square() / size).mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()
        curve.append(loss.item())
        if judge and (step % JUDGED_EVERY == JUDGED_EVERY - 1 or step == config.map_steps - 1):
            error = _map_error(maps, judge)
            if error < best:
                best, kept = error, _weights(maps)
    if judge:
        maps.load_state_dict(kept)
    return curve


def _weights(maps: TransportMaps) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in maps.state_dict().items()}


@torch.no_grad()
def _map_error(maps: TransportMaps, judge: Sequence[Pairs]) -> float:
    """The mean over intervals of the maps' squared errors on pairs, in units of what their affine parts leave."""
    errors = [
        ((maps(p.start, p.condition, k) - p.end).square().sum(-1) @ p.weight / maps.residual_scale[k].square()).mean()
        for k, p in enumerate(judge)
    ]
    return float(torch.stack(errors).mean())


def _hold_back(pairs: Sequence[Pairs], generator: torch.Generator) -> tuple[Sequence[Pairs], Sequence[Pairs]]:
    """The pairs to train on, and those of a share HELD_BACK of the conditions; none where these are few, or codes."""
    if not pairs[0].condition.values.shape[1]:
        return pairs, []
    distinct, number = torch.unique(torch.cat([_keys(p.condition) for p in pairs]), dim=0, return_inverse=True)
    count = min(max(int(HELD_BACK * len(distinct)), FEWEST_JUDGES), len(distinct) // 3)
    judged = torch.zeros(len(distinct), dtype=torch.bool)
    judged[torch.randperm(len(distinct), generator=generator)[:count]] = True
    masks = torch.split(judged.to(number.device)[number], [len(p) for p in pairs])
    if not all(bool(mask.any()) and not bool(mask.all()) for mask in masks):
        return pairs, []
    return [p.select(~mask) for p, mask in zip(pairs, masks, strict=True)], [
        p.select(mask) for p, mask in zip(pairs, masks, strict=True)
    ]


def _keys(condition: Condition) -> Tensor:
    """Rows that are equal where conditions are."""
    return torch.cat([condition.values, condition.codes.to(condition.values.dtype)], dim=1)


def _join(batches: Sequence[Pairs]) -> Pairs:
    return _combine(batches, torch.cat)


def _stack(batches: Sequence[Pairs]) -> Pairs:
    return _combine(batches, torch.stack)


def _combine(batches: Sequence[Pairs], combine: Callable[[list[Tensor]], Tensor]) -> Pairs:
    condition = Condition(combine([b.condition.values for b in batches]), combine([b.condition.codes for b in batches]))
    start, end, weight = (combine([getattr(b, name) for b in batches]) for name in ("start", "end", "weight"))
    return Pairs(start, end, condition, weight)
