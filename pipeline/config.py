"""The one configuration: params.yaml, read into strict models.

A section has the name of the stage that reads it. Unknown keys, values of the wrong type and contradictions are
refused before anything runs, with the field, the value and what would do.
"""

import math
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pipeline.errors import ConfigurationError

Variant = Literal["auto", "K_I", "K_theta", "K_I-U", "K_theta-U", "NLOT", "NLOT-U"]
Solver = Literal["paired", "semidual"]
Clock = Literal["auto", "learnt", "linear", "log", "mirror_log", "logit", "probit", "hold"]
ClockPrior = Literal["auto", "linear", "log", "mirror_log", "logit", "probit"]
Device = Literal["auto", "cpu", "cuda"]
Bandwidth = Annotated[float, Field(gt=0)] | Literal["auto"]
Weight = Annotated[float, Field(ge=0)] | Literal["auto"]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Widths = Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1)]

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

    def value_of(self, text: str) -> float:
        """The value that `text` writes; ConfigurationError where it is none of sweep.values."""
        for value in self.values:
            if _is_number(text, value):
                return value
        raise ConfigurationError(f"{text!r} is not among sweep.values = {list(self.values)}; give one of them")

    @model_validator(mode="after")
    def _anchors_span_the_values(self) -> Self:
        check_anchors(self.anchors, "sweep.anchors")
        _check_ascending(self.values, "sweep.values")
        if not self.values:
            return self
        if missing := [a for a in self.anchors if a not in self.values]:
            raise ValueError(
                f"sweep.anchors: {missing} are not among sweep.values = {list(self.values)}; add them there"
            )
        if outside := [v for v in self.held_out if not self.anchors[0] < v < self.anchors[-1]]:
            raise ValueError(
                f"sweep.values: the held-out {outside} lie outside the anchors' range "
                f"[{self.anchors[0]}, {self.anchors[-1]}]; nothing extrapolates: remove them, or add anchors"
            )
        return self


class RawSection(Section):
    """Files that a package ships, to be copied to data/raw/ so that DVC can watch them."""

    bundled: tuple[str, ...]


class IngestSection(Section):
    """The source data: a path (absolute, or relative to the repository), and for a table its value column."""

    source: str = Field(min_length=1)
    column: str = ""
    units: str = ""


class TrainSection(BaseModel):
    """The seed of the base networks, and the settings of their family (validated by the family's own model)."""

    model_config = ConfigDict(frozen=True, extra="allow")

    seed: Seed = 0

    @property
    def family_settings(self) -> dict[str, Any]:
        """What belongs to the family: every key but the seed."""
        return dict(self.model_extra or {})


class HarvestSection(Section):
    """How many conditions the networks are evaluated at, and how often at each."""

    fit_conditions: int = Field(ge=1)
    score_conditions: int = Field(ge=1)
    draws: int = Field(default=1, ge=1)
    seed: Seed = 0


class DatasetSection(Section):
    """Where the harvests lie: the sweep's own, or one that was handed in.

    score_fraction, seed: which part of a harvest that was handed in is held back to compute scores on.
    """

    source: str = Field(min_length=1)
    score_fraction: float = Field(default=0.25, gt=0, lt=1)
    seed: Seed = 0


class SurrogateConfig(Section):
    """Settings of the surrogate. Lengths are in units of the standardised outputs and conditions."""

    model_config = ConfigDict(allow_inf_nan=False)

    # auto: K_theta-U where outputs are draws, K_theta where a condition has one output: a point has no density.
    variant: Variant = "auto"
    solver: Solver = "paired"
    # When samples move: by a named clock, or the one that left-out anchors call for (auto; learnt: with the skew that
    # foretells them best, however small its gain). clock_prior: the base where they cannot tell (auto: by the anchors'
    # range). persistence: with two anchors that are probabilities, λ = 1/2 is put where outputs are nearest to their
    # own past in the conditions.
    clock: Clock = "auto"
    clock_prior: ClockPrior = "auto"
    persistence: bool = True
    # How samples run along their paths: at uniform speed, so that the clock alone says when, or as the least action has
    # it, dwelling where samples are dense. auto: uniform, but action for draws at two anchors, which tell no clock.
    speed: Literal["auto", "uniform", "action"] = "auto"
    # The Lagrangian: weight of U (auto: in proportion to √D), KDE bandwidths (auto: by
    # leave-one-out likelihood), eigenvalue budget of G.
    alpha: Weight = "auto"
    output_bandwidth: Bandwidth = "auto"
    condition_bandwidth: Bandwidth = "auto"
    density_samples: int = Field(default=2048, ge=1)
    eigenvalues: tuple[float, float] = (0.1, 1.0)
    # Networks.
    map_widths: Widths = (64, 64, 64)
    path_widths: Widths = (128, 128)
    metric_widths: Widths = (64, 64)
    spline_functions: int = Field(default=8, ge=2)
    quadrature_points: int = Field(default=12, ge=2)
    # Optimisation.
    batch_size: int = Field(default=128, ge=1)
    coupling_rounds: int = Field(default=4, ge=1)
    coupling_pairs: int = Field(default=60_000, ge=1)
    path_steps: int = Field(default=250, ge=1)
    map_steps: int = Field(default=700, ge=1)
    # The semi-dual solver alone: dual potentials, outer steps, quasi-Newton steps of the c-transform, and how many
    # outer steps pass between two of the metric.
    dual_widths: Widths = (64, 64, 64)
    outer_steps: int = Field(default=600, ge=1)
    conjugate_iterations: int = Field(default=3, ge=1)
    metric_every: int = Field(default=2, ge=1)
    dual_learning_rate: float = Field(default=1e-3, gt=0)
    path_learning_rate: float = Field(default=2e-3, gt=0)
    metric_learning_rate: float = Field(default=2e-3, gt=0)
    map_learning_rate: float = Field(default=3e-3, gt=0)

    @model_validator(mode="after")
    def _metric_is_positive(self) -> Self:
        smallest, largest = self.eigenvalues
        if not 0 < smallest <= largest:
            raise ValueError(
                f"eigenvalues = {list(self.eigenvalues)}: the smallest comes first, and both are positive; "
                "the metric is none otherwise"
            )
        return self


