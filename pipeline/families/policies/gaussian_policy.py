"""A Gaussian policy: normal actions around an MLP of the observation, clipped to their box."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from pipeline.families.embedding import joined
from pipeline.families.layers import linear_layers


class GaussianPolicy(nn.Module):
    """Tanh MLP from observations (N, C) to the mean (N, D); the deviation is one for all observations.

    centre, scale (C,): what observations are standardised by; 0 and 1 where they are not. lower, upper: the box of the
    actions, (D,) each. features: of λ that the first layer takes, too. Its weights come from training in
    `pipeline.families.policies.ppo`; this class only evaluates.
    """

    centre: Tensor
    scale: Tensor
    lower: Tensor
    upper: Tensor

    def __init__(
        self,
        observations: int,
        hidden: Sequence[int],
        lower: Sequence[float],
        upper: Sequence[float],
        features: int = 0,
    ) -> None:
        super().__init__()
        self.layers = linear_layers([observations + features, *hidden, len(lower)])
        self.log_deviation = nn.Parameter(torch.zeros(len(lower)))
        self.register_buffer("centre", torch.zeros(observations))
        self.register_buffer("scale", torch.ones(observations))
        self.register_buffer("lower", torch.tensor(lower, dtype=torch.float32), persistent=False)
        self.register_buffer("upper", torch.tensor(upper, dtype=torch.float32), persistent=False)

    def forward(self, observations: Tensor, features: Tensor | None = None) -> Tensor:
        """Means (N, D), which may lie outside the box, from features (N, F) of λ, too, where it takes them."""
        hidden = joined((observations - self.centre) / self.scale, features)
        for layer in self.layers[:-1]:
            hidden = torch.tanh(layer(hidden))
        mean: Tensor = self.layers[-1](hidden)
        return mean

    def draw(self, observations: Tensor, noise: Tensor) -> Tensor:
        """Actions (N, draws, D) in their box at observations (N, C), from standard normal noise (N, draws, D)."""
        mean = self.forward(observations)[:, None]
        return (mean + self.log_deviation.exp() * noise).clamp(self.lower, self.upper)
