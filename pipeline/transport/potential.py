"""The potential U(q | x) = α log(p̂(q | x) + ε), p̂ a conditional kernel density estimate (Nadaraya–Watson).

p̂(q | x) = Σ_i k_hy(q − y_i) k_hx(x − x_i) / Σ_i k_hx(x − x_i), Gaussian kernels; categorical conditions restrict the
sums to the samples of their category. Amad and van der Schaar, ICLR 2026 (arXiv 2603.01771).
"""

import math
from collections.abc import Iterator
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from pipeline.transport.condition import Condition

LOG_EPSILON = math.log(1e-8)
LOG2_E = 1.0 / math.log(2.0)

BLOCK = 2**18
"""This many exponentials at once fit the cache of one core, which makes them up to three times faster."""
BLOCK_ON_CUDA = 2**25
ROWS = 1024
"""Number of rows with different conditions that are weighted against all samples at once, to bound memory."""


class _LogMixture(torch.autograd.Function):
    """log Σ_i exp(w_i − |q − y_i|² / 2h²), with its gradient in q in closed form.

    The gradient Σ_i softmax_i (y_i − q) / h² follows from the same exponentials, so nothing of size (B, T, n) is kept:
    they are computed in blocks that stay in a core's cache. Powers of 2, because exp2 is three times faster than exp.
    """

    @staticmethod
    def forward(ctx: Any, points: Tensor, log_weights: Tensor, support: Tensor, bandwidth: float) -> Tensor:
        """Logs at points (B, T, D), log_weights (B, n), support (B, D, n) → (B, T)."""
        precision = LOG2_E / bandwidth**2
        offset = LOG2_E * log_weights - 0.5 * precision * support.square().sum(-2)
        with_gradient = ctx.needs_input_grad[0]
        logs, means = [], []
        for q, shift, y in _blocks(points, offset.unsqueeze(-2), support):
            exponent = torch.baddbmm(shift, q * precision, y)
            largest = exponent.amax(-1, keepdim=True)
            # exp2 is many times slower where its result is denormal; 2^-115 of the largest term is nothing already.
            exponent = exponent.sub_(largest).clamp_min_(-115.0).exp2_()
            total = exponent.sum(-1, keepdim=True)
            logs.append((largest + total.log2()).squeeze(-1))
            if with_gradient:
                means.append(torch.matmul(y, exponent.mT).mT / total)
        along = 1 if len(points) == 1 else 0
        if with_gradient:
            ctx.save_for_backward((torch.cat(means, along) - points) / bandwidth**2)
        return torch.cat(logs, along) / LOG2_E - 0.5 * points.square().sum(-1) / bandwidth**2

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        (score,) = ctx.saved_tensors
        return gradients[0].unsqueeze(-1) * score, None, None, None


