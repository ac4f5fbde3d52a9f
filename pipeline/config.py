"""The one configuration: params.yaml, read into strict models.

A section has the name of the stage that reads it. Unknown keys, values of the wrong type and contradictions are
refused before anything runs, with the field, the value and what would do.
"""

import math
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pipeline.errors import ConfigurationError

Variant = Literal["K_I", "K_theta", "K_I-U", "K_theta-U", "NLOT", "NLOT-U"]
Solver = Literal["paired", "semidual"]
Clock = Literal["auto", "linear", "probit"]
Device = Literal["auto", "cpu", "cuda"]

PARAMS = Path("params.yaml")


class Section(BaseModel):
    """A part of params.yaml: frozen, and strict about its keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SweepSection(Section):
    """The values of λ: one network and one harvest each; those that are no anchors are held out.

    values is empty where the harvest is handed in from disk: then every other λ of that harvest is held out.
    """

    values: tuple[float, ...]
    anchors: tuple[float, ...]

    @property
    def held_out(self) -> tuple[float, ...]:
        """The values that are no anchors, ascending."""
        return tuple(v for v in self.values if v not in self.anchors)

    @model_validator(mode="after")
    def _anchors_span_the_values(self) -> Self:
        check_anchors(self.anchors, "sweep.anchors")
        _check_ascending(self.values, "sweep.values")
        if not self.values:
            return self
        if missing := [a for a in self.anchors if a not in self.values]:
            raise ValueError(f"sweep.anchors: {missing} are not among sweep.values = {list(self.values)}; add them there")
        if outside := [v for v in self.held_out if not self.anchors[0] < v < self.anchors[-1]]:
            raise ValueError(
                f"sweep.values: the held-out {outside} lie outside the anchors' range "
                f"[{self.anchors[0]}, {self.anchors[-1]}]; a surrogate does not extrapolate: remove them, or add anchors"
            )
        return self


class RawSection(Section):
    """Files that a package ships, to be copied to data/raw/ so that DVC can watch them."""

    bundled: tuple[str, ...] = ()


class IngestSection(Section):
    """The source data: a path (absolute, or relative to the repository), and for a table its value column."""

    source: str = Field(min_length=1)
    column: str = ""
    units: str = ""


class TrainSection(BaseModel):
    """The seed of the base networks, and the settings of their family (validated by the family's own model)."""

    model_config = ConfigDict(frozen=True, extra="allow")

    seed: int = Field(default=0, ge=0)

    @property
    def family_settings(self) -> dict[str, Any]:
        """What belongs to the family: every key but the seed."""
        return dict(self.model_extra or {})


class HarvestSection(Section):
    """How many conditions the networks are evaluated at, and how often at each."""

    fit_conditions: int = Field(ge=1)
    score_conditions: int = Field(ge=1)
    draws: int = Field(default=1, ge=1)
    seed: int = Field(default=0, ge=0)


class DatasetSection(Section):
    """Where the harvests lie: the sweep's own, or one that was handed in."""

    source: str = Field(min_length=1)
    score_fraction: float = Field(default=0.25, gt=0, lt=1)


class SurrogateConfig(Section):
    """Settings of the surrogate. Lengths are in units of the standardised outputs and conditions."""

    variant: Variant = "K_theta-U"
    solver: Solver = "paired"
    clock: Clock = "auto"


class FitSection(SurrogateConfig):
    """The surrogate's settings, its seed, and the device it is fitted on (auto: CUDA where there is a device)."""

    seed: int = Field(default=0, ge=0)
    device: Device = "auto"

    def surrogate(self) -> SurrogateConfig:
        """The settings without seed and device."""
        return SurrogateConfig(**self.model_dump(exclude={"seed", "device"}))


class ValidateSection(Section):
    """How often the truth and the starts are drawn afresh where the networks are stochastic."""

    redraws: int = Field(default=1, ge=1)
    seed: int = Field(default=0, ge=0)


class RegisterSection(Section):
    """The name of the registered model."""

    model: str = Field(pattern=r"^[A-Za-z0-9_.\- ]+$")


class Config(Section):
    """One resolved sweep: what params.yaml holds."""

    name: str = Field(pattern=r"^[A-Za-z0-9_\-]+$")
    network: str | None
    sweep: SweepSection
    raw: RawSection = RawSection()
    ingest: IngestSection
    train: TrainSection = TrainSection()
    harvest: HarvestSection | None = None
    dataset: DatasetSection
    fit: FitSection = FitSection()
    validate_: ValidateSection = Field(default=ValidateSection(), alias="validate")
    register_: RegisterSection = Field(alias="register")


def check_anchors(values: tuple[float, ...], field: str) -> None:
    """Raise ValueError unless `values` are at least two, finite, distinct and ascending."""
    if len(values) < 2:
        raise ValueError(f"{field} = {list(values)}: at least two anchors are needed")
    _check_ascending(values, field)


def _check_ascending(values: tuple[float, ...], field: str) -> None:
    if bad := [v for v in values if not math.isfinite(v)]:
        raise ValueError(f"{field}: {bad} are not finite numbers")
    for left, right in pairwise(values):
        if left == right:
            raise ValueError(f"{field} = {list(values)}: {left} is repeated; every value may stand once")
        if left > right:
            raise ValueError(f"{field} = {list(values)}: {left} comes before {right}; sort them ascending")


def parse_config(text: str, origin: str) -> Config:
    """Read YAML text into a `Config`; `origin` (a file name) stands in the message of a ConfigurationError."""
    try:
        loaded = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{origin} is not YAML: {error}") from error
    if not isinstance(loaded, dict):
        raise ConfigurationError(f"{origin} holds {type(loaded).__name__} at its top; a mapping of sections is needed")
    try:
        return Config.model_validate(loaded)
    except ValidationError as error:
        raise ConfigurationError(_explain(error, origin)) from error


def load_config(path: Path | str = PARAMS) -> Config:
    """Read and validate params.yaml; raise ConfigurationError naming every field that does not fit."""
    path = Path(path)
    if not path.is_file():
        raise ConfigurationError(f"{path} does not exist; `make sweep SWEEP=<name>` writes one from sweeps/<name>.yaml")
    return parse_config(path.read_text(encoding="utf-8"), str(path))


def _explain(error: ValidationError, origin: str) -> str:
    lines = [f"{origin} does not fit ({error.error_count()} fault(s)):"]
    for fault in error.errors():
        field = ".".join(str(part) for part in fault["loc"]) or "(top)"
        if fault["type"] == "extra_forbidden":
            lines.append(f"  {field}: unknown key (value {fault['input']!r}); remove it or mend its spelling")
        elif fault["type"] == "missing":
            lines.append(f"  {field}: missing; set it")
        else:
            lines.append(f"  {field}: {fault['msg']} (received {fault['input']!r})")
    return "\n".join(lines)