class FitSection(SurrogateConfig):
    """The surrogate's settings, its seed, and the device it is fitted on (auto: CUDA where there is a device)."""

    seed: Seed = 0
    device: Device = "auto"

    def surrogate(self) -> SurrogateConfig:
        """The settings without seed and device."""
        return SurrogateConfig(**self.model_dump(exclude={"seed", "device"}))


class ValidateSection(Section):
    """How often the truth and the starts are drawn afresh where the networks are stochastic."""

    redraws: int = Field(default=1, ge=1)
    seed: Seed = 0


class RegisterSection(Section):
    """The name of the registered model."""

    # MLflow keeps names up to 256 characters; dots and spaces alone name a folder above, or nothing.
    model: str = Field(pattern=r"^[A-Za-z0-9_.\- ]*[A-Za-z0-9_\-][A-Za-z0-9_.\- ]*$", max_length=200)


class Config(Section):
    """One resolved sweep: what params.yaml holds. dvc.yaml names its sections, so that none may be left out."""

    name: str = Field(pattern=r"^[A-Za-z0-9_\-]+$", max_length=100)
    network: str | None
    sweep: SweepSection
    raw: RawSection
    ingest: IngestSection
    train: TrainSection
    harvest: HarvestSection | None = None
    dataset: DatasetSection
    fit: FitSection
    validate_: ValidateSection = Field(alias="validate")
    register_: RegisterSection = Field(alias="register")

    @property
    def folder(self) -> Path:
        """Where everything of this sweep lies, relative to the repository: data/<name>."""
        return Path("data") / self.name

    @model_validator(mode="after")
    def _sections_agree(self) -> Self:
        if self.network is None:
            if self.sweep.values:
                raise ValueError(
                    f"sweep.values = {list(self.sweep.values)} with network = null: a harvest from disk brings its own "
                    "values; set sweep.values: []"
                )
            source = self.folder / "data"
        else:
            if not self.sweep.values:
                raise ValueError(f"sweep.values is empty: network = {self.network!r} needs the values to train at")
            if self.harvest is None:
                raise ValueError(
                    f"harvest: missing; network = {self.network!r} needs fit_conditions and score_conditions"
                )
            source = self.folder / "harvest"
        if Path(self.dataset.source) != source:
            raise ValueError(
                f"dataset.source = {self.dataset.source!r} does not belong to name = {self.name!r} with network = "
                f"{self.network!r}; set {source.as_posix()!r}"
            )
        return self


def check_anchors(values: tuple[float, ...], field: str) -> None:
    """Raise ValueError unless `values` are at least two, finite, distinct and ascending."""
    if len(values) < 2:
        raise ValueError(f"{field} = {list(values)}: at least two anchors are needed")
    _check_ascending(values, field)


def _is_number(text: str, value: float) -> bool:
    try:
        return float(text) == value
    except ValueError:
        return False


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
    import yaml  # here, because a served model needs the settings' classes but no YAML

    class Loader(yaml.SafeLoader):
        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
            keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
            if repeated := sorted({key for key in keys if keys.count(key) > 1}):
                line = node.start_mark.line + 1
                raise ConfigurationError(f"{origin}: {repeated} stand twice in the section from line {line}; keep one")
            return super().construct_mapping(node, deep)

    try:
        loaded = yaml.load(text, Loader)
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{origin} is not YAML: {error}") from error
    if not isinstance(loaded, dict):
        raise ConfigurationError(f"{origin} holds {type(loaded).__name__} at its top; a mapping of sections is needed")
    try:
        return Config.model_validate(loaded)
    except ValidationError as error:
        raise ConfigurationError(explain(error, origin)) from error


def load_config(path: Path | str = PARAMS) -> Config:
    """Read and validate params.yaml; raise ConfigurationError naming every field that does not fit."""
    path = Path(path)
    if not path.is_file():
        raise ConfigurationError(f"{path} does not exist; `make sweep SWEEP=<name>` writes one from sweeps/<name>.yaml")
    return parse_config(read_text(path), str(path))


def read_text(path: Path) -> str:
    """The text of a settings file; ConfigurationError where it is not UTF-8."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path} is not UTF-8 ({error}); save it in that encoding") from error


def explain(error: ValidationError, origin: str, prefix: str = "") -> str:
    """Say what does not fit, one line a fault: field (after `prefix`), what is wrong, value."""
    lines = [f"{origin} does not fit ({error.error_count()} fault(s)):"]
    for fault in error.errors():
        field = prefix + (".".join(str(part) for part in fault["loc"]) or "(top)")
        if fault["type"] == "extra_forbidden":
            lines.append(f"  {field}: unknown key (value {fault['input']!r}); remove it or mend its spelling")
        elif fault["type"] == "missing":
            lines.append(f"  {field}: missing; set it")
        elif fault["type"] == "value_error" and isinstance(fault["input"], dict):
            lines.append(f"  {fault['ctx']['error']}")  # a check across fields, which names them itself
        else:
            lines.append(f"  {field}: {fault['msg']} (received {fault['input']!r})")
    return "\n".join(lines)