def _blocks(points: Tensor, offset: Tensor, support: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Points (B, T, D), offset (B, 1, n) and support (B, D, n) in blocks of about BLOCK pairs of point and sample."""
    most = BLOCK_ON_CUDA if points.is_cuda else BLOCK
    if len(points) == 1:
        for q in torch.split(points, max(1, most // support.shape[-1]), dim=1):
            yield q, offset, support
    else:
        size = max(1, most // (points.shape[1] * support.shape[-1]))
        yield from zip(*(torch.split(tensor, size) for tensor in (points, offset, support)), strict=True)


class Density(nn.Module):
    """The conditional kernel density estimate over the samples of all anchors; make one by `of`.

    support (G, n, D), values (G, n, continuous) and log_counts (G, n): the samples of each of G categories, filled up
    to the largest with weight −∞. categories (G, categorical): their codes. Buffers only; nothing here is trained.
    """

    neighbours: ClassVar[int] = 512
    """Where conditions are continuous, this many samples of the nearest conditions stand for all of them; those left
    out have the smallest weights. Over the published anchors this changes log p̂ by less than 0.07 in the mean."""

    support: Tensor
    log_counts: Tensor
    values: Tensor
    categories: Tensor

    def __init__(
        self,
        support: Tensor,
        values: Tensor,
        log_counts: Tensor,
        categories: Tensor,
        output_bandwidth: float,
        condition_bandwidth: float,
    ) -> None:
        super().__init__()
        self.output_bandwidth = output_bandwidth
        self.condition_bandwidth = condition_bandwidth
        self.register_buffer("support", support)
        self.register_buffer("values", values)
        self.register_buffer("log_counts", log_counts)
        self.register_buffer("categories", categories)

    @classmethod
    def of(cls, outputs: Tensor, condition: Condition, output_bandwidth: float, condition_bandwidth: float) -> Self:
        """The estimate over standardised outputs (n, D) at n conditions, its samples laid out by category."""
        codes, rows = condition.codes, len(condition)
        if codes.shape[1]:
            categories, group = torch.unique(codes, dim=0, return_inverse=True)
        else:
            categories, group = codes[:1], torch.zeros(rows, dtype=torch.long, device=outputs.device)
        sizes = torch.bincount(group)
        slots = torch.zeros(len(sizes), int(sizes.max()), dtype=torch.long, device=outputs.device)
        log_counts = torch.full(slots.shape, -torch.inf, device=outputs.device)
        for g, size in enumerate(sizes.tolist()):
            slots[g, :size] = torch.nonzero(group == g)[:, 0]
            log_counts[g, :size] = 0.0
        return cls(
            outputs[slots], condition.values[slots], log_counts, categories, output_bandwidth, condition_bandwidth
        )

    def groups(self, condition: Condition) -> Tensor:
        """The category of each of B rows, (B,); a combination of codes that never occurred takes the nearest one."""
        if len(self.categories) == 1:
            return torch.zeros(len(condition), dtype=torch.long, device=self.support.device)
        agreement = (condition.codes.unsqueeze(1) == self.categories.unsqueeze(0)).sum(-1)
        return agreement.argmax(-1)

    def log_density(self, points: Tensor, condition: Condition) -> Tensor:
        """The log of p̂(q | x): points (B, T, D), condition of B rows → (B, T)."""
        constant = points.shape[-1] * (math.log(self.output_bandwidth) + 0.5 * math.log(2 * math.pi))
        if len(self.categories) == 1:
            return self._mixture(0, points, condition.values) - constant
        # One dense product a category is much faster than one small product a row.
        groups = self.groups(condition)
        order = torch.argsort(groups)
        present, sizes = torch.unique_consecutive(groups[order], return_counts=True)
        blocks = torch.split(order, sizes.tolist())
        parts = [
            self._mixture(g, points[rows], condition.values[rows])
            for g, rows in zip(present.tolist(), blocks, strict=True)
        ]
        return torch.cat(parts)[torch.argsort(order)] - constant

    def _mixture(self, category: int, points: Tensor, values: Tensor) -> Tensor:
        """The log of Σ_i w_i(x) exp(−|q − y_i|² / 2h²) over the samples of one category: (B, T)."""
        support = self.support[category].T.contiguous()
        if values.shape[1]:
            rows = zip(torch.split(points, ROWS), torch.split(values, ROWS), strict=True)
            return torch.cat([self._weighted_mixture(category, support, q, x) for q, x in rows])
        log_weights = torch.log_softmax(self.log_counts[category], dim=-1)
        flat = points.reshape(1, -1, points.shape[-1])
        return self._log_mixture(flat, log_weights.unsqueeze(0), support.unsqueeze(0)).reshape(points.shape[:2])

    def _weighted_mixture(self, category: int, support: Tensor, points: Tensor, values: Tensor) -> Tensor:
        """As `_mixture` for samples (D, n) that each row weighs by its own continuous condition."""
        # Draws share their condition, and the nearest samples are what takes the time.
        distinct, number = torch.unique(values, dim=0, return_inverse=True)
        squares = torch.cdist(distinct, self.values[category]).square()
        raw = self.log_counts[category] - 0.5 * squares / self.condition_bandwidth**2
        dimension, count = support.shape
        if count > self.neighbours:
            raw, nearest = raw.topk(self.neighbours, dim=-1, sorted=False)
            chosen = support.index_select(1, nearest[number].flatten())
            of_row = chosen.reshape(dimension, len(points), -1).transpose(0, 1)
        else:
            of_row = support.expand(len(points), dimension, count)
        log_weights = torch.log_softmax(raw, dim=-1)  # of those that count: p̂ still integrates to 1
        return self._log_mixture(points, log_weights[number], of_row)

    def _log_mixture(self, points: Tensor, log_weights: Tensor, support: Tensor) -> Tensor:
        mixture: Tensor = _LogMixture.apply(points, log_weights, support, self.output_bandwidth)  # type: ignore[no-untyped-call]
        return mixture


class KernelPotential(nn.Module):
    """U(q | x) = α log(p̂(q | x) + ε), ε = 1e-8, by log-sum-exp."""

    def __init__(self, density: Density, alpha: float) -> None:
        super().__init__()
        self.density = density
        self.alpha = alpha

    def forward(self, points: Tensor, condition: Condition) -> Tensor:
        """U at points (B, T, D), condition of B rows → (B, T)."""
        log_density = self.density.log_density(points, condition)
        return self.alpha * torch.logaddexp(log_density, torch.full_like(log_density, LOG_EPSILON))
