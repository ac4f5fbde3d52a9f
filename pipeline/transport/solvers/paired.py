"""The paired solver: couplings found by exact transport, metric and paths learnt along them, maps regressed on them.

Where the harvest holds the same conditions at every anchor, the coupling of a deterministic network is known, and that
of a stochastic one is a small transport problem a condition. It is found under the learnt cost c (the least action
between two samples), in turns with the metric and the paths: Euclidean pairs squeeze what moves on a curve.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.storage.checkpoint import resumable
from pipeline.transport.config import PairedConfig
from pipeline.transport.fit_maps import fit_intervals
from pipeline.transport.fit_network_maps import fit_network_maps
from pipeline.transport.inner_pairs import Cells
from pipeline.transport.maps import TransportMaps
from pipeline.transport.network_maps import NetworkMaps
from pipeline.transport.pairs import Cost, Edges, Interval, Pairs, euclidean_cost
from pipeline.transport.training import History, PathTrainer

FINAL_SHARE = 4
"""The last coupling, on which the maps are regressed, may cost this many times as much as the others: in larger blocks
it is less noisy, and the maps' images keep more of their spread."""
EXPLORED = 0.1
"""How far beyond the samples, in standardised units, paths are trained: rows to be moved need not be the harvest's."""

FEWEST_PAIRS = 32
"""The fewest pairs of an edge in a batch, where several hyperparameters have many edges."""


def paired_path_steps(config: PairedConfig, known: bool) -> int:
    """How many steps the path network is trained in all."""
    return config.path_steps * (1 if known else config.coupling_rounds)


def fit_paired(
    edges: Edges,
    known: bool,
    maps: TransportMaps | NetworkMaps,
    trainer: PathTrainer | None,
    config: PairedConfig,
    seed: int,
    knots: NDArray[np.float64] | None,
    cells: Cells | None = None,
) -> History:
    """Fit maps, and by the trainer metric and paths, in place; returns the training curves.

    path_action of the paths; map_loss of maps that are networks, or map_error of maps in closed form, by interval.

    known: the coupling is known, and computed once. trainer None: paths are straight, the cost is Euclidean. knots: the
    clock at the anchors (K + 1,) of one hyperparameter. cells: those of several, inside which paths are trained, too.
    """
    intervals = edges.intervals
    generator = torch.Generator().manual_seed(seed)
    numpy_generator = np.random.default_rng(seed)

    def couple(cost: Cost, share: int = 1) -> list[Pairs]:
        costs = [cost if number in edges.curved else euclidean_cost for number in range(len(intervals))]
        most = share * config.coupling_pairs
        couplings = [i.couple(c, most, numpy_generator) for i, c in zip(intervals, costs, strict=True)]
        if cells is not None:
            cells.match(couplings)
        return [i.pairs(coupling) for i, coupling in zip(intervals, couplings, strict=True)]

    pairs = couple(euclidean_cost)
    curve: list[float] = []
    if trainer is not None:
        bent = [intervals[number] for number in edges.curved]
        rounds = 1 if known else config.coupling_rounds
        for turn in range(rounds):
            moves = [pairs[number] for number in edges.curved]
            curve += train_paths(trainer, bent, moves, config, generator, explore=not known, cells=cells)
            if not known:
                pairs = couple(trainer.cost, FINAL_SHARE if turn == rounds - 1 else 1)
    if isinstance(maps, NetworkMaps):
        return {"path_action": curve, "map_loss": fit_network_maps(maps, pairs, config, generator)}
    error = fit_intervals(maps, edges, pairs, known, trainer is None, knots)
    return {"path_action": curve, "map_error": error}


def train_paths(
    trainer: PathTrainer,
    intervals: Sequence[Interval],
    pairs: Sequence[Pairs],
    config: PairedConfig,
    generator: torch.Generator,
    *,
    explore: bool,
    cells: Cells | None = None,
) -> list[float]:
    """Train on coupled pairs; with `explore` on random ones too, which train only the paths. Returns the actions.

    Without random pairs the network would not know the cost of a pair that is not coupled yet. Inside cells geodesics
    join points that are no anchor's samples: such pairs train only the paths, too.
    """
    share = max(-(-config.batch_size // len(pairs)), 0 if cells is None else FEWEST_PAIRS)
    curve = np.zeros(config.path_steps)
    for step in resumable(config.path_steps, "paths", trainer=trainer, generator=generator, curve=curve):
        moves = Pairs.combine([p.draw(share, generator) for p in pairs], torch.cat)
        observed = len(moves)
        if explore:
            drawn = Pairs.combine([i.random_pairs(share, generator) for i in intervals], torch.cat)
            moves = Pairs.combine([moves, _blur(drawn, generator)], torch.cat)
        if cells is not None and cells.bent:
            moves = Pairs.combine([moves, cells.draw(config.batch_size, trainer.paths, generator)], torch.cat)
        actions = trainer.action_beside(moves.start, moves.end, moves.condition, observed)
        loss = actions[:observed].mean()
        curve[step] = loss.item()
        trainer.descend(loss + actions[observed:].mean() if len(moves) > observed else loss)
    return list(curve.tolist())


def _blur(pairs: Pairs, generator: torch.Generator) -> Pairs:
    """The pairs with both ends moved by noise of EXPLORED standard deviations."""
    start, end = (
        y + EXPLORED * torch.randn(y.shape, generator=generator).to(y.device) for y in (pairs.start, pairs.end)
    )
    return Pairs(start, end, pairs.condition, pairs.weight)
