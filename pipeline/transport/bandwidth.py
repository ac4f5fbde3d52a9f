"""Bandwidths of the kernel density estimate by leave-one-out likelihood."""

import math
from typing import Any

import torch
from torch import Tensor

from pipeline.storage.checkpoint import resumable
from pipeline.transport.condition import Condition

GRID = tuple(0.02 * 1.5**i for i in range(12))
JUDGED = 512


def choose_bandwidths(
    outputs: Tensor,
    condition: Condition,
    output_bandwidth: float | None,
    condition_bandwidth: float | None,
    generator: torch.Generator,
) -> tuple[float, float]:
    """(h_y, h_x) that maximise Σ_i log p̂_{−i}(y_i | x_i) over a grid; a given bandwidth is kept.

    outputs (n, D) and n conditions, standardised. At most 512 samples are judged, each against all others. Samples of
    another category are excluded; without continuous conditions h_x is 1 and has no effect.
    """
    rows = torch.randperm(len(outputs), generator=generator)[:JUDGED].to(outputs.device)
    excluded = rows.unsqueeze(1) == torch.arange(len(outputs), device=outputs.device)
    if condition.codes.shape[1]:
        excluded |= (condition.codes[rows].unsqueeze(1) != condition.codes.unsqueeze(0)).any(-1)
    output_squares = torch.cdist(outputs[rows], outputs).square()
    output_grid = GRID if output_bandwidth is None else (output_bandwidth,)
    continuous = condition.values.shape[1] > 0
    condition_grid = GRID if condition_bandwidth is None and continuous else (condition_bandwidth or 1.0,)
    condition_squares = torch.cdist(condition.values[rows], condition.values).square() if continuous else None
    best: dict[str, Any] = {"likelihood": -math.inf, "bandwidths": (output_grid[0], condition_grid[0])}
    for number in resumable(len(condition_grid), "bandwidths", best=best):
        h_x = condition_grid[number]
        raw = torch.zeros_like(output_squares) if condition_squares is None else -0.5 * condition_squares / h_x**2
        weights = torch.log_softmax(raw.masked_fill(excluded, -torch.inf), dim=-1).nan_to_num(nan=-torch.inf)
        for h_y in output_grid:
            kernel = -0.5 * output_squares / h_y**2 - outputs.shape[1] * math.log(h_y)
            # A floor keeps one isolated sample from deciding alone.
            likelihood = torch.logsumexp(weights + kernel, dim=-1).clamp_min(-50.0).mean().item()
            if likelihood > best["likelihood"]:
                best.update(likelihood=likelihood, bandwidths=(h_y, h_x))
    h_y, h_x = best["bandwidths"]
    return h_y, h_x
