"""Settings of a policy that is trained by proximal policy optimisation: common to all families of policies."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from pipeline.settings import Count, Section, Steps, Switch, Widths


class PolicySettings(Section):
    """Sizes, training and scoring of one Gaussian policy. Everything else is stable-baselines3's default.

    hidden: units of the hidden layers, of the policy and of the value network alike. steps: of the environments in all;
    rounded up to whole rollouts. environments: how many are stepped at once. rollout: steps of all environments between
    two updates. trace: λ of generalised advantage estimation, not the sweep's. normalise: observations and rewards are
    standardised by their running statistics. episodes: number that the score averages over. reference_episodes: number
    of the reference behaviour in each split; the conditions are their states.
    """

    hidden: Widths = (64, 64)
    steps: Steps = 500_000
    environments: Count = 32
    rollout: Annotated[Count, Field(ge=2)] = 2048
    batch_size: Annotated[Count, Field(ge=2)] = 64
    epochs: Steps = 10
    learning_rate: float = Field(default=3e-4, gt=0, le=1)
    discount: float = Field(default=0.99, gt=0, le=1)
    trace: float = Field(default=0.95, ge=0, le=1)
    normalise: Switch = False
    episodes: Count = 100
    reference_episodes: Count = 100

    @model_validator(mode="after")
    def _rollouts_are_whole(self) -> Self:
        if self.rollout % self.environments or self.rollout % self.batch_size:
            raise ValueError(
                f"train.rollout = {self.rollout} is not a multiple of both environments = {self.environments} and "
                f"batch_size = {self.batch_size}; a rollout has whole steps of all environments, and whole batches"
            )
        return self
