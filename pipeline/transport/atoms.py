"""Point masses at the ends of outputs' ranges, as censored values of continuous latent outputs.

Actions clipped to a box, the zeros of rain and of demand: many rows have exactly the same value, and a map of outputs
would move all of them to one point, where the truth splits them. As in the model of Tobin (Econometrica 26, 1958), such
a row is taken for a latent output beyond the end, known only to be beyond it. Its latent value is drawn by a randomised
quantile residual (Dunn and Smyth, J. Comput. Graph. Stat. 5, 1996) of a Gaussian tail whose mass is the probability
of the atom at the row's condition. Maps and paths act on latent outputs, and what they return is clipped.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from pipeline.transport import ops
from pipeline.transport.condition_function import ConditionFunction

LARGEST_SCORE = 3.5
"""Scores beyond this, of probabilities below 2 in 10,000 or above their complement, are extrapolated: no harvest shows
them."""
ROUNDING = 2.5e-7
"""Outputs this close to an atom, relative to its size, are at the atom: two steps of float32."""
LARGEST_RATIO = 4.0
"""The largest ratio, and the inverse of the smallest, of a tail's scale at a condition to its typical scale."""


class Tail(nn.Module):
    """The latent outputs beyond one end of an output's range, at one anchor.

    score: probit of the probability of the atom, by condition. scale: the standard deviation of the Gaussian whose tail
    they are, standardised, by condition; typical: its value over all conditions (1,).
    """

    typical: Tensor

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.score = ConditionFunction(inputs, 1)
        self.scale = ConditionFunction(inputs, 1)
        self.register_buffer("typical", torch.ones(1))

    def distance(self, columns: Tensor, uniform: Tensor) -> Tensor:
        """How far latent outputs lie beyond the end, standardised, at columns (B, F) and quantiles (B,): (B,), ≥ 0.

        σ (z − Φ⁻¹(u Φ(z))) for the score z, the scale σ and the quantile u in (0, 1).
        """
        score = ops.double(self.score(columns)[:, 0]).clip(-LARGEST_SCORE, LARGEST_SCORE)
        scale = self.scale(columns)[:, 0].clip(self.typical / LARGEST_RATIO, self.typical * LARGEST_RATIO)
        beyond: Tensor = scale * (score - ops.normal_quantile(uniform * ops.normal_cdf(score)))
        return beyond


class Atoms(nn.Module):
    """The outputs with atoms at an end of their range, and the latent outputs beyond, anchor by anchor.

    lower, upper: (D,) float64, in the outputs' own units, infinite where there is no atom. columns: the outputs that
    have latent values beyond one.
    """

    lower: Tensor
    upper: Tensor

    def __init__(self, columns: Sequence[int], anchors: int, dimension: int, inputs: int) -> None:
        super().__init__()
        self.columns = list(columns)
        self.register_buffer("lower", torch.full((dimension,), -torch.inf, dtype=torch.float64))
        self.register_buffer("upper", torch.full((dimension,), torch.inf, dtype=torch.float64))
        count = anchors * len(self.columns)
        self.below = nn.ModuleList(Tail(inputs) for _ in range(count))
        self.above = nn.ModuleList(Tail(inputs) for _ in range(count))

    def rows(self, outputs: Tensor) -> Tensor:
        """Which of the rows (B, D), in their own units, have an output at an atom: (B,) booleans."""
        found = outputs[:, 0] != outputs[:, 0]
        for column in self.columns:
            for level in (self.lower, self.upper):
                found = found | _equal(outputs[:, column], level[column])
        return found

    def latent(self, outputs: Tensor, given: Tensor, columns: Tensor, anchor: int, uniform: Tensor) -> Tensor:
        """Latent outputs (B, D), standardised, float32, of standardised outputs (B, D) of an anchor.

        given: the same outputs in their own units, float64. columns: of their conditions (B, F). uniform: (B, D) in
        (0, 1), float64, the quantile of each latent output within its tail.
        """
        result = outputs + 0  # a copy
        for i, column in enumerate(self.columns):
            number = anchor * len(self.columns) + i
            for tails, level, sign in ((self.below, self.lower, -1), (self.above, self.upper, 1)):
                rows = _equal(given[:, column], level[column])
                if bool(rows.any()):
                    tail: Tail = tails[number]  # type: ignore[assignment]
                    distance = tail.distance(columns[rows], uniform[rows, column])
                    result[rows, column] += ops.single(sign * distance)
        return result

    def clipped(self, outputs: Tensor) -> Tensor:
        """Latent outputs (…, D), in the outputs' own units, clipped to the atoms."""
        return outputs.clip(self.lower, self.upper)


def _equal(values: Tensor, level: Tensor) -> Tensor:
    """Which values (B,) equal a level up to the rounding to float32; none where it is infinite."""
    near: Tensor = abs(values - level) <= (ROUNDING * abs(level) if abs(level) < torch.inf else -1.0)
    return near
