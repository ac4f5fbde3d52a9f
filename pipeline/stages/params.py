"""The one configuration: params.yaml, read into strict models.

A section has the name of the stage that reads it. Unknown keys, values of the wrong type and contradictions are refused
before anything runs, with the field, the value and a remedy.
"""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from pipeline.errors import ConfigurationError
from pipeline.evaluation.gates.config import DEFAULT_GATES, GateSection
from pipeline.families.catalog import NOTHING, watched
from pipeline.families.protocol import IngestSection
from pipeline.serving.flavour import Flavour
from pipeline.settings import MOST_PART, Count, FilePath, Section, Seed, Switch, explain, read_text
from pipeline.stages.conditioning import ConditionedSection, check_conditioning
from pipeline.stages.retraining import MOST_NOISE, MOST_SEEDS, RetrainSection, check_retraining
from pipeline.stages.sweep import SweepSection
from pipeline.stages.warm_starts import WarmSection, check_plan
from pipeline.storage.yaml_text import read_yaml
from pipeline.surrogate.config import SurrogateConfig

Device = Literal["auto", "cpu", "cuda"]

PARAMS = Path("params.yaml")


class CodeSection(Section):
    """The code of this package that DVC watches for this sweep alone; `network` decides what it has to be.

    A user's family lies in ingest.source, which is watched anyway; where it builds on a family of this package, that
    one is named here.
    """

    family: FilePath
    shared: FilePath


class RawSection(Section):
    """Files that a package ships, to be copied to data/raw/ so that DVC can watch them."""

    bundled: tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.\-]*$", max_length=MOST_PART)], ...]


class TrainSection(BaseModel):
    """The seed of the base networks, and the settings of their family (validated by the family's own model).

    start: "neighbour" trains anchors from their neighbours' networks too, and takes those where their own scores do not
    fall (`pipeline.surrogate.chains`). warm_share: part of the family's training that such a second training takes.
    warm_episodes: number that an anchor's score, and each mixture's, is judged by.
    """

    model_config = ConfigDict(frozen=True, extra="allow", allow_inf_nan=False)

    seed: Seed = 0
    start: Literal["own", "neighbour"] = "own"
    warm_share: float = Field(default=0.5, gt=0, le=1)
    warm_episodes: int = Field(default=40, ge=2, le=10_000)

    @property
    def family_settings(self) -> dict[str, Any]:
        """What belongs to the family: every key that is no field of this section."""
        return dict(self.model_extra or {})


class HarvestSection(Section):
    """How many conditions the networks are evaluated at, and how many draws are taken at each."""

    fit_conditions: Count
    score_conditions: Count
    draws: Count = 1
    seed: Seed = 0


class DatasetSection(Section):
    """Where the harvests are: the sweep's own, or one from disk.

    score_fraction, seed: which part of a harvest from disk is held back for scoring.
    """

    source: FilePath
    score_fraction: float = Field(default=0.25, gt=0, lt=1)
    seed: Seed = 0


class FitSection(SurrogateConfig):
    """The surrogate's settings, its seed, and the device it is fitted on (auto: CUDA where there is a device).

    barriers: whether intervals are checked in episodes, where the family has them (`episode_scores`); the cost is nine
    to fifteen times barrier_episodes an interval.
    """

    seed: Seed = 0
    device: Device = "auto"
    barriers: Literal["auto", "off"] = "auto"
    barrier_episodes: int = Field(default=40, ge=2, le=10_000)

    def surrogate(self) -> SurrogateConfig:
        """The settings of the surrogate itself."""
        return SurrogateConfig(**self.model_dump(include=set(SurrogateConfig.model_fields)))


class ValidateSection(Section):
    """How the surrogate is judged.

    redraws: how many times the truth and the starts are drawn where the networks are stochastic. methods: the fitted
    methods that are dear, which stage compare runs beside the quick ones (`pipeline.evaluation.methods`), or all.
    noise: how many anchors, 0 or 1, are trained again from another seed, which shows the noise of training.
    floor_seeds: from how many other seeds all held-out λ are trained again: the floor of a surrogate's error.
    conditioned: whether one network of all λ is trained, too, where the family can: a dear reference.
    """

    redraws: Count = 1
    seed: Seed = 0
    methods: tuple[str, ...] = ()
    noise: int = Field(default=0, ge=0, le=MOST_NOISE)
    floor_seeds: int = Field(default=0, ge=0, le=MOST_SEEDS)
    conditioned: Switch = False

    @field_validator("methods", mode="before")
    @classmethod
    def _all_is_one_word(cls, given: object) -> object:
        return (given,) if given == "all" else given


