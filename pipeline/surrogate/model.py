"""The surrogate: p̂(y | x, λ) for every λ between the anchors."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.clocks.clock import Clock
from pipeline.data.anchors import Anchors
from pipeline.data.harvest import Harvest
from pipeline.data.schema import Schema
from pipeline.errors import DataError, HyperparameterError
from pipeline.shapes import ArrayT
from pipeline.surrogate.arrays import as_given, check_finite, to_tensor, whole_number
from pipeline.surrogate.config import SurrogateConfig
from pipeline.surrogate.fit import Parts, fit_parts, resolve_device
from pipeline.transport.anchor_samples import draw_nearest
from pipeline.transport.networks import Condition

if TYPE_CHECKING:
    from pipeline.data.network import Network


class Surrogate:
    """A fitted surrogate; make one by `fit` or `load`.

    NumPy in, NumPy out; torch in, torch out, of the dtype and on the device that came in; inside everything is float32
    on the surrogate's own device. Rows are independent of each other: their order pairs nothing.
    """

    def __init__(
        self,
        parts: Parts,
        clock: Clock,
        schema: Schema,
        config: SurrogateConfig,
        *,
        deterministic: bool,
        networks: "tuple[Network, ...] | None",
        samples: tuple[tuple[Tensor, Tensor], ...],
        history: dict[str, list[float]],
        clock_errors: dict[str, float],
    ) -> None:
        self._parts = parts.eval()
        self._clock = clock
        self._axis = Anchors(clock.anchors, schema.hyperparameter.name)
        self.schema = schema
        self.config = config
        self.deterministic = deterministic
        self.networks = networks
        self.samples = samples
        self.history = history
        self.clock_errors = clock_errors

    @classmethod
    def fit(cls, harvest: Harvest, config: SurrogateConfig | None = None, seed: int = 0, device: str = "cpu") -> Self:
        """Fit a surrogate to a harvest.

        config None is the shipped default, for every harvest. device: "cpu", "cuda" or "auto". Deterministic for a
        seed on one machine. Raises ConfigurationError for settings that do not fit the harvest, FitError where the
        result is not finite.
        """
        fitted = fit_parts(harvest, config or SurrogateConfig(), seed, device)
        samples = tuple(
            (torch.tensor(y), torch.tensor(x, dtype=torch.float64))
            for y, x in zip(harvest.outputs, harvest.conditions, strict=True)
        )
        return cls(
            fitted.parts,
            fitted.clock,
            harvest.schema,
            fitted.config,
            deterministic=fitted.deterministic,
            networks=harvest.networks,
            samples=samples,
            history=fitted.history,
            clock_errors=fitted.clock_errors,
        )

    @property
    def anchors(self) -> tuple[float, ...]:
        """λ_0 < … < λ_K."""
        return self._clock.anchors

    @property
    def clock_base(self) -> str:
        """The name of the base of the clock in use."""
        return self._clock.name

    @property
    def clock(self) -> str:
        """What the clock in use is called: its base, and whether it is skewed, by condition or alike for all."""
        skew = self._parts.skew.constant
        if skew is None:
            return f"skewed {self.clock_base} by condition"
        return f"skewed {self.clock_base}" if skew else self.clock_base

    @property
    def device(self) -> torch.device:
        """Where the surrogate computes."""
        return self._parts.scaling.output_mean.device

    def to(self, device: str) -> Self:
        """Move the surrogate to a device, in place; returns itself."""
        self._parts.to(resolve_device(device))
        return self

    def transport(self, outputs: ArrayT, conditions: ArrayT, source: float, target: float) -> ArrayT:
        """Move samples that belong to λ = source, an anchor, to λ = target, anywhere at or above it.

        outputs (N, D), conditions (N, C) → (N, D). Across intervals the maps T_k are chained; within the last, the path
        is evaluated at the clock's place. Raises HyperparameterError for a source that is no anchor, a target below it
        or outside the anchors, DataError for samples that cannot be used.
        """
        return self.path(outputs, conditions, source, [target])[:, 0]

    @torch.no_grad()
    def path(self, outputs: ArrayT, conditions: ArrayT, source: float, targets: Sequence[float]) -> ArrayT:
        """Where samples of λ = source stand at every one of `targets` (M, ascending): (N, M, D).

        Arguments and errors as `transport`.
        """
        first = self._axis.anchor(source)
        places = self._axis.places(first, targets)
        y, x = self._tensors(outputs, conditions)
        results = torch.empty(len(y), len(places), y.shape[1], dtype=torch.float64, device=self.device)
        if len(y) and places:
            moved = self._walk(self._parts.scaling.standardise(y), self._parts.scaling.condition(x), first, places)
            results = _finite(self._parts.scaling.restore(moved))
        at_source = [m for m, (_, value) in enumerate(places) if value == self.anchors[first]]
        for m in at_source:
            results[:, m] = y
        result = as_given(results, outputs)
        for m in at_source:
            result[:, m] = outputs  # the very values, not their float32 roundings
        return result

    def _walk(self, y: Tensor, x: Condition, first: int, places: Sequence[tuple[int, float]]) -> Tensor:
        """Standardised samples of anchor `first` at ascending places (interval, λ) → (N, M, D)."""
        pieces, at, m = [], first, 0
        while m < len(places):
            interval = places[m][0]
            while at < interval:
                y, at = self._parts.maps(y, x, at), at + 1
            stop = m + sum(place[0] == interval for place in places[m:])
            values = [value for _, value in places[m:stop]]
            if values[-1] == self.anchors[interval]:  # the left anchor's own samples
                pieces.append(y.unsqueeze(1).expand(-1, stop - m, -1))
            else:
                end = self._parts.maps(y, x, interval)
                pieces.append(self._between(y, end, x, self._times(interval, values, x)))
            m = stop
        return torch.cat(pieces, dim=1)

    def _times(self, interval: int, values: Sequence[float] | NDArray[np.float64], x: Condition) -> Tensor:
        """The clock's places s of λ = values within an interval: (M,) where they are alike for all rows, or (B, M).

        values: (M,), the same for all rows, or (B, M).
        """
        skew = self._parts.skew.constant
        if skew is not None:
            places = self._clock.places(interval, values, skew)
            return torch.tensor(places, dtype=torch.float32, device=self.device)
        spans, whole = self._clock.spans(interval, values)
        return self._parts.skew.places(torch.tensor(spans, dtype=torch.float32, device=self.device), whole, x)

    def _between(self, start: Tensor, end: Tensor, x: Condition, times: Tensor) -> Tensor:
        """Paths from start to end (B, D) at places (M,), the same for all rows, or (B, M): (B, M, D)."""
        if self.config.variant == "K_I":
            return torch.lerp(start.unsqueeze(1), end.unsqueeze(1), times.unsqueeze(-1))
        if self.config.speed == "uniform":
            return self._parts.paths.at_places(start, end, x, times)
        points: Tensor = self._parts.paths(start, end, x, times)[0]
        return points

    def sample(
        self, conditions: ArrayT, hyperparameter: "float | NDArray[np.floating] | Tensor", draws: int = 1, seed: int = 0
    ) -> ArrayT:
        """Draw outputs at λ: conditions (N, C), one λ or one a row (N,) → (N, draws, D).

        Draws start at the interval's left anchor: its own network; or, for a harvest without networks, the samples of
        the harvest's nearest condition, which a UserWarning says. At an anchor the draws are that anchor's own. Raises
        HyperparameterError for a λ outside the anchors (nothing is extrapolated), DataError for conditions that cannot
        be used.
        """
        draws, seed = whole_number(draws, "draws", 1), whole_number(seed, "seed", 0)
        x = self._conditions(conditions)
        self._parts.scaling.categories(x)  # before a network is asked, which may not know what to say of unknown ones
        values = hyperparameter.detach().cpu() if isinstance(hyperparameter, Tensor) else hyperparameter
        intervals, targets = self._axis.place_rows(_real(values, self.schema.hyperparameter.name), len(x))
        result = torch.empty(len(x), draws, len(self.schema.outputs), dtype=torch.float64, device=self.device)
        # All rows of an interval at once: draws of one call are independent of each other, those of two are not.
        for interval in np.unique(intervals).tolist():
            rows = torch.as_tensor(intervals == interval, device=self.device)
            chosen, values = x[rows], targets[intervals == interval]
            start = self._draw(interval, chosen, draws, seed)
            away = values > self.anchors[interval]
            if away.any():
                moving = torch.as_tensor(away, device=self.device)
                repeated = chosen[moving].repeat_interleave(draws, 0)
                moved = self._move(
                    start[moving].flatten(0, 1), repeated, interval, np.repeat(values[away], draws)[:, None]
                )
                start[moving] = moved.reshape(-1, *start.shape[1:])
            result[rows] = start
        return as_given(result, conditions)

    def _draw(self, anchor: int, conditions: Tensor, draws: int, seed: int) -> Tensor:
        """Outputs (N, draws, D) of an anchor, from its network or from the harvest's nearest conditions."""
        if self.networks is not None:
            drawn = self.networks[anchor].outputs(conditions.cpu().numpy().astype(np.float32), draws, seed)
            return torch.tensor(drawn, dtype=torch.float64, device=self.device)
        warnings.warn(
            f"this surrogate carries no networks: draws at {self.schema.hyperparameter.name} = "
            f"{self.anchors[anchor]:g} are the harvest's samples of the nearest condition",
            UserWarning,
            stacklevel=3,
        )
        outputs, known = self.samples[anchor]
        return draw_nearest(outputs.double(), known, conditions, self._parts.scaling, draws, seed)

    @torch.no_grad()
    def _move(self, outputs: Tensor, conditions: Tensor, interval: int, values: NDArray[np.float64]) -> Tensor:
        """Outputs (N, D) of an interval's left anchor, moved to λ = values (N, 1) within it."""
        y, x = self._tensors(outputs, conditions)
        start, condition = self._parts.scaling.standardise(y), self._parts.scaling.condition(x)
        end = self._parts.maps(start, condition, interval)
        times = self._times(interval, values, condition)
        return _finite(self._parts.scaling.restore(self._between(start, end, condition, times)[:, 0]))

    @torch.no_grad()
    def log_density(self, outputs: ArrayT, conditions: ArrayT) -> ArrayT:
        """The log of p̂(y | x), the kernel density estimate that the potential rests on, in standardised units: (N,)."""
        y, x = self._tensors(outputs, conditions)
        scaling = self._parts.scaling
        value = self._parts.density.log_density(scaling.standardise(y).unsqueeze(1), scaling.condition(x))
        return as_given(value[:, 0], outputs)

    def save(self, path: Path | str) -> None:
        """Write the folder `path` atomically: JSON, safetensors, and the anchors' networks. Never a pickle."""
        from pipeline.surrogate.store import save_surrogate

        save_surrogate(self, Path(path))

    @classmethod
    def load(cls, path: Path | str, device: str = "cpu") -> Self:
        """Read a folder that `save` wrote; BundleError where files are missing or corrupted."""
        from pipeline.surrogate.store import load_surrogate

        return load_surrogate(cls, Path(path), device)

    @property
    def digest(self) -> str:
        """SHA-256 of everything that decides what this surrogate answers."""
        from pipeline.surrogate.store import surrogate_digest

        return surrogate_digest(self)

    def _conditions(self, conditions: ArrayT) -> Tensor:
        """Conditions (N, C) as float64: codes may exceed what float32 tells apart."""
        tensor = to_tensor(conditions, "conditions")
        if tensor.shape[1] != len(self.schema.conditions):
            names = [c.name for c in self.schema.conditions]
            raise DataError(
                f"conditions have shape {tuple(tensor.shape)}; (N, {len(names)}) is needed, columns {names}"
            )
        check_finite(tensor, "conditions")
        return tensor.to(self.device, torch.float64)

    def _tensors(self, outputs: ArrayT, conditions: ArrayT) -> tuple[Tensor, Tensor]:
        y, x = to_tensor(outputs, "outputs"), self._conditions(conditions)
        if y.shape[1] != len(self.schema.outputs):
            names = [c.name for c in self.schema.outputs]
            raise DataError(f"outputs have shape {tuple(y.shape)}; (N, {len(names)}) is needed, columns {names}")
        if len(y) != len(x):
            raise DataError(f"outputs have {len(y)} rows, conditions {len(x)}; rows must match")
        y = y.to(self.device, torch.float64)
        check_finite(y.float(), "outputs")
        return y, x


def _real(values: object, name: str) -> NDArray[np.float64]:
    try:
        return np.asarray(values, np.float64)
    except (TypeError, ValueError) as error:
        raise HyperparameterError(f"{name} = {values!r} is no number; a real one, or one a row, is needed") from error


def _finite(moved: Tensor) -> Tensor:
    if not bool(torch.isfinite(moved.float()).all()):
        raise DataError("the samples cannot be moved within float32; they lie too far from those of the harvest")
    return moved
