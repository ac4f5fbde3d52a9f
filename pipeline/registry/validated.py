"""What registration reads of a validation's metrics.json."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.errors import BundleError
from pipeline.evaluation.decision import Decision
from pipeline.storage.files import read_json


class Digest(BaseModel):
    """SHA-256 of a data set, or of the surrogate."""

    model_config = ConfigDict(frozen=True)

    of: str
    sha256: str


class Figures(BaseModel):
    """The error and the energy distance of one method at one λ; role: "held_out", or "anchor"."""

    model_config = ConfigDict(frozen=True)

    role: str
    hyperparameter: float
    method: str
    error: float
    energy_distance: float


class Gate(BaseModel):
    """What the gate decided, as the file holds it: its reason is a list of one sentence."""

    model_config = ConfigDict(frozen=True)

    promote: bool
    reason: tuple[str]


class Validated(BaseModel):
    """The parts of metrics.json that registration needs; others are left to the file itself, an artifact of the run."""

    model_config = ConfigDict(frozen=True)

    gate: Gate = Field(alias="decision")
    mean: dict[str, float]
    scores: tuple[Figures, ...]
    digests: tuple[Digest, ...]

    @property
    def decision(self) -> Decision:
        """Whether the surrogate may become champion, and why."""
        return Decision(self.gate.promote, *self.gate.reason)

    def figures(self) -> dict[str, dict[str, float] | dict[str, dict[str, float]]]:
        """Errors by method in the mean over the held-out λ, and error and energy distance at each, method by method."""
        held_out = [score for score in self.scores if score.role == "held_out"]
        by_method: dict[str, dict[str, dict[str, float]]] = {"error": {}, "energy_distance": {}}
        for score in held_out:
            place = f"{score.hyperparameter:g}"
            by_method["error"].setdefault(score.method, {})[place] = score.error
            by_method["energy_distance"].setdefault(score.method, {})[place] = score.energy_distance
        return {"mean_error": self.mean, **by_method}


def read_validated(path: Path) -> Validated:
    """Read metrics.json; BundleError where it is missing or holds no validation."""
    document = read_json(path, "validation")
    try:
        return Validated.model_validate(document)
    except ValidationError as error:
        raise BundleError(f"{path} is no validation's metrics; run the stage validate again: {error}") from error
