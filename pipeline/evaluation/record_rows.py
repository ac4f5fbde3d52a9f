"""The rows and parts of a record of a validation, as they stand in metrics.json; `record` puts them together."""

from typing import TYPE_CHECKING, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from pipeline.evaluation.next_value import NextValue
    from pipeline.evaluation.trust import Trust
    from pipeline.surrogate.barriers import Barrier

Named = float | dict[str, float]
"""λ: a number, or {name: number} in the schema's order."""


class Frozen(BaseModel):
    """A part of a record: it does not change once it was made."""

    model_config = ConfigDict(frozen=True)


class Digest(Frozen):
    """SHA-256 of a data set, or of the surrogate."""

    of: str
    sha256: str


class MethodRecord(Frozen):
    """A method that was scored. role: as `pipeline.evaluation.methods.method.Role`."""

    name: str
    label: str
    role: str


class ScoreRecord(Frozen):
    """The figures of one method at one λ. More distances follow by their names.

    role: "held_out"; "left_out", at an interior anchor by what was fitted without it; or "anchor".
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, float] = Field(init=False)

    role: str
    hyperparameter: Named
    method: str
    error: float
    spread: float
    truth_spread: float

    @property
    def distances(self) -> dict[str, float]:
        """The distances beside the error."""
        return dict(self.__pydantic_extra__)


class VerdictRecord(Frozen):
    """The verdict of one gate."""

    gate: str
    passed: bool
    sentence: str
    figure: float | None = None


class DecisionRecord(Frozen):
    """The decision of the gates; the reason is a list of one sentence."""

    promote: bool
    reason: tuple[str]
    gates: tuple[VerdictRecord, ...] = ()


class RecommendationRecord(Frozen):
    """What the figures recommend; see `pipeline.evaluation.recommendation`. The sentence is a list of one."""

    method: str
    sentence: tuple[str]


class CrossingsRecord(Frozen):
    """Shares of outputs that decrease where they should increase with λ; see `pipeline.evaluation.crossings`."""

    surrogate: float
    anchors: float
    networks: float | None = None


Kind = Literal["variant", "straight along", "clock", "order", "own rows"]
"""What a candidate of a fit is."""


class CandidateRecord(Frozen):
    """A variant, a straight hyperparameter, a clock, an order or a way to move own rows that the fit compared.

    See `pipeline.evaluation.compared.Row`.
    """

    kind: Kind
    name: str
    error: float | None = None
    standard_error: float | None = None
    chosen: bool = False
    remark: str = ""
    hyperparameter: str | None = None


class StandingRecord(Frozen):
    """A method's place among all; see `pipeline.evaluation.standings.Standing`.

    fit_seconds, ask_seconds: of its fit, and of 1,000 answers, where the method was timed.
    """

    method: str
    mean: float
    interval: tuple[float, float] | None = None
    worst: float
    worst_at: Named
    difference: tuple[float, float] | None = None
    verdict: str = ""
    fit_seconds: float | None = None
    ask_seconds: float | None = None


class CoverageRecord(Frozen):
    """At one held-out λ: the share within the bound that is to cover nine in ten, and the root of the mean u²."""

    hyperparameter: float
    coverage: float
    predicted: float


class TrustRecord(Frozen):
    """The surrogate's uncertainty, and whether it keeps its word; see `pipeline.evaluation.trust.Trust`.

    noise, timing, left_out, retrained: as of `pipeline.evaluation.uncertainty.Uncertainty`.
    """

    noise: tuple[float, ...]
    timing: float
    left_out: int
    retrained: bool
    held_out: tuple[CoverageRecord, ...] = ()
    coverage: float | None = None
    rank_correlation: float | None = None

    @classmethod
    def of(cls, trust: "Trust") -> Self:
        """The record of an uncertainty."""
        found, predicted = trust.uncertainty, dict(trust.predicted)
        held_out = [
            {"hyperparameter": value, "coverage": share, "predicted": predicted[value]}
            for value, share in trust.coverage
        ]
        return cls.model_validate(
            {name: getattr(found, name) for name in ("noise", "timing", "left_out", "retrained")}
            | {"held_out": held_out, "coverage": trust.mean_coverage, "rank_correlation": trust.rank_correlation}
        )


class TaskRecord(Frozen):
    """A family's own score at one λ, method by method."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, float] = Field(init=False)

    name: str
    hyperparameter: Named


class MixtureRecord(Frozen):
    """Mean scores of a mixture and of both ends under one λ; see `pipeline.surrogate.barriers.Mixture`."""

    share: float
    hyperparameter: float
    mixture: float
    left: float
    right: float
    standard_error: float


class BarrierRecord(Frozen):
    """The check of one interval; see `pipeline.surrogate.barriers.Barrier`.

    broken: whether an anchor's own network is served there. switch: the λ at which the better end changes. train_at:
    the λ to train next. verdict: all that in a sentence.
    """

    anchors: tuple[float, float]
    score: str
    episodes: int
    broken: bool
    verdict: str
    mixtures: tuple[MixtureRecord, ...]
    switch: float | None = None
    train_at: float | None = None

    @classmethod
    def of(cls, barrier: "Barrier") -> Self:
        """The record of a barrier."""
        mixtures = tuple(MixtureRecord.model_validate(vars(mixture)) for mixture in barrier.mixtures)
        named = {name: getattr(barrier, name) for name in cls.model_fields if name != "mixtures"}
        return cls(**named, mixtures=mixtures)


class NextRecord(Frozen):
    """The λ to train next; see `pipeline.evaluation.next_value.NextValue`.

    before, after: the mean u² over conditions and λ, now and as expected with it.
    """

    value: float
    why: str
    anchors: tuple[float, float]
    before: float | None = None
    after: float | None = None
    known: bool = False
    sentence: str

    @classmethod
    def of(cls, found: "NextValue") -> Self:
        """The record of a λ to train."""
        return cls(**vars(found), sentence=found.sentence)


class BestAnchorRecord(Frozen):
    """The anchor whose own network scores best under the score of one λ, of a family that gives episodes."""

    hyperparameter: Named
    anchor: Named
