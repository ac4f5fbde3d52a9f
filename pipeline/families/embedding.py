"""λ as an input of a network: features that a first linear layer can bend, and how that layer is read at one λ.

A network of all λ has the layers of its family's module, the first of which also takes these features. At one λ they
are constant, so that they are a part of its bias: the network there is a module of the family's own sizes.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from pipeline.data.conditioned import Box

FREQUENCIES = 8
"""Cosines a coordinate of λ. Implicit quantile networks have 64 of them, mixed by a layer of their own: Dabney,
Ostrovski, Silver and Munos, ICML 2018, arXiv 1806.06923, equation 4."""

FIRST = "layers.0"
"""The first layer of every module that takes features, by its name in the state_dict."""


def count_features(box: Box) -> int:
    """Number F of features of one λ."""
    return len(box.lowest) * (1 + FREQUENCIES)


def features(values: Tensor, box: Box) -> Tensor:
    """Features (N, F) of λ (N, P): of every coordinate t, scaled to [0, 1], 2 t − 1 and the cosines cos(π i t)."""
    lowest, highest = (torch.tensor(end, dtype=values.dtype) for end in (box.lowest, box.highest))
    share = (values - lowest) / (highest - lowest)
    waves = torch.pi * torch.arange(1, FREQUENCIES + 1, dtype=values.dtype) * share[..., None]
    return torch.cat([2 * share[..., None] - 1, waves.cos()], dim=-1).flatten(1)


def drawn(count: int, box: Box, generator: torch.Generator) -> Tensor:
    """λ (count, P), uniform in the box and independent of each other."""
    lowest, highest = map(torch.tensor, (box.lowest, box.highest))
    return lowest + (highest - lowest) * torch.rand(count, len(box.lowest), generator=generator)


def spread(count: int, box: Box, generator: torch.Generator) -> Tensor:
    """As `drawn`, but every coordinate has one value in each of `count` equal parts of its range (a Latin hypercube).

    A loss at these is less noisy: what watches a training.
    """
    lowest, highest = map(torch.tensor, (box.lowest, box.highest))
    order = torch.stack([torch.randperm(count, generator=generator) for _ in box.lowest], dim=1)
    return lowest + (highest - lowest) * (order + 0.5) / count


def joined(inputs: Tensor, more: Tensor | None) -> Tensor:
    """Inputs (N, C) of a first layer with features (N, F) of λ beside them, where there are any."""
    return inputs if more is None else torch.cat([inputs, more], dim=1)


def folded(state: Mapping[str, Tensor], row: Tensor) -> dict[str, Tensor]:
    """The state_dict of a network at one λ, whose features (F,) are part of its first layer's bias: W_f f + b."""
    weight, bias = state[f"{FIRST}.weight"], state[f"{FIRST}.bias"]
    inputs = weight.shape[1] - len(row)
    return {
        **{name: tensor.clone() for name, tensor in state.items()},
        f"{FIRST}.weight": weight[:, :inputs].clone(),
        f"{FIRST}.bias": bias + weight[:, inputs:] @ row,
    }
