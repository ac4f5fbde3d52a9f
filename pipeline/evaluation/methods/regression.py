"""Direct regression: one network learns y from (x, λ), and is asked at any λ. No transport, no anchors' networks.

Where a condition has one output it is fitted by squared error. Where outputs are draws, the network takes noise z as
well, and is fitted by the energy score ES(p, y) = E|Y − y| − ½ E|Y − Y'| (Gneiting and Raftery, JASA 2007, section
4.3), a strictly proper score: its minimiser is the distribution itself. Y, Y' ~ p are the network's outputs at DRAWS
draws of noise a row. Outputs and conditions are standardised; angles are points of a circle; outputs end within their
bounds.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.data.mesh import Value
from pipeline.evaluation.methods.learning import Encoding, Perceptron, Schedule, descend, held_back, in_order
from pipeline.evaluation.methods.method import Fitting, Method
from pipeline.families.threads import single_thread
from pipeline.surrogate.draws import Rows, condition_keys, normal, numbered_keys

WIDTHS = (128, 128)
STEPS = 2400
BATCH = 256
DRAWS = 4
"""Draws of noise a row in the energy score; two are enough for an unbiased estimate."""
NOISE = 8
"""The most numbers that a draw takes."""
CHUNK = 16_384
"""Rows that are evaluated at once, which bounds memory."""
MARGIN = 1e-12
"""Under the root of distances: their gradient at 0."""


@dataclass(frozen=True, eq=False)
class Regression:
    """The fitted network. noise: the numbers that a draw takes, 0 where a condition has one output."""

    encoding: Encoding
    network: Perceptron
    noise: int

    @torch.no_grad()
    def sample(
        self, conditions: NDArray[np.floating], hyperparameter: Value, draws: int, seed: int
    ) -> NDArray[np.float64]:
        """As `Fitted.sample`; a draw depends on the seed and its condition alone, and is continuous in λ."""
        features, place = self.encoding.features(conditions), self.encoding.scaled(hyperparameter).float()
        inputs = torch.cat([features, place.expand(len(features), -1)], dim=-1).repeat_interleave(draws, 0)
        inputs = torch.cat([inputs, _noise(conditions, draws, seed, self.noise)], dim=-1)
        with single_thread():
            found = [self.network(inputs[i : i + CHUNK]) for i in range(0, len(inputs), CHUNK)]
        embedded = torch.cat(found) if found else torch.empty(0, self.encoding.embedded_width)
        return self.encoding.restored(embedded.reshape(len(features), draws, -1))


def _noise(conditions: NDArray[np.floating], draws: int, seed: int, size: int) -> Tensor:
    """Noise (N · draws, size) by (seed, condition); rows of equal conditions are further draws of it."""
    if not size:
        return torch.empty(len(conditions) * draws, 0)
    known = np.asarray(conditions, np.float64)
    keys = np.repeat(condition_keys(known, seed), draws)
    numbers = (Rows.of(known).occurrence[:, None] * draws + np.arange(draws)).reshape(-1)
    return torch.from_numpy(normal(numbered_keys(keys, numbers), size))


def energy_scores(outputs: Tensor, target: Tensor) -> Tensor:
    """Unbiased energy scores (B,) of m ≥ 2 draws (B, m, E) for targets (B, E)."""
    draws = outputs.shape[1]
    apart = (outputs[:, :, None] - outputs[:, None]).square().sum(-1).add(MARGIN).sqrt().sum((1, 2))
    away = (outputs - target[:, None]).square().sum(-1).add(MARGIN).sqrt().mean(1)
    return away - apart / (2 * draws * (draws - 1))


def _rows(fitting: Fitting, encoding: Encoding) -> tuple[Tensor, Tensor, NDArray[np.intp]]:
    """Inputs (N, F + P), targets (N, E) and numbers of conditions (N,) of all anchors' rows."""
    harvest = in_order(fitting.harvest)
    inputs, targets = [], []
    for value, x, y in zip(harvest.values, harvest.conditions, harvest.outputs, strict=True):
        features = encoding.features(x)
        inputs.append(torch.cat([features, encoding.scaled(value).float().expand(len(features), -1)], dim=-1))
        targets.append(encoding.embedded(encoding.standardised(y)))
    return torch.cat(inputs), torch.cat(targets), np.concatenate(harvest.groups)


def _fit(fitting: Fitting) -> Regression:
    encoding = Encoding.of(in_order(fitting.harvest))
    inputs, targets, groups = _rows(fitting, encoding)
    noise = 0 if fitting.deterministic else min(NOISE, max(2, 2 * targets.shape[1]))
    generator = torch.Generator().manual_seed(fitting.seed)
    network = Perceptron(inputs.shape[1] + noise, WIDTHS, targets.shape[1], generator)
    out = torch.from_numpy(held_back(groups, fitting.seed))
    known, judges = (~out).nonzero()[:, 0], out.nonzero()[:, 0]
    still = torch.randn(len(judges) * DRAWS, noise, generator=generator)

    def errors(rows: Tensor, drawn: Tensor | None) -> Tensor:
        if not noise:
            difference: Tensor = network(inputs[rows]) - targets[rows]
            return difference.square().mean()
        z = torch.randn(len(rows) * DRAWS, noise, generator=generator) if drawn is None else drawn
        outputs: Tensor = network(torch.cat([inputs[rows].repeat_interleave(DRAWS, 0), z], dim=-1))
        return energy_scores(outputs.reshape(len(rows), DRAWS, -1), targets[rows]).mean()

    def loss() -> Tensor:
        return errors(known[torch.randint(len(known), (BATCH,), generator=generator)], None)

    def judged() -> float:
        with torch.no_grad():
            return float(errors(judges, still))

    with single_thread(), torch.enable_grad():
        descend(network, loss, judged, Schedule(STEPS))
    return Regression(encoding, network, noise)


METHOD = Method(
    name="regression",
    label="direct regression on (x, λ)",
    role="baseline",
    colour="#7F7F7F",
    marker="X",
    fit=_fit,
)
