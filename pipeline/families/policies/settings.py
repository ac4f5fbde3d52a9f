"""Settings of a policy that is trained by proximal policy optimisation: common to all families of policies."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipeline.settings import Widths


class PolicySettings(BaseModel):
    """Sizes, training and scoring of one Gaussian policy. Everything else is stable-baselines3's default.

    hidden: units of the hidden layers, of the policy and of the value network alike. steps: of the environments in all;
    rounded up to whole rollouts. environments: how many are stepped at once. rollout: steps of all environments between
    two updates. trace: λ of generalised advantage estimation, not the sweep's. normalise: observations and rewards are
    standardised by their running statistics. episodes: number that the score averages over. reference_episodes: number
    of the reference behaviour in each split; the conditions are their states.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    hidden: Widths = (64, 64)
    steps: int = Field(default=500_000, ge=1)
    environments: int = Field(default=32, ge=1)
    rollout: int = Field(default=2048, ge=2)
    batch_size: int = Field(default=64, ge=2)
    epochs: int = Field(default=10, ge=1)
    learning_rate: float = Field(default=3e-4, gt=0, le=1)
    discount: float = Field(default=0.99, gt=0, le=1)
    trace: float = Field(default=0.95, ge=0, le=1)
    normalise: bool = False
    episodes: int = Field(default=100, ge=1)
    reference_episodes: int = Field(default=100, ge=1)

    @model_validator(mode="after")
    def _rollouts_are_whole(self) -> Self:
        if self.rollout % self.environments or self.rollout % self.batch_size:
            raise ValueError(
                f"train.rollout = {self.rollout} is not a multiple of both environments = {self.environments} and "
                f"batch_size = {self.batch_size}; a rollout has whole steps of all environments, and whole batches"
            )
        return self