class RegisterSection(Section):
    """The name of the registered model, and what is registered.

    method: the surrogate; or best, a plain method behind the same interface where the figures recommend it
    (`pipeline.evaluation.plain`), else the surrogate. answer_rows: how many rows (of the input, × values of λ × draws)
    the served model answers at once; None: as many as make four million numbers. flavour: what is served, the fitted
    modules on torch, or their export (`pipeline.export`), which starts sooner and needs no torch.
    """

    # MLflow keeps names up to 256 characters; dots and spaces alone name a folder above, or nothing.
    model: str = Field(pattern=r"^[A-Za-z0-9_.\- ]*[A-Za-z0-9_\-][A-Za-z0-9_.\- ]*$", max_length=200)
    method: Literal["surrogate", "best"] = "surrogate"
    answer_rows: int | None = Field(default=None, ge=1, le=1_000_000_000)
    flavour: Flavour = "torch"


class Config(Section):
    """One resolved sweep: what params.yaml holds. dvc.yaml names its sections, so that none may be left out."""

    name: str = Field(pattern=r"^[A-Za-z0-9_\-]+$", max_length=100)
    network: str | None
    code: CodeSection | None = None
    sweep: SweepSection
    raw: RawSection
    ingest: IngestSection
    train: TrainSection
    warm: WarmSection = WarmSection()
    retrain: RetrainSection = RetrainSection()
    conditioned: ConditionedSection = ConditionedSection()
    harvest: HarvestSection | None = None
    dataset: DatasetSection
    fit: FitSection
    validate_: ValidateSection = Field(alias="validate")
    register_: RegisterSection = Field(alias="register")
    gates: tuple[GateSection, ...] = DEFAULT_GATES

    @property
    def folder(self) -> Path:
        """Where everything of this sweep lies, relative to the repository: data/<name>."""
        return Path("data") / self.name

    @model_validator(mode="after")
    def _code_belongs_to_the_network(self) -> Self:
        family, shared = watched(self.network)
        own = (family, shared) == NOTHING  # a user's family may build on any family of this package
        if self.code is None or not (own or self.code == CodeSection(family=family, shared=shared)):
            state = "is missing beside" if self.code is None else f"= {self.code.model_dump()} does not belong to"
            raise ValueError(
                f"code {state} network = {self.network!r}: DVC would not notice a change to it; write "
                f"code: {{family: {family}, shared: {shared}}}"
            )
        return self

    @model_validator(mode="after")
    def _warm_starts_belong_to_the_anchors(self) -> Self:
        if self.network is None and self.train.start != "own":
            raise ValueError(f"train.start = {self.train.start!r} with network = null: nothing is trained; remove it")
        check_plan(self.warm, self.train.start, self.sweep.anchors)
        return self

    @model_validator(mode="after")
    def _retrained_belong_to_the_sweep(self) -> Self:
        noise, floor_seeds = self.validate_.noise, self.validate_.floor_seeds
        if self.network is None and (noise or floor_seeds):
            field = "noise" if noise else "floor_seeds"
            raise ValueError(
                f"validate.{field} = {noise or floor_seeds} with network = null: nothing is trained; set it to 0"
            )
        if self.network is None or self.sweep.values:
            check_retraining(self.retrain, self.sweep, noise, floor_seeds)
        return self

    @model_validator(mode="after")
    def _conditioned_belongs_to_the_sweep(self) -> Self:
        if self.network is None and self.validate_.conditioned:
            raise ValueError("validate.conditioned = true with network = null: nothing is trained; set it to false")
        if self.network is None or self.sweep.values:
            check_conditioning(self.conditioned, self.sweep, self.validate_.conditioned)
        return self

    @model_validator(mode="after")
    def _sections_agree(self) -> Self:
        if self.network is None:
            if self.sweep.values:
                raise ValueError(
                    f"sweep.values = {list(self.sweep.values)} with network = null: a harvest from disk has its own "
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


def parse_config(text: str, origin: str) -> Config:
    """Read YAML text into a `Config`; `origin` (a file name) stands in the message of a ConfigurationError."""
    loaded = read_yaml(text, origin)
    if not isinstance(loaded, dict):
        raise ConfigurationError(
            f"{origin} has {type(loaded).__name__} at its top level; expected a mapping of sections"
        )
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
