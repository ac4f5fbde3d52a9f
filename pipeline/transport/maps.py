"""Transport maps T_k(y | x), one an interval, in closed form; their inverses too.

The semi-dual solver trains networks instead: `pipeline.transport.network_maps`.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.transport import ops
from pipeline.transport.condition import Condition, ConditionShape
from pipeline.transport.condition_function import features
from pipeline.transport.interval_map import IntervalMap

MOST_CATEGORIES = 256
"""Up to this number, categories have a map each; with more, one map takes the codes as columns."""


class TransportMaps(nn.Module):
    """T_k for every interval k: location, scale and, where it improves the fit, a kernel for the residual.

    Where conditions are categories alone, every one has a map of its own.
    """

    refitted: Tensor

    def __init__(self, intervals: int, dimension: int, condition: ConditionShape, exact: bool = False) -> None:
        """Maps that move nothing.

        exact: evaluated in float64, for latent outputs: where these end in a long tail, a kernel's large weights cancel
        to fewer digits than float32 has.
        """
        super().__init__()
        self.exact = exact
        self.condition_shape = condition
        count = math.prod(condition.codes)
        self.by_category = not condition.continuous and 1 < count <= MOST_CATEGORIES
        self.categories = count if self.by_category else 1
        inputs = 0 if self.by_category else condition.continuous + sum(condition.codes)
        total = intervals * self.categories
        self.forwards, self.backwards = (
            nn.ModuleList(self._precise(IntervalMap(dimension, inputs)) for _ in range(total)) for _ in range(2)
        )
        self.register_buffer("refitted", torch.zeros(total, dtype=torch.bool))

    def set(self, interval: int, category: int, forward: IntervalMap, backward: IntervalMap | None = None) -> None:
        """Set the map of an interval and category (0 where categories share one map).

        backward: a starting point for the inverse.
        """
        member, device = interval * self.categories + category, self.refitted.device
        self.forwards[member] = self._precise(forward).to(device)
        if backward is not None:
            self.backwards[member] = self._precise(backward).to(device)
            self.refitted[member] = True

    def member(self, interval: int, category: int) -> "Member":
        """What `set` changes, for `once`."""
        return Member(self, interval * self.categories + category)

    def _precise(self, made: IntervalMap) -> IntervalMap:
        return made.double() if self.exact else made.float()

    def of_category(self, category: int) -> list[IntervalMap]:
        """The maps of a category (0 where categories share one), interval by interval."""
        members = self.forwards[category :: self.categories]
        return [made for made in members if isinstance(made, IntervalMap)]

    def columns(self, condition: Condition) -> Tensor:
        """Columns (B, F) of the condition that a map takes."""
        if self.by_category:
            return condition.values
        return features(condition, self.condition_shape)

    def category(self, condition: Condition) -> Tensor:
        """The number (B,) of each row's map within an interval, where every category has its own."""
        number = condition.codes[..., 0]
        for i, count in enumerate(self.condition_shape.codes[1:], 1):
            number = number * count + condition.codes[..., i]
        return number

    def forward(self, start: Tensor, condition: Condition, interval: int) -> Tensor:
        """Images under T_interval of start (B, D) at B conditions: (B, D)."""

        def move(member: int, y: Tensor, columns: Tensor) -> Tensor:
            image: Tensor = self.forwards[member](y, columns)
            return image

        return self._by_category(move, start, condition, interval)

    def inverse(self, end: Tensor, condition: Condition, interval: int) -> Tensor:
        """Starts (B, D) whose images under T_interval are end (B, D): exact, or by Gauss–Newton steps."""

        def move(member: int, z: Tensor, columns: Tensor) -> Tensor:
            start = self.backwards[member](z, columns) if self.refitted[member] else None
            y: Tensor = self.forwards[member].inverse(z, columns, start)  # type: ignore[operator]
            return y

        return self._by_category(move, end, condition, interval)

    def _by_category(
        self, move: Callable[[int, Tensor, Tensor], Tensor], points: Tensor, condition: Condition, interval: int
    ) -> Tensor:
        columns, first = self.columns(condition), interval * self.categories
        if self.exact:
            points, columns = ops.double(points), ops.double(columns)
        if not self.by_category:
            return ops.single(move(first, points, columns)) if self.exact else move(first, points, columns)
        number = self.category(condition)
        if ops.is_traced(points):  # a graph has no loop over the categories that are asked for
            moved = points
            for category in range(self.categories):
                moved = ops.where((number == category)[:, None], move(first + category, points, columns), moved)
            return ops.single(moved) if self.exact else moved
        moved = ops.empty(tuple(points.shape), points)
        for category in set(number.tolist()):
            rows = number == category
            moved[rows] = move(first + category, points[rows], columns[rows])
        return ops.single(moved) if self.exact else moved


class Member:
    """The maps of one interval and category, in whichever modules they are at present."""

    def __init__(self, maps: TransportMaps, number: int) -> None:
        self._maps, self._number = maps, number

    def state_dict(self) -> dict[str, Any]:
        """The states of both maps, and whether the inverse has one to start from."""
        both = {name: part.state_dict() for name, part in self._parts().items()}
        return both | {"refitted": bool(self._maps.refitted[self._number])}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put back what `state_dict` gave."""
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        self._maps.refitted[self._number] = state["refitted"]

    def _parts(self) -> dict[str, nn.Module]:
        return {"forward": self._maps.forwards[self._number], "backward": self._maps.backwards[self._number]}
